//! A database of its own for each test, on each kind of server, gone afterwards.

use id_alloc::config::{Config, Database};
use id_alloc::domain::BizTag;
use id_alloc::domain::ClaimRequest;
use id_alloc::storage::sql::SqlStore;
use id_alloc::storage::{
    Change, Claim, NewTag, Repairs, SegmentStore as _, StoreError, TagAdministration as _,
};
use sea_orm::{ConnectOptions, ConnectionTrait, DatabaseConnection};
use std::time::Duration;

/// A fresh database, and a connection that plays the operator.
pub(crate) struct Db {
    pub(crate) url: String,
    pub(crate) raw: DatabaseConnection,
    pub(crate) mysql: bool,
    name: String,
    _folder: tempfile::TempDir,
}

/// The servers to test against: none where only SQLite is at hand.
fn bases() -> Vec<String> {
    let bases = std::env::var("ID_ALLOC_TEST_MYSQL_URLS").unwrap_or_default();
    bases.split_whitespace().map(str::to_owned).collect()
}

pub(crate) async fn raw(url: &str) -> DatabaseConnection {
    let mut options = ConnectOptions::new(url);
    options.sqlx_logging(false).max_connections(1);
    let raw = sea_orm::Database::connect(options)
        .await
        .expect("a connection");
    if url.starts_with("mysql") {
        // One test turns the server's default off for a moment.
        raw.execute_unprepared("SET autocommit = 1")
            .await
            .expect("set");
    }
    raw
}

/// The store with these settings.
pub(crate) fn open(settings: Database) -> SqlStore {
    SqlStore::new(settings, &Config::default().allocation).expect("good settings")
}

impl Db {
    pub(crate) async fn mysql(base: &str) -> Self {
        let name = format!("t{:016x}", fastrand::u64(..));
        let server = raw(base).await;
        let make = format!("CREATE DATABASE {name}");
        server.execute_unprepared(&make).await.expect("a database");
        server.close().await.expect("closed");
        let url = format!("{base}/{name}");
        Self {
            raw: raw(&url).await,
            url,
            mysql: true,
            name,
            _folder: tempfile::tempdir().expect("a folder"),
        }
    }

    pub(crate) async fn sqlite() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let url = format!("sqlite://{}?mode=rwc", folder.path().join("t.db").display());
        Self {
            raw: raw(&url).await,
            url,
            mysql: false,
            name: String::new(),
            _folder: folder,
        }
    }

    pub(crate) fn settings(&self) -> Database {
        Database {
            url: self.url.parse().expect("a URL"),
            max_connections: 8,
            acquire_timeout: Duration::from_secs(10),
            statement_timeout: Duration::from_secs(10),
            ..Config::default().database
        }
    }

    pub(crate) fn store(&self) -> SqlStore {
        open(self.settings())
    }

    /// A store whose table is made, with the tag `test` at 0 with a step of 100.
    pub(crate) async fn ready(&self) -> SqlStore {
        let store = self.store();
        store.migrate_up().await.expect("migrated");
        store.create(&new("test", 0, 100)).await.expect("made");
        store
    }

    pub(crate) async fn sql(&self, sql: &str) {
        self.raw.execute_unprepared(sql).await.expect(sql);
    }

    pub(crate) async fn number(&self, sql: &str) -> i64 {
        *self.numbers(sql).await.first().expect("a row")
    }

    pub(crate) async fn numbers(&self, sql: &str) -> Vec<i64> {
        let backend = self.raw.get_database_backend();
        let statement = sea_orm::Statement::from_string(backend, sql);
        let rows = self.raw.query_all_raw(statement).await.expect(sql);
        let number = |row: &sea_orm::QueryResult| row.try_get_by_index(0).expect("a number");
        rows.iter().map(number).collect()
    }

    /// A counter of the server. MySQL and MariaDB have it in tables of different names, and both show it.
    pub(crate) async fn status(&self, name: &str) -> i64 {
        let asked = format!("SHOW GLOBAL STATUS LIKE '{name}'");
        let asked = sea_orm::Statement::from_string(self.raw.get_database_backend(), asked);
        let row = self
            .raw
            .query_one_raw(asked)
            .await
            .expect(name)
            .expect(name);
        let value: String = row.try_get_by_index(1).expect(name);
        value.parse().expect("a number")
    }

    pub(crate) async fn drop(self) {
        if self.mysql {
            self.sql(&format!("DROP DATABASE {}", self.name)).await;
        }
    }
}

