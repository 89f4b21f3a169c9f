//! The SQL of what administrators do. Each change is one statement on one row, found by its exact name,
//! and where it rests on what was read before, that is part of its condition.

use super::dialect::{Sql, Value, around};
use super::statements::Statements;
use crate::domain::{Allowance, BizTag};
use crate::storage::{Change, Listing, NewTag, Seen};

/// `biz_tag IN (…)` has places for so many names, so that there are few statements to prepare.
const PLACES: [usize; 3] = [4, 32, NAMES];
/// So many names are asked for at once.
pub(super) const NAMES: usize = 256;
/// So many tags with limits of their own are looked at by each check.
const WATCHED: i64 = 10_000;

/// `biz_tag IN (…)`. The names are repeated where there are more places.
fn among(sql: Sql, names: &[BizTag]) -> Sql {
    let places = PLACES.into_iter().find(|places| names.len() <= *places);
    let names = names
        .iter()
        .cycle()
        .take(places.unwrap_or(names.len()))
        .enumerate();
    let sql = names.fold(sql, |sql, (place, name)| {
        let before = if place == 0 { "biz_tag IN (" } else { ", " };
        sql.text(before).bind(name.as_str())
    });
    sql.text(")")
}

impl Statements {
    /// Only where step, description and limit are still those that were seen.
    fn as_seen(&self, sql: Sql, seen: Option<&Seen>) -> Sql {
        let Some(seen) = seen else { return sql };
        let description = self.dialect.bytes("COALESCE(description, '')");
        let mut sql = sql.with(" AND step = ?", [seen.step.into()]);
        if self.limited {
            sql = sql.with(" AND id_limit = ?", [seen.id_limit.unwrap_or(0).into()]);
        }
        let sql = sql.text(&format!(" AND {description} = "));
        self.bound_bytes(sql, &seen.description)
    }

    /// Changes step, description, limit, or several of them. A limit below what was claimed or announced matches no row.
    pub(super) fn change(&self, tag: &BizTag, change: &Change) -> Sql {
        // The tag itself is not assigned: a sharded table would refuse to move its row.
        let assignments: [(&str, Option<Value>); 3] = [
            ("step = ", change.step.map(Value::from)),
            (
                "description = ",
                change.description.as_deref().map(Value::from),
            ),
            ("id_limit = ", change.id_limit.map(Value::from)),
        ];
        let given = assignments
            .into_iter()
            .filter_map(|(column, value)| Some((column, value?)));
        let sql = given
            .enumerate()
            .fold(self.update(), |sql, (place, (column, value))| {
                let between = if place == 0 { "" } else { ", " };
                sql.text(between).text(column).bind(value)
            });
        let mut sql = self.live(self.exact(sql, tag.as_str()));
        if let Some(limit) = change.id_limit.filter(|limit| *limit > 0) {
            sql = sql.with(" AND max_id <= ?", [limit.into()]);
            if self.counted {
                sql = sql.with(" AND advance_to <= ?", [limit.into()]);
            }
        }
        self.as_seen(sql, change.seen.as_ref())
    }

    /// Deletes a tag. Its step becomes 0, which go-id-alloc refuses too.
    pub(super) fn retire(&self, tag: &BizTag, seen: Option<&Seen>) -> Sql {
        let sql = self.update();
        let sql = sql.text("retired_at = CURRENT_TIMESTAMP, step = 0");
        self.as_seen(self.of_live(sql, tag), seen)
    }

    /// Takes a retired row up again at `new.start`, if its `max_id` still is what was read and nothing
    /// was claimed beyond the start. The primary it names stays: where that is another one, the next
    /// claim moves the row.
    pub(super) fn revive(&self, new: &NewTag, read: i64) -> Sql {
        let start = || Value::from(new.start);
        let mut sql = self.update().with(
            "retired_at = NULL, max_id = ?, step = ?, description = ?",
            [start(), new.step.into(), new.description.as_str().into()],
        );
        if self.limited {
            sql = sql.with(", id_limit = ?", [new.id_limit.unwrap_or(0).into()]);
        }
        let sql = self.exact(sql.text(self.dialect.touched), new.tag.as_str());
        let mut sql = sql.with(
            " AND retired_at IS NOT NULL AND max_id = ? AND max_id <= ?",
            [read.into(), start()],
        );
        if self.identity.is_some() {
            sql = sql.with(" AND claimed_to <= ?", [start()]);
        }
        if self.counted {
            sql = sql.with(" AND advance_to <= ?", [start()]);
        }
        sql
    }

