//! The SQL of what administrators do. Each change is one statement on one row, found by its exact name,
//! and where it rests on what was read before, that is part of its condition.

use super::dialect::{Sql, Value};
use super::statements::Statements;
use crate::domain::{Allowance, BizTag};
use crate::storage::{Change, Listing, NewTag, Seen};

/// So many names are asked for at once.
pub(super) const NAMES: usize = 500;
/// So many tags with limits of their own are looked at by each check.
const WATCHED: i64 = 10_000;

/// `biz_tag IN (…)`. The last name is repeated up to one of few lengths, so that few texts are prepared.
fn among(sql: Sql, names: &[BizTag]) -> Sql {
    let length = [1, 20, NAMES].into_iter().find(|most| names.len() <= *most);
    let last = names.last().map_or("", BizTag::as_str);
    let missing = length.unwrap_or(names.len()).saturating_sub(names.len());
    let padded = names.iter().map(BizTag::as_str);
    let padded = padded.chain(std::iter::repeat_n(last, missing));
    let sql = padded.enumerate().fold(sql, |sql, (index, name)| {
        let before = if index == 0 { "biz_tag IN (" } else { ", " };
        sql.text(before).bind(name)
    });
    sql.text(")")
}

impl Statements {
    /// Only where step, description and limit are still those that were seen.
    fn as_seen(&self, sql: Sql, seen: Option<&Seen>) -> Sql {
        let Some(seen) = seen else { return sql };
        let description = self.dialect.bytes("COALESCE(description, '')");
        let mut sql = sql.text(" AND step = ").bind(seen.step);
        if self.limited {
            sql = sql
                .text(" AND id_limit = ")
                .bind(seen.id_limit.unwrap_or(0));
        }
        self.bound_bytes(
            sql.text(&format!(" AND {description} = ")),
            &seen.description,
        )
    }

    /// Changes step, description, limit, or several of them. A limit below what was claimed or announced matches no row.
    pub(super) fn change(&self, tag: &BizTag, change: &Change) -> Sql {
        // The tag itself is not assigned: a sharded table would refuse to move its row.
        let sql = Sql::new(format!("UPDATE {} SET ", self.table));
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
            .fold(sql, |sql, (place, (column, value))| {
                let between = if place == 0 { "" } else { ", " };
                sql.text(between).text(column).bind(value)
            });
        let mut sql = self.live(self.exact(sql, tag.as_str()));
        if let Some(limit) = change.id_limit.filter(|limit| *limit > 0) {
            sql = sql.text(" AND max_id <= ").bind(limit);
            if self.counted {
                sql = sql.text(" AND advance_to <= ").bind(limit);
            }
        }
        self.as_seen(sql, change.seen.as_ref())
    }

    /// Deletes a tag. Its step becomes 0, which go-id-alloc refuses too.
    pub(super) fn retire(&self, tag: &BizTag, seen: Option<&Seen>) -> Sql {
        let sql = Sql::new(format!(
            "UPDATE {} SET retired_at = CURRENT_TIMESTAMP, step = 0",
            self.table
        ));
        let sql = self.exact(sql.text(self.dialect.touched()), tag.as_str());
        self.as_seen(sql.text(" AND retired_at IS NULL"), seen)
    }

    /// Takes a retired row up again at `new.start`, if its `max_id` still is what was read and nothing
    /// was claimed beyond the start. The primary it names stays: where that is another one, the next
    /// claim moves the row.
    pub(super) fn revive(&self, new: &NewTag, read: i64) -> Sql {
        let sql = Sql::new(format!(
            "UPDATE {} SET retired_at = NULL, step = ",
            self.table
        ));
        let sql = sql.bind(new.step).text(", description = ");
        let mut sql = sql.bind(new.description.as_str());
        if self.limited {
            sql = sql.text(", id_limit = ").bind(new.id_limit.unwrap_or(0));
        }
        let sql = sql.text(", max_id = ").bind(new.start);
        let sql = sql.text(self.dialect.touched());
        let sql = self.exact(sql, new.tag.as_str());
        let sql = sql.text(" AND retired_at IS NOT NULL AND max_id = ");
        let mut sql = sql.bind(read).text(" AND max_id <= ").bind(new.start);
        if self.identity.is_some() {
            sql = sql.text(" AND claimed_to <= ").bind(new.start);
        }
        if self.counted {
            sql = sql.text(" AND advance_to <= ").bind(new.start);
        }
        sql
    }

