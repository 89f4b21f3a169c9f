//! What the error numbers of MySQL and MariaDB mean.

use crate::storage::sql::errors::{Kind, Place, SqlError, lost, table_missing};
use crate::storage::{StoreError, Unusable};
use sea_orm::SqlxMySqlError;
use sea_orm::sqlx::error::DatabaseError;

/// Deadlock: nothing was changed, and trying at once helps.
pub(in crate::storage::sql) const DEADLOCK: u16 = 1213;
/// A column that is not there.
pub(super) const UNKNOWN_COLUMN: u16 = 1054;
/// A row of that key exists.
pub(super) const DUPLICATE: u16 = 1062;
/// No number of its own.
pub(in crate::storage::sql) const UNKNOWN_ERROR: u16 = 1105;
/// Of Vitess: a table without a vindex in a sharded keyspace.
const NO_VINDEX: u16 = 1173;
/// Why a table cannot be used there.
pub(in crate::storage::sql) const SHARDED: &str =
    "the VSchema of this sharded keyspace does not name it";
/// A lock was waited for in vain.
pub(super) const LOCK_WAIT_OVER: u16 = 1205;
/// Too many connections: of all, of the account, of the account by its own limit.
const FULL: [u16; 3] = [1040, 1203, 1226];

/// What Vitess says of a table that its schema of a sharded keyspace lacks: before and after it has heard of it from a shard.
fn is_unsharded(number: u16, message: &str) -> bool {
    match number {
        UNKNOWN_ERROR => message.starts_with("table ") && message.ends_with(" not found"),
        number => number == NO_VINDEX,
    }
}

/// Whether the server refused a connection because it, or the account, has none left.
pub(super) fn is_full(error: &dyn DatabaseError) -> bool {
    let error = error.try_downcast_ref::<SqlxMySqlError>();
    error.is_some_and(|error| FULL.contains(&error.number()))
}

/// Whether another attempt may lead to another shard: Vitess asks any of them for the settings of a connection, and that
/// one may be gone.
pub(super) fn is_of_a_shard(error: &dyn DatabaseError) -> bool {
    let error = error.try_downcast_ref::<SqlxMySqlError>();
    error.is_some_and(|error| error.number() == UNKNOWN_ERROR)
}

pub(super) fn meaning(error: &dyn DatabaseError, kind: Kind, place: &Place) -> SqlError {
    match error.try_downcast_ref::<SqlxMySqlError>() {
        Some(error) => by_number(error.number(), error.message(), kind, place),
        None => lost(Some(kind), place, error.message()),
    }
}

/// What helps where user, password or right was refused.
fn let_in(number: u16, message: &str) -> &'static str {
    // The message begins with the statement that is denied.
    let of_migrations = ["CREATE ", "ALTER ", "INDEX ", "DROP ", "REFERENCES "];
    match number {
        1044 => "check the database's name in database.url, and that the user has rights on it",
        1142 if of_migrations.iter().any(|word| message.starts_with(word)) => {
            "run `id-alloc migrate up` as a user with CREATE and ALTER"
        }
        1142 | 1143 | 1227 => "grant the user this right",
        3159 => "the server lets nobody in without TLS: add ?ssl-mode=REQUIRED to database.url",
        _ => "check user and password in database.url, or in database.password_file",
    }
}