    /// Rows in the order of their names, as the key has them: a sort by bytes would read all rows for each page.
    pub(super) fn list(&self, listing: &Listing) -> Sql {
        let mut sql = self.listed().text(" WHERE 1 = 1");
        if let Some(prefix) = listing
            .prefix
            .as_deref()
            .filter(|prefix| !prefix.is_empty())
        {
            // The key finds it, and what only its collation takes for the prefix is left out.
            sql = (self.dialect.begins)(sql.text(" AND "), "biz_tag", prefix);
            let first = around(self.dialect.first_bytes, &self.dialect.bytes("biz_tag"));
            let length = i64::try_from(prefix.len()).unwrap_or(i64::MAX);
            sql = sql.with(&format!(" AND {first}?) = "), [length.into()]);
            sql = self.bound_bytes(sql, prefix);
        }
        let (after, order) = match listing.descending {
            false => (" AND biz_tag > ?", "ASC"),
            true => (" AND biz_tag < ?", "DESC"),
        };
        if let Some(name) = &listing.after {
            sql = sql.with(after, [name.as_str().into()]);
        }
        limited(
            sql.text(&format!(" ORDER BY biz_tag {order}")),
            listing.limit,
        )
    }

    /// The rows of these names, at most [`NAMES`], and those whose names the collation takes for one.
    pub(super) fn rows(&self, names: &[BizTag]) -> Sql {
        among(self.listed().text(" WHERE "), names)
    }

    /// Those of these names, at most [`NAMES`], that have a row, and those that the collation takes for one of them. It takes
    /// no lock, so nobody who holds a row holds it up.
    pub(super) fn existing(&self, names: &[BizTag]) -> Sql {
        self.live(self.named(names))
    }

    /// Which of these names, at most [`NAMES`], are retired.
    pub(super) fn retired(&self, names: &[BizTag]) -> Sql {
        self.named(names).text(" AND retired_at IS NOT NULL")
    }

    fn named(&self, names: &[BizTag]) -> Sql {
        let sql = Sql::new(format!("SELECT biz_tag FROM {} WHERE ", self.table));
        among(sql, names)
    }

    /// The rows with a limit of their own, those first that have used most of it; `None` without the column.
    pub(super) fn with_limits(&self, limit: u64) -> Option<Sql> {
        if !self.limited {
            return None;
        }
        // Of millions with a limit, those with the smallest ones: to look at all takes the database half a minute.
        let (max_id, table) = (self.dialect.integer("max_id"), &self.table);
        let sql = Sql::new(format!(
            "SELECT biz_tag, max_id, id_limit FROM (SELECT biz_tag, {max_id} AS max_id, id_limit FROM {table} \
             WHERE id_limit > 0"
        ));
        let sql = self.live(sql).text(&format!(
            " ORDER BY id_limit LIMIT {WATCHED}) AS sample ORDER BY max_id * 1.0 / id_limit DESC"
        ));
        Some(limited(sql, limit))
    }

    /// Names of the rows that changed last.
    pub(super) fn recent(&self, limit: u64) -> Sql {
        let sql = Sql::new(format!("SELECT biz_tag FROM {} WHERE 1 = 1", self.table));
        limited(self.live(sql).text(" ORDER BY update_time DESC"), limit)
    }

    /// New rows, at least one, in the lineage that is known. Other columns of the guard have their defaults.
    pub(super) fn insert(&self, new: &[NewTag], id_limit: i64, lineage: Option<i64>) -> Sql {
        let guard = self.identity.as_ref().map_or("", |_| ", claimed_on");
        let account = match self.counted {
            true => ", allowance, allowance_before, lineage, needed_at",
            false => "",
        };
        let limit = if self.limited { ", id_limit" } else { "" };
        let sql = Sql::new(format!(
            "INSERT INTO {} (biz_tag, max_id, step, description{limit}{guard}{account}) VALUES ",
            self.table
        ));
        new.iter().enumerate().fold(sql, |sql, (index, new)| {
            let mut sql = sql.text(if index == 0 { "" } else { ", " }).with(
                "(?, ?, ?, ?",
                [
                    new.tag.as_str().into(),
                    new.start.into(),
                    new.step.into(),
                    new.description.as_str().into(),
                ],
            );
            if self.limited {
                sql = sql.with(", ?", [new.id_limit.unwrap_or(0).into()]);
            }
            if let Some(identity) = &self.identity {
                // A replica that got this row but not its first claims is then seen as another server.
                sql = self.identity(sql.text(", "), identity);
            }
            if self.counted {
                let end = new.id_limit.map_or(id_limit, |own| own.min(id_limit));
                let first = Allowance::first(new.step, end.saturating_sub(new.start));
                let lineage = lineage.unwrap_or(0);
                let account = format!(", ?, ?, ?, {}", self.dialect.now);
                sql = sql.with(&account, [first.into(), first.into(), lineage.into()]);
            }
            sql.text(")")
        })
    }

    /// Announces that `max_id` is going to be raised to `target`, if the row still says what was read. Any
    /// claim after [`DELAY`](crate::domain::allowance::DELAY) does it.
    pub(super) fn announce(&self, tag: &BizTag, max_id: i64, announced: i64, target: i64) -> Sql {
        let announce = format!("advance_to = ?, advance_at = {}", self.dialect.now);
        let sql = self.update().with(&announce, [target.into()]);
        let sql = self.of_live(sql, tag);
        let unchanged = " AND max_id = ? AND advance_to = ?";
        self.only_writable(sql.with(unchanged, [max_id.into(), announced.into()]))
    }
}

/// At most so many rows.
fn limited(sql: Sql, limit: u64) -> Sql {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    sql.with(" LIMIT ?", [limit.into()])
}
