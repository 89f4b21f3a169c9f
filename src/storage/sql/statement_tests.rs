//! The statement of a claim does to a row what the model of the simulation does, on SQLite and on each server
//! that `./scripts/test` names: for random rows, whether it matches, and what the row says after it.

use super::SqlStore;
use super::claim_statement::PreparedClaim;
use super::decide::{Decision, Row, decide, wanted};
use super::dialect::{Dialect, Sql};
use super::simulation_tests::statement::claimed;
use super::statements::Statements;
use crate::config::{Config, Guard};
use crate::domain::allowance::{AHEAD, DELAY, NEEDED, QUIET, SECOND};
use crate::domain::{BizTag, ClaimRequest};
use crate::storage::Listing;
use fastrand::Rng;

const NOW: i64 = 3_600 * SECOND;
const LINEAGE: i64 = 77;

fn open(url: &str, table: &str) -> SqlStore {
    let mut config = Config::default();
    config.database.url = url.parse().unwrap();
    table.clone_into(&mut config.database.table);
    config.database.guard = Guard::On;
    SqlStore::new(config.database, &config.allocation).unwrap()
}

/// A random time near one of those at which something changes.
fn near(rng: &mut Rng, times: &[i64]) -> i64 {
    let time = times[rng.usize(..times.len())];
    time + [-SECOND, -1, 0, 0, 1, SECOND][rng.usize(..6)]
}

/// The assignments of a random row.
fn random_row(rng: &mut Rng) -> String {
    let allowance = [0, 1, 1000, 3_999_999, 4_000_000, 10_000_000][rng.usize(..6)];
    let before = [-1, 0, 1, 500, 200_000, 1_000_000, i64::MAX][rng.usize(..7)];
    let max_id = rng.i64(0..3000);
    let written = [NOW, NOW - DELAY, NOW - 3 * DELAY, NOW - 23 * DELAY, 0];
    let needed = [NOW, NOW - QUIET, 0];
    let paid = [NOW, NOW + AHEAD, NOW + NEEDED, 0];
    format!(
        "max_id = {max_id}, step = {}, claimed_to = {}, claimed_size = {}, claimed_on = {}, \
         allowance = {allowance}, allowance_before = {before}, allowance_at = {}, needed_at = {}, \
         paid_until = {}, lineage = {}, advance_to = {}, advance_at = {}, id_limit = {}",
        [1, 10, 5000][rng.usize(..3)],
        [0, max_id, max_id + 1][rng.usize(..3)],
        rng.i64(0..5000),
        ["claimed_on", "claimed_on", "''", "'other'"][rng.usize(..4)],
        near(rng, &written),
        near(rng, &needed),
        near(rng, &paid),
        [LINEAGE, LINEAGE, LINEAGE, 5][rng.usize(..4)],
        [0, 0, 0, 4000][rng.usize(..4)],
        near(rng, &[NOW - DELAY]),
        [0, 0, 0, max_id, max_id + 10, 1_000_000][rng.usize(..6)],
    )
}

async fn statement_and_model_agree(store: &SqlStore, rounds: u32) {
    let found = store.inspected().await.unwrap();
    // The clock stands still.
    let words = Box::leak(Box::new(Dialect {
        now: "3600000000",
        ..found.statements.dialect.clone()
    }));
    let statements = Statements {
        dialect: words,
        ..found.statements.clone()
    };
    assert!(statements.counted && statements.limited);
    let tag = BizTag::parse("test").unwrap();
    let table = &statements.table;
    let identity = statements.identity.clone().unwrap();
    let sql = Sql::new(format!(
        "INSERT INTO {table} (biz_tag, max_id, step, description) VALUES ('test', 0, 1, '')"
    ));
    store.pool.execute(&sql).await.unwrap();
    let mut rng = Rng::with_seed(7);
    let (mut matched, mut decided) = (0, 0);
    for round in 0..rounds {
        let mine = Sql::new(format!("UPDATE {table} SET claimed_on = "));
        store
            .pool
            .execute(&statements.identity(mine, &identity))
            .await
            .unwrap();
        let random = format!("UPDATE {table} SET {}", random_row(&mut rng));
        store.pool.execute(&Sql::new(random.clone())).await.unwrap();
        let mut on = store.pool.acquire().await.unwrap();
        let read = statements.read_row(&mut on, &tag).await;
        let row = read.unwrap().0.unwrap();
        let want = [1, 10, 400, 5000, 100_000, 500_001, 1_000_000_000_000][rng.usize(..7)];
        let request = ClaimRequest {
            tag: tag.clone(),
            step: Some(row.step),
            want,
            expect: want,
            mark: [0, 0, row.max_id, row.max_id + 1][rng.usize(..4)],
            at_least: 1,
        };
        let lineage = Some(LINEAGE);
        let limits = &store.limits;
        let (step, n) = match decide(Some(&row), &request, limits, lineage) {
            Decision::Claim { step, n } if rng.bool() => (step, n),
            _ => (row.step, wanted(&request, row.step)),
        };
        let expected = claimed(&row, &request, (step, n), limits.id_limit, lineage);
        let claim = PreparedClaim {
            request: &request,
            n,
            step,
            limit: limits.id_limit,
            lineage,
            read: None,
        };
        let claimed = on.claim(&statements.claim(&claim)).await.unwrap();
        let read = statements.read_row(&mut on, &tag).await;
        let after = read.unwrap().0.unwrap();
        let told = expected.as_ref().map(|row| row.max_id.unsigned_abs());
        assert_eq!(claimed, told, "round {round}: {random}; {request:?}");
        let expected = expected.map_or_else(
            || row.clone(),
            |expected| Row {
                guard: after.guard.clone().map(|guard| crate::storage::GuardRow {
                    claimed_on: guard.claimed_on,
                    ..expected.guard.clone().unwrap()
                }),
                ..expected
            },
        );
        assert_eq!(after, expected, "round {round}: {random}; {request:?}");
        matched += u32::from(claimed.is_some());
        // Where it is decided to claim, the claim of what was decided matches.
        if claimed.is_none()
            && let Decision::Claim { step, n } = decide(Some(&row), &request, limits, lineage)
        {
            let claim = PreparedClaim { n, step, ..claim };
            let claimed = on.claim(&statements.claim(&claim)).await.unwrap();
            assert!(claimed.is_some(), "round {round}: {random}; {request:?}");
            decided += 1;
        }
    }
    assert!(
        matched > rounds / 20 && decided > 0,
        "{matched} {decided} of {rounds}"
    );
}