fn by_number(number: u16, message: &str, kind: Kind, place: &Place) -> SqlError {
    let table = &place.table;
    let text = || format!("{}: {message} ({number})", place.endpoint);
    let store = match number {
        // The server went away while the statement ran: a commit may have happened before.
        1053 | 1158..=1161 | 1927 | 2006 | 2013 | 1180 if kind == Kind::Write => {
            StoreError::UnknownOutcome(text())
        }
        // Nothing was sent on to a shard.
        UNKNOWN_ERROR | NO_VINDEX if is_unsharded(number, message) => {
            Unusable::TableMissing(format!("{message}: {SHARDED} (docs/databases.md)")).into()
        }
        // What Vitess says where the connection behind it broke, its time was over or something went wrong
        // within it. MySQL itself says 1317 only where nothing was done; a gap more does no harm.
        UNKNOWN_ERROR | 1317 | 1815 if kind == Kind::Write => StoreError::UnknownOutcome(text()),
        1290 | 1792 | 1836 => {
            StoreError::ReadOnly(format!("the database is read-only: {}", text()))
        }
        // The first is Vitess's, of some statements.
        1109 | 1146 => table_missing(place),
        1235 => {
            Unusable::TableMisconfigured(format!("the server cannot do this: {}", text())).into()
        }
        1044 | 1045 | 1142 | 1143 | 1227 | 1698 | 1251 | 2059 | 3159 => {
            Unusable::AccessDenied(format!("{}; {}", text(), let_in(number, message))).into()
        }
        1046 | 1049 => Unusable::WrongDatabase(format!(
            "{}; create it, or correct the name at the end of database.url",
            text()
        ))
        .into(),
        UNKNOWN_COLUMN => Unusable::TableMisconfigured(format!(
            "table `{table}` lacks a column: {message}; run `id-alloc migrate up`"
        ))
        .into(),
        1690 => StoreError::TagExhausted(format!("the row's numbers exceed 64 bits: {message}")),
        1264 => StoreError::TagMisconfigured(format!(
            "the row's numbers do not fit their columns: {message}; correct max_id and step"
        )),
        // Characters the column cannot hold: no such row can exist.
        1267 | 1366 | 3854 | 3988 => StoreError::UnknownTag,
        // Deadlock, lock wait, too many connections, shutdown, kill, Galera without quorum …; and
        // whatever else: the server answered that it did nothing.
        _ => StoreError::Transient(text()),
    };
    SqlError {
        broken: matches!(store, StoreError::UnknownOutcome(_))
            || matches!(number, 1053 | 1927 | 2006 | 2013 | 1047),
        store,
        duplicate: number == DUPLICATE,
        mysql: Some(number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> Place {
        Place {
            endpoint: "mysql://u@h:3306/db".into(),
            table: "segments".into(),
            meaning,
        }
    }

    fn mysql(number: u16, kind: Kind) -> StoreError {
        by_number(number, "m", kind, &place()).store
    }

    #[test]
    fn numbers_that_may_help_to_try_again_are_transient() {
        for number in [1205, 1213, 1047, 1040, 1203, 1226, 3024, 4711] {
            let error = mysql(number, Kind::Write);
            assert!(matches!(error, StoreError::Transient(_)), "{number}");
        }
    }

    #[test]
    fn a_server_that_goes_away_leaves_a_write_unknown_and_a_read_transient() {
        for number in [1053, 1105, 1158, 1161, 1317, 1815, 1927, 2006, 2013, 1180] {
            assert!(matches!(
                mysql(number, Kind::Write),
                StoreError::UnknownOutcome(_)
            ));
            assert!(matches!(
                mysql(number, Kind::Read),
                StoreError::Transient(_)
            ));
        }
    }

    #[test]
    fn whoever_is_refused_is_told_what_to_check() {
        for (number, message, todo) in [
            (
                1045,
                "Access denied for user 'u'@'h'",
                "check user and password",
            ),
            (
                1044,
                "Access denied for user 'u'@'h' to database 'd'",
                "check the database's name",
            ),
            (
                1142,
                "CREATE command denied to user 'u'@'h'",
                "with CREATE and ALTER",
            ),
            (
                1142,
                "INSERT command denied to user 'u'@'h'",
                "grant the user this right",
            ),
            (3159, "insecure transport", "?ssl-mode=REQUIRED"),
            (
                1049,
                "Unknown database 'd'",
                "create it, or correct the name",
            ),
        ] {
            let said = by_number(number, message, Kind::Read, &place())
                .store
                .to_string();
            assert!(said.contains(message) && said.contains(todo), "{said}");
        }
    }

    #[test]
    fn a_table_that_the_schema_of_vitess_lacks_is_missing_and_nothing_was_done() {
        for (number, said) in [
            (UNKNOWN_ERROR, "table segments_heartbeat not found"),
            (
                NO_VINDEX,
                "VT09001: table 'segments_heartbeat' does not have a primary vindex",
            ),
        ] {
            for kind in [Kind::Read, Kind::Write] {
                let error = by_number(number, said, kind, &place());
                let store = error.store;
                assert!(
                    matches!(store, StoreError::Unusable(Unusable::TableMissing(_))),
                    "{store:?}"
                );
                assert!(!error.broken);
            }
        }
    }

    #[test]
    fn permanent_numbers_have_their_kind() {
        use Unusable::{AccessDenied, TableMisconfigured, TableMissing, WrongDatabase};
        assert!(matches!(mysql(1290, Kind::Write), StoreError::ReadOnly(_)));
        assert!(matches!(
            mysql(1146, Kind::Read),
            StoreError::Unusable(TableMissing(_))
        ));
        assert!(matches!(
            mysql(1109, Kind::Write),
            StoreError::Unusable(TableMissing(_))
        ));
        assert!(matches!(
            mysql(1235, Kind::Write),
            StoreError::Unusable(TableMisconfigured(_))
        ));
        assert!(matches!(
            mysql(1045, Kind::Read),
            StoreError::Unusable(AccessDenied(_))
        ));
        assert!(matches!(
            mysql(1049, Kind::Read),
            StoreError::Unusable(WrongDatabase(_))
        ));
        assert!(matches!(
            mysql(1054, Kind::Read),
            StoreError::Unusable(TableMisconfigured(_))
        ));
        assert!(matches!(
            mysql(1690, Kind::Write),
            StoreError::TagExhausted(_)
        ));
        assert!(matches!(
            mysql(1264, Kind::Write),
            StoreError::TagMisconfigured(_)
        ));
        assert_eq!(mysql(1267, Kind::Write), StoreError::UnknownTag);
    }
}
