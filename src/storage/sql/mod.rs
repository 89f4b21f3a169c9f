//! [`SqlStore`]: the segments table in MySQL, MariaDB or SQLite.
//!
//! What it promises: a claim that returns is committed and belongs to nobody else; nothing waits for
//! longer than its timeouts; no value ever becomes part of a statement's text; no password ever
//! becomes part of a message. Repeating what failed is the caller's business, deadlocks excepted.

mod admin;
mod claim;
mod database;
mod decide;
mod edit;
mod errors;
mod inspect;
mod likely;
mod migrate;
mod mysql;
mod pool;
mod sqlite;
mod statements;
mod table;
mod together;

use super::{StoreError, Unusable};
use decide::Limits;
use pool::Pool;
use std::fmt;
use std::sync::Mutex;
use std::time::Duration;

/// Whether claims carry the guard against restores and failovers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum GuardMode {
    /// Where table and server allow it; else a log line says why not.
    #[default]
    Auto,
    /// Always: a table or server that does not allow it is refused.
    On,
    /// Never.
    Off,
}

/// Where the table is and how to treat it. Its `Debug` shows no password.
#[derive(Clone)]
pub struct SqlSettings {
    /// `mysql://user:password@host:port/db` or `sqlite://path?mode=rwc`.
    pub url: String,
    /// Name of the segments table: 1 to 48 characters of `[A-Za-z0-9_$]`.
    pub table: String,
    /// The most connections to a server; SQLite has one.
    pub max_connections: u32,
    /// How long to wait for a connection, making it included.
    pub acquire_timeout: Duration,
    /// How long to wait for a statement.
    pub statement_timeout: Duration,
    /// Whether claims carry the guard.
    pub guard: GuardMode,
    /// Ids skipped when a row is moved or raised; `None` for 8 × the newest claim.
    pub failover_skip: Option<i64>,
    /// The most moves of one tag within an hour.
    pub failover_limit: u32,
    /// Name of the primary, instead of the one it says itself.
    pub server_identity: Option<String>,
    /// No `max_id` is raised above it.
    pub id_limit: i64,
    /// The largest step a row may say.
    pub max_step: i64,
}

impl fmt::Debug for SqlSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlSettings")
            .field("table", &self.table)
            .field("guard", &self.guard)
            .finish_non_exhaustive()
    }
}

/// The store on a SQL database.
pub struct SqlStore {
    settings: SqlSettings,
    limits: Limits,
    pool: Pool,
    /// What a tag's first claim is tried with.
    likely_step: likely::LikelyStep,
    /// When tags were moved between primaries.
    moves: Mutex<claim::Moves>,
    /// Why the guard was last said to be off, so that it is not said every minute.
    said: Mutex<Option<String>>,
}

impl SqlStore {
    /// Checks the settings. Connects to nothing yet, so a server starts without its database.
    ///
    /// # Errors
    /// [`Unusable::WrongDatabase`] for a URL, [`Unusable::TableMisconfigured`] for a table's name or
    /// an identity that cannot be used.
    pub fn new(settings: SqlSettings) -> Result<Self, StoreError> {
        let table = &settings.table;
        let good = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$';
        if !(1..=48).contains(&table.len()) || !table.bytes().all(good) {
            return Err(Unusable::TableMisconfigured(format!(
                "database.table is {table:?}: it must be 1 to 48 characters of A-Z a-z 0-9 _ $"
            ))
            .into());
        }
        if let Some(identity) = &settings.server_identity
            && !(1..=255).contains(&identity.chars().count())
        {
            return Err(Unusable::TableMisconfigured(
                "database.server_identity must have 1 to 255 characters".to_owned(),
            )
            .into());
        }
        let limits = Limits {
            id_limit: settings.id_limit,
            max_step: settings.max_step,
            failover_skip: settings.failover_skip.map(|skip| skip.max(0)),
        };
        Ok(Self {
            pool: Pool::new(&settings)?,
            settings,
            limits,
            likely_step: likely::LikelyStep::default(),
            moves: Mutex::default(),
            said: Mutex::default(),
        })
    }
}

impl fmt::Debug for SqlStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlStore")
            .field("endpoint", &self.pool.place.endpoint)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::BizTag;
    use crate::storage::{ClaimRequest, Repairs, SegmentStore as _};
    use database::Sql;

    fn settings(url: String) -> SqlSettings {
        SqlSettings {
            url,
            table: "segments".into(),
            max_connections: 4,
            acquire_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(5),
            guard: GuardMode::Auto,
            failover_skip: None,
            failover_limit: 3,
            server_identity: None,
            id_limit: i64::MAX,
            max_step: 1000,
        }
    }

    #[test]
    fn names_and_urls_that_cannot_be_used_are_refused_without_the_password() {
        let long = "x".repeat(49);
        for table in ["", "a b", "a`b", "a;b", "ä", &long] {
            let bad = SqlSettings {
                table: table.into(),
                ..settings("sqlite://x.db".into())
            };
            assert!(SqlStore::new(bad).is_err(), "{table}");
        }
        for url in [
            "postgres://u:geheim@h/db",
            "mysql://u:geheim@h:99999/db",
            "mysql://u:geheim@h:3306",
            "sqlite::memory:",
        ] {
            let error = SqlStore::new(settings(url.into())).unwrap_err();
            assert!(!format!("{error:?}").contains("geheim"), "{error:?}");
        }
    }

    /// Sits here since the limit holds for one connection alone: the store's own.
    #[tokio::test]
    async fn a_full_disk_hands_out_no_range_twice() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}?mode=rwc", folder.path().join("t.db").display());
        let store = SqlStore::new(settings(url)).unwrap();
        store.prepare_embedded().await.unwrap();
        let sql = async |sql: &str| store.pool.execute(&Sql::new(sql)).await.map(drop).unwrap();
        // Each claim fills a page or two, so that it needs more than its row's.
        sql("CREATE TABLE ballast (b BLOB)").await;
        sql("CREATE TRIGGER t AFTER UPDATE ON segments BEGIN INSERT INTO ballast VALUES (zeroblob(5000)); END").await;
        sql("PRAGMA max_page_count = 20").await;
        let request = ClaimRequest {
            tag: BizTag::parse("test").unwrap(),
            step: None,
            want: 1,
            expect: 1,
            mark: 0,
            at_least: 1,
        };
        let (mut end, mut full) = (1, 0);
        for _ in 0..30 {
            match store.claim(&request, &Repairs::default()).await {
                Ok(claim) => {
                    assert_eq!((claim.range.first(), full), (end, 0));
                    end = claim.range.end();
                }
                Err(StoreError::Transient(text)) => {
                    assert!(text.contains("the disk is full"), "{text}");
                    full += 1;
                }
                Err(error) => panic!("{error:?}"),
            }
        }
        assert!(end > 1 && full > 0, "{end} {full}");
        sql("PRAGMA max_page_count = 1000").await;
        assert_eq!(
            store
                .claim(&request, &Repairs::default())
                .await
                .unwrap()
                .range
                .first(),
            end
        );
    }
}
