//! Rows changed by hand while servers run: deleted, made again, lowered, restored, retired, renamed.
//! No id comes twice from servers that live through it, and over each whole run ids keep their order.
//!
//! What saves them are two marks: `claimed_to` in the row, and in each server the end of all that it
//! ever claimed (the high-water mark), which survives eviction and the row. What they cannot see:
//! - Where the row forgets (deleted and made again, or restored with its guard), a server knows its own
//!   mark alone. Where that lies above the row's `max_id`, the server skips eight claims beyond it;
//!   others that hold ids above even that are not seen.
//! - Where it does not (the server was started afterwards, or has claimed nothing since the copy that
//!   was restored), the server claims again what others have claimed.

use crate::support::database::{SEED_SCHEMA, TestDatabase};
use crate::support::run::{COUNT, Run, STEP};
use crate::support::server::prepare;

/// A tag is dropped from memory when it was not used for so long.
const EVICTS: (&str, &str) = ("allocation.idle_after", "200ms");

async fn with_tag_test() -> TestDatabase {
    let database = TestDatabase::on_mariadb().await;
    prepare(&database.url(), &[("test", 0, STEP)]).await;
    database
}

const DELETE: &str = "DELETE FROM segments";
const MAKE_AGAIN: &str = "REPLACE INTO segments (biz_tag, max_id, step) VALUES ('test', 0, 100)";

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn a_row_deleted_and_made_again_from_0_gives_no_id_of_a_living_server_twice() {
    let database = with_tag_test().await;
    let mut run = Run::of(&["test"]);
    run.serve(&database, &[]).await;
    run.take(0, 0, 5).await;
    for (seen, noticed) in [(true, 1.0), (false, 2.0), (true, 3.0)] {
        if seen {
            let left = run.left(0, 0).await;
            database.execute(&[DELETE]).await;
            // Ids in memory are served; then the deletion is noticed.
            let (refused, served) = run.drain(0, 0).await;
            assert_eq!(
                (refused.status, refused.code().as_str()),
                (404, "unknown_tag")
            );
            assert!(served >= left, "{served} of {left} ids in memory");
        }
        // Where the row is still there both happen at once, so that no claim comes between them.
        database.execute(&[MAKE_AGAIN]).await;
        run.take_memory(0, 0).await;
        assert_eq!(run.regressions().await, noticed);
    }
    run.check();
}