    /// Rows in the order of their names, as the key has them: a sort by bytes would read all rows for each page.
    pub(super) fn list(&self, listing: &Listing) -> Sql {
        let sql = self.listed(Sql::new("")).text(" WHERE 1 = 1");
        let sql = match listing.prefix.as_deref() {
            None | Some("") => sql,
            Some(prefix) => {
                // The key finds it, and what only its collation takes for the prefix is left out.
                let sql = self.dialect.begins(sql.text(" AND "), "biz_tag", prefix);
                let key = self.dialect.bytes("biz_tag");
                let sql = sql.text(&format!(" AND {}", self.dialect.first_bytes(&key)));
                let length = i64::try_from(prefix.len()).unwrap_or(i64::MAX);
                self.bound_bytes(sql.bind(length).text(") = "), prefix)
            }
        };
        let (after, order) = match listing.descending {
            false => (" > ", "ASC"),
            true => (" < ", "DESC"),
        };
        let sql = match &listing.after {
            Some(name) => sql
                .text(&format!(" AND biz_tag{after}"))
                .bind(name.as_str()),
            None => sql,
        };
        let sql = sql.text(&format!(" ORDER BY biz_tag {order} LIMIT "));
        sql.bind(i64::try_from(listing.limit).unwrap_or(i64::MAX))
    }

    /// The rows of these names, at most [`NAMES`], and those whose names the collation takes for one.
    pub(super) fn rows(&self, names: &[BizTag]) -> Sql {
        let sql = self.listed(Sql::new("")).text(" WHERE ");
        among(sql, names)
    }

    /// What is said of a row in a list.
    fn listed(&self, sql: Sql) -> Sql {
        let mut sql = sql.text("SELECT biz_tag, max_id, step, description, ");
        sql = sql.text(if self.retirable {
            "(retired_at IS NOT NULL) AS retired"
        } else {
            "0 AS retired"
        });
        sql = self.guard_columns(sql);
        sql.text(&format!(" FROM {}", self.table))
    }

    /// Which of these names, at most [`NAMES`], are retired.
    pub(super) fn retired(&self, names: &[BizTag]) -> Sql {
        let sql = Sql::new(format!("SELECT biz_tag FROM {} WHERE ", self.table));
        among(sql, names).text(" AND retired_at IS NOT NULL")
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
        let sql = self
            .live(sql)
            .text(" ORDER BY id_limit LIMIT ")
            .bind(WATCHED);
        let sql = sql.text(") AS sample ORDER BY max_id * 1.0 / id_limit DESC LIMIT ");
        Some(sql.bind(i64::try_from(limit).unwrap_or(i64::MAX)))
    }

    /// Names of the rows that changed last.
    pub(super) fn recent(&self, limit: u64) -> Sql {
        let sql = Sql::new(format!("SELECT biz_tag FROM {} WHERE 1 = 1", self.table));
        let sql = self.live(sql).text(" ORDER BY update_time DESC LIMIT ");
        sql.bind(i64::try_from(limit).unwrap_or(i64::MAX))
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
            let sql = sql.text(if index == 0 { "(" } else { ", (" });
            let sql = sql.bind(new.tag.as_str()).text(", ").bind(new.start);
            let sql = sql.text(", ").bind(new.step).text(", ");
            let mut sql = sql.bind(new.description.as_str());
            if self.limited {
                sql = sql.text(", ").bind(new.id_limit.unwrap_or(0));
            }
            sql = self.with_identity(sql);
            if self.counted {
                let end = new.id_limit.map_or(id_limit, |own| own.min(id_limit));
                let first = Allowance::first(new.step, end.saturating_sub(new.start));
                sql = sql.text(", ").bind(first).text(", ").bind(first);
                sql = sql.text(", ").bind(lineage.unwrap_or(0));
                sql = sql.text(&format!(", {}", self.dialect.now()));
            }
            sql.text(")")
        })
    }

    /// A replica that got this row but not its first claims is then seen as another server.
    fn with_identity(&self, sql: Sql) -> Sql {
        match &self.identity {
            Some(identity) => self.identity(sql.text(", "), identity),
            None => sql,
        }
    }

    /// Announces that `max_id` is going to be raised to `target`, if the row still says what was read. Any
    /// claim after [`DELAY`](crate::domain::allowance::DELAY) does it.
    pub(super) fn announce(&self, tag: &BizTag, max_id: i64, announced: i64, target: i64) -> Sql {
        let sql = Sql::new(format!("UPDATE {} SET advance_to = ", self.table)).bind(target);
        let now = self.dialect.now();
        let sql = sql.text(&format!(", advance_at = {now}{}", self.dialect.touched()));
        let sql = self.live(self.exact(sql, tag.as_str()));
        let sql = sql.text(" AND max_id = ").bind(max_id);
        self.only_writable(sql.text(" AND advance_to = ").bind(announced))
    }
}