/// What the whole table and its heartbeat say, to go back to.
pub(crate) struct Snapshot {
    row: [i64; 5],
    heartbeat: [i64; 2],
}

impl Snapshot {
    pub(crate) async fn take(db: &Db) -> Self {
        let row = [
            "max_id",
            "claimed_to",
            "paid_until",
            "allowance_at",
            "lineage",
        ];
        let mut said = [0; 5];
        for (value, column) in said.iter_mut().zip(row) {
            *value = db.number(&format!("SELECT {column} FROM segments")).await;
        }
        Self {
            row: said,
            heartbeat: [
                db.number("SELECT beat FROM segments_heartbeat").await,
                db.number("SELECT lineage FROM segments_heartbeat").await,
            ],
        }
    }

    pub(crate) async fn restore(&self, db: &Db) {
        let [max_id, claimed_to, paid_until, allowance_at, lineage] = self.row;
        db.sql(&format!(
            "UPDATE segments SET max_id = {max_id}, claimed_to = {claimed_to}, \
             paid_until = {paid_until}, allowance_at = {allowance_at}, lineage = {lineage}"
        ))
        .await;
        let [beat, lineage] = self.heartbeat;
        db.sql(&format!(
            "UPDATE segments_heartbeat SET beat = {beat}, lineage = {lineage}"
        ))
        .await;
    }
}

/// Runs a test on SQLite, and on each server that is at hand.
pub(crate) async fn everywhere(test: impl AsyncFn(&Db)) {
    let db = Db::sqlite().await;
    test(&db).await;
    on(bases(), test).await;
}

/// Runs a test on each server, of which there must be one.
pub(crate) async fn on_servers(test: impl AsyncFn(&Db)) {
    let bases = bases();
    assert!(!bases.is_empty(), "no database: run ./scripts/test storage");
    on(bases, test).await;
}

async fn on(bases: Vec<String>, test: impl AsyncFn(&Db)) {
    for base in bases {
        let db = Db::mysql(&base).await;
        test(&db).await;
        db.drop().await;
    }
}

pub(crate) fn tag(name: &str) -> BizTag {
    BizTag::parse(name).expect("a tag")
}

pub(crate) fn new(name: &str, start: i64, step: i64) -> NewTag {
    NewTag {
        tag: tag(name),
        start,
        step,
        description: String::new(),
        id_limit: None,
    }
}

/// A change that rests on nothing seen before.
pub(crate) fn change(step: Option<i64>, description: Option<&str>) -> Change {
    Change {
        step,
        description: description.map(str::to_owned),
        id_limit: None,
        seen: None,
    }
}

/// The first claim of a tag, of its step.
pub(crate) fn ask(name: &str) -> ClaimRequest {
    ClaimRequest {
        tag: tag(name),
        step: None,
        want: 1,
        expect: 1,
        mark: 0,
        at_least: 1,
    }
}

/// A later claim of a tag, whose step of 100 is known by then.
pub(crate) fn ask_again(name: &str) -> ClaimRequest {
    ClaimRequest {
        step: Some(100),
        ..ask(name)
    }
}

/// Claims as tests write them.
pub(crate) trait Take {
    /// One claim, whatever it puts right.
    async fn take(&self, request: &ClaimRequest) -> Result<Claim, StoreError>;

    /// One claim that succeeds, and how many rows it raised and moved.
    async fn repair(&self, request: &ClaimRequest) -> (Claim, u64, u64);
}

impl Take for SqlStore {
    async fn take(&self, request: &ClaimRequest) -> Result<Claim, StoreError> {
        self.claim(request, &Repairs::default()).await
    }

    async fn repair(&self, request: &ClaimRequest) -> (Claim, u64, u64) {
        let repairs = Repairs::default();
        let claim = self.claim(request, &repairs).await.expect("a claim");
        (
            claim,
            repairs.raised.into_inner(),
            repairs.moved.into_inner(),
        )
    }
}