/// The two servers' marks lie within eight claims of each other, which is as far as the skip reaches.
#[tokio::test]
#[ignore = "needs MariaDB"]
async fn a_mark_survives_eviction_so_that_a_row_made_again_repeats_nothing() {
    for first in [0, 1] {
        let database = with_tag_test().await;
        let mut run = Run::of(&["test"]);
        run.serve(&database, &[EVICTS]).await;
        run.serve(&database, &[]).await;
        run.take(0, 0, 1).await;
        run.take(1, 0, 1).await;
        run.evicted(0).await;
        run.take(1, 0, 4).await;
        database.execute(&[DELETE]).await;
        let (refused, _) = run.drain(first, 0).await;
        assert_eq!(refused.code(), "unknown_tag");
        database.execute(&[MAKE_AGAIN]).await;
        run.take(first, 0, 10).await;
        run.race(20).await;
        assert!(run.regressions().await >= 1.0);
        run.check();
    }
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn a_lowered_max_id_is_raised_past_all_servers_however_far_behind_one_is() {
    let database = with_tag_test().await;
    let mut run = Run::of(&["test"]);
    run.serve(&database, &[EVICTS]).await;
    run.serve(&database, &[]).await;
    run.serve(&database, &[]).await;
    run.race(1).await;
    for lowered in [1, 0, 1234] {
        run.evicted(0).await;
        // Far more than a skip: what saves the server that slept is the row's claimed_to.
        run.take(1, 0, 30).await;
        run.take(2, 0, 10).await;
        let sql = format!("UPDATE segments SET max_id = {lowered}");
        database.execute(&[&sql]).await;
        run.take(0, 0, 4).await;
        run.race(8).await;
    }
    assert!(run.regressions().await >= 3.0);
    // One that knows nothing but the row.
    database.execute(&["UPDATE segments SET max_id = 1"]).await;
    run.serve(&database, &[]).await;
    run.take(3, 0, 4).await;
    run.race(4).await;
    run.check();
}

/// The whole row is as it was some claims ago, its guard too. Only the marks of those who live know
/// more, each of its own claims. Each has made one since, and none more than a few, which the skip covers.
#[tokio::test]
#[ignore = "needs MariaDB"]
async fn a_row_restored_with_its_guard_repeats_no_id_of_servers_within_the_skip() {
    for first in [0, 1, 2] {
        let database = with_tag_test().await;
        let mut run = Run::of(&["test"]);
        run.serve(&database, &[EVICTS]).await;
        run.serve(&database, &[]).await;
        run.serve(&database, &[]).await;
        run.race(2).await;
        let dump = "CREATE TABLE dump AS SELECT * FROM segments";
        database.execute(&[dump]).await;
        let dumped = database.number("SELECT max_id FROM dump").await;
        run.take_past(0, 0, dumped).await;
        run.evicted(0).await;
        run.take_past(1, 0, dumped).await;
        run.take_past(2, 0, dumped).await;
        let restore = "REPLACE INTO segments SELECT * FROM dump";
        database.execute(&[restore]).await;
        run.take(first, 0, 4).await;
        run.race(20).await;
        assert!(run.regressions().await >= 1.0);
        run.check();
    }
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn a_tag_retired_by_hand_is_unknown_once_memory_is_used_up_and_comes_back_above_everything() {
    let database = with_tag_test().await;
    let mut run = Run::of(&["test"]);
    for _ in 0..2 {
        run.serve(&database, &[("allocation.refresh", "1h")]).await;
    }
    run.race(3).await;
    // The look for deleted tags that belongs to a server's start would drop it at once.
    run.at_rest().await;
    for lower in [false, true] {
        let left = [run.left(0, 0).await, run.left(1, 0).await];
        let retire = "UPDATE segments SET retired_at = NOW()";
        database.execute(&[retire]).await;
        for server in [0, 1] {
            let (refused, served) = run.drain(server, 0).await;
            assert_eq!(
                (refused.status, refused.code().as_str()),
                (404, "unknown_tag")
            );
            assert!(served >= left[server], "{served} of {left:?} ids in memory");
        }
        if lower {
            let sql = "UPDATE segments SET max_id = 0";
            database.execute(&[sql]).await;
        }
        let highest = *run.ids(0).last().unwrap();
        let back = "UPDATE segments SET retired_at = NULL";
        database.execute(&[back]).await;
        run.race(5).await;
        let above = run.ids(0).into_iter().filter(|&id| id > highest);
        assert_eq!(above.count(), 5 * 2 * COUNT);
    }
    run.check();
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn a_name_that_only_the_collation_makes_equal_is_another_tag() {
    const NAMES: &[&str] = &["test", "TEST", "test ", "tést", "Test"];
    for (charset, migrated) in [("latin1", true), ("utf8mb3", true), ("utf8mb4", false)] {
        let database = TestDatabase::on_mariadb().await;
        database.execute(SEED_SCHEMA).await;
        let collate = format!(
            "ALTER TABLE segments CONVERT TO CHARACTER SET {charset} COLLATE {charset}_general_ci"
        );
        database.execute(&[&collate]).await;
        if migrated {
            prepare(&database.url(), &[]).await;
        }
        let mut run = Run::of(NAMES);
        run.serve(&database, &[]).await;
        // One row bears each name in turn; its max_id goes on, whatever it is called.
        for (now, name) in NAMES.iter().enumerate() {
            let rename = format!("UPDATE segments SET biz_tag = '{name}'");
            database.execute(&[&rename]).await;
            run.take(0, now, 4).await;
            for (other, wrong) in NAMES.iter().enumerate().filter(|(other, _)| *other != now) {
                let (refused, _) = run.drain(0, other).await;
                let what = format!("{wrong:?} where the row is {name:?}: {}", refused.body);
                assert_eq!(refused.code(), "unknown_tag", "{what}");
            }
        }
        run.check();
        let mut all: Vec<i64> = (0..NAMES.len()).flat_map(|tag| run.ids(tag)).collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count, "an id under two names of one row");
    }
}