/// Of a page of a listing the key finds each row: nothing is sorted, and what lies before is not read.
async fn pages_are_found_by_the_key(store: &SqlStore) {
    let found = store.inspected().await.unwrap();
    let table = &found.statements.table;
    let mut insert = format!("INSERT INTO {table} (biz_tag, max_id, step, description) VALUES ");
    for number in 0..2000 {
        let comma = if number == 0 { "" } else { ", " };
        insert.push_str(&format!("{comma}('tenant-{number:05}', 0, 1, '')"));
    }
    store.pool.execute(&Sql::new(insert)).await.unwrap();
    let is_sqlite = store.pool.database.file().is_some();
    let explain = if is_sqlite {
        "EXPLAIN QUERY PLAN "
    } else {
        // Not as a tree, which is what MySQL 9 draws.
        "EXPLAIN FORMAT=TRADITIONAL "
    };

    let listings = [
        Listing::page(Some("tenant-01000"), 10),
        Listing {
            descending: true,
            ..Listing::page(Some("tenant-01000"), 10)
        },
        Listing {
            prefix: Some("tenant-0100".to_owned()),
            ..Listing::page(None, 10)
        },
    ];
    for listing in listings {
        let mut asked = found.statements.list(&listing);
        let rows = store.pool.rows(&asked).await.unwrap();
        assert_eq!(rows.len(), 10, "{listing:?}");
        asked.text.insert_str(0, explain);
        let plan = store.pool.rows(&asked).await.unwrap();
        let said = match is_sqlite {
            true => plan[0].value::<String>("detail").unwrap(),
            false => {
                let key = plan[0].value::<Option<String>>("key").unwrap();
                let extra = plan[0].value::<Option<String>>("Extra").unwrap();
                format!("{key:?} {extra:?}")
            }
        };
        let by_key = said.contains("PRIMARY") || said.contains("USING INDEX");
        assert!(by_key && !said.contains("filesort"), "{listing:?}: {said}");
        assert!(plan.len() == 1, "{listing:?}: it is sorted too");
    }
}

#[tokio::test]
async fn the_statement_of_a_claim_does_what_its_model_does() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}?mode=rwc", folder.path().join("t.db").display());
    let store = open(&url, "segments");
    store.migrate_up().await.unwrap();
    statement_and_model_agree(&store, 600).await;
    pages_are_found_by_the_key(&store).await;
    let servers = std::env::var("ID_ALLOC_TEST_MYSQL_URLS").unwrap_or_default();
    for base in servers.split_whitespace() {
        let table = format!("t{:08x}", fastrand::u32(..));
        let store = open(&format!("{base}/mysql"), &table);
        store.migrate_up().await.unwrap();
        statement_and_model_agree(&store, 600).await;
        pages_are_found_by_the_key(&store).await;
        for name in [
            "",
            "_heartbeat",
            "_migrations",
            "_servers",
            "_drops",
            "_claims",
        ] {
            let drop = Sql::new(format!("DROP TABLE `{table}{name}`"));
            store.pool.execute(&drop).await.unwrap();
        }
    }
}
