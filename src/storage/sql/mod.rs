//! [`SqlStore`]: the segments table in MySQL, MariaDB or SQLite.
//!
//! What it promises: a claim that returns is committed and belongs to nobody else; nothing waits for
//! longer than its timeouts; no value ever becomes part of a statement's text; no password ever
//! becomes part of a message. Repeating what failed is the caller's business, deadlocks excepted. Each method fails
//! as a statement may ([`StoreError`]); where it says more of its errors, that comes on top.
//!
//! | what you want to see | file |
//! |---|---|
//! | the claim, its retries; its statement | `claim.rs`, `claim_statement.rs` |
//! | what is decided where no row matched, and carried out | `read_row.rs`, `decide.rs` (pure), `carry_out.rs` |
//! | the heartbeat; which history the data belongs to | `heartbeat.rs`, `heart.rs`, `beat_statements.rs`, `lineage.rs` (pure) |
//! | what server and table are, and whether ids stay unique there | `inspect.rs`, `inspection.rs`, `columns.rs`, `doctor.rs`, `doctor_rows.rs` |
//! | what is particular to a database: connections, errors, checks, its words | `mysql/`, `sqlite/`, behind `database.rs` and `dialect.rs` |
//! | connections, the bound on each statement; which are used again | `pool.rs`, `renewal.rs` |
//! | what an error means; a shard that is gone | `errors.rs`, `shards.rs` |
//! | list, create, change, advance, retire | `admin.rs`, `create.rs`, `vet.rs`; their statements: `edit.rs` |
//! | migrations | `migrate.rs`, `migrating.rs` |
//! | what servers write beside the table: themselves, claims, requests to drop | `servers.rs`, `trail.rs`, `drops.rs` |
//! | the step of a tag that is new to this server | `likely.rs` |
//! | tables of other id servers, read for an import | `others.rs` |

mod admin;
mod beat_statements;
mod carry_out;
mod claim;
mod claim_statement;
mod columns;
mod count;
mod create;
mod database;
mod decide;
mod dialect;
mod doctor;
mod doctor_rows;
mod drops;
mod edit;
mod errors;
mod heart;
mod heartbeat;
mod inspect;
mod inspection;
mod likely;
mod lineage;
mod migrate;
mod migrating;
mod mysql;
mod others;
mod pool;
mod read_row;
mod renewal;
mod row;
mod servers;
mod shards;
#[cfg(test)]
mod simulation_tests;
mod sqlite;
#[cfg(test)]
mod statement_tests;
mod statements;
mod trail;
mod vet;

pub use others::{Counter, Counters, OldToken, Unreadable};

use super::{Instance, StoreError};
use crate::config;
use decide::Limits;
use dialect::Sql;
use errors::SqlError;
use pool::Pool;
use row::Fetched;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Mutex, OnceLock};
use std::time::Instant;

/// The store on a SQL database.
pub struct SqlStore {
    settings: config::Database,
    limits: Limits,
    pool: Pool,
    /// What a tag's first claim is tried with.
    likely_step: likely::LikelyStep,
    /// What is known of the heartbeat.
    heart: heart::Heart,
    /// Who this process is, once it serves.
    me: OnceLock<Instance>,
    /// When the store was made.
    opened: Instant,
    /// When old records of claims are deleted next, in milliseconds since then.
    prune_at: AtomicU64,
    /// Whether the answers to claims were found not to be right, as with a trigger that the user may not see. Claims then
    /// name the `max_id` that was read, as where triggers are seen.
    compares: AtomicBool,
    /// Why the guard was last said to be off, so that it is not said every minute.
    said: Mutex<Option<String>>,
    /// How many tags were counted last.
    counted: Mutex<Option<count::Counted>>,
    /// Whether the table had the columns of the guard when it was looked at once.
    was_guarded: AtomicBool,
}

impl SqlStore {
    /// The store that a configuration names. Connects to nothing yet, so a server starts without its database.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] for a URL that the driver does not take.
    pub fn new(
        settings: config::Database,
        allocation: &config::Allocation,
    ) -> Result<Self, StoreError> {
        let limits = Limits {
            id_limit: allocation.id_limit,
            max_step: allocation.max_step,
            failover_skip: settings.failover_skip,
        };
        Ok(Self {
            pool: Pool::new(&settings)?,
            settings,
            limits,
            likely_step: likely::LikelyStep::default(),
            heart: heart::Heart::default(),
            me: OnceLock::new(),
            opened: Instant::now(),
            prune_at: AtomicU64::new(0),
            compares: AtomicBool::new(false),
            said: Mutex::default(),
            counted: Mutex::default(),
            was_guarded: AtomicBool::new(false),
        })
    }
}

impl SqlStore {
    /// The rows of a question to the table of segments.
    async fn rows(&self, asked: &Sql) -> Result<Vec<Fetched<'_>>, StoreError> {
        let rows = self.pool.rows(asked).await;
        rows.map_err(|error| self.noted(error))
    }

    /// How many rows of that table a statement matched.
    async fn execute(&self, statement: &Sql) -> Result<u64, StoreError> {
        let done = self.pool.execute(statement).await;
        done.map_err(|error| self.noted(error))
    }

    /// A column that is gone, say, means that the table is not what was inspected: look again next time.
    fn noted(&self, error: SqlError) -> StoreError {
        if matches!(error.store, StoreError::Unusable(_)) {
            self.pool.inspected(self.pool.renewal().epoch(), None);
        }
        error.store
    }

    /// A table beside the one of segments, quoted.
    /// The names of tables beside this one, unquoted, for people.
    #[must_use]
    pub fn names_beside(&self, names: &[&str]) -> String {
        let table = &self.settings.table;
        let names: Vec<String> = names.iter().map(|name| format!("{table}_{name}")).collect();
        names.join(" and ")
    }

    fn beside(&self, name: &str) -> String {
        let table = &self.settings.table;
        self.pool.dialect().quoted(&format!("{table}_{name}"))
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
    use crate::domain::ClaimRequest;
    use crate::storage::{Repairs, SegmentStore as _};

    /// Sits here since the limit holds for one connection alone: the store's own.
    #[tokio::test]
    async fn a_full_disk_hands_out_no_range_twice() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}?mode=rwc", folder.path().join("t.db").display());
        let mut config = crate::config::Config::default();
        config.database.url = url.parse().unwrap();
        config.allocation.max_step = 1000;
        let store = SqlStore::new(config.database, &config.allocation).unwrap();
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
