//! Rows whose numbers cannot be used: a step out of bounds, a max_id at the end of the ids or below
//! zero. That tag alone is refused, once its memory is used up, and serves again when it is put right.

use crate::support::PATIENCE;
use crate::support::database::TestDatabase;
use crate::support::run::{Run, STEP};
use crate::support::server::prepare;

const TEST: usize = 0;
const OTHER: usize = 1;
const TAGS: &[&str] = &["test", "other"];

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn a_step_out_of_bounds_is_refused_when_memory_is_used_up_and_costs_no_other_tag_anything() {
    let database = TestDatabase::on_mariadb().await;
    prepare(&database.url(), &[("test", 0, STEP), ("other", 0, STEP)]).await;
    let mut run = Run::of(TAGS);
    run.serve(&database, &[]).await;
    for step in [0, -10, 1_i64 << 62] {
        run.take(0, TEST, 3).await;
        let left = run.left(0, TEST).await;
        let sql = format!("UPDATE segments SET step = {step} WHERE biz_tag = 'test'");
        database.execute(&[&sql]).await;

        let (refused, served) = run.drain(0, TEST).await;
        assert!(served >= left, "{served} of {left} ids in memory");
        assert_eq!(refused.status, 500, "{}", refused.body);
        assert_eq!(refused.code(), "tag_misconfigured");
        for part in [step.to_string().as_str(), "test", "tag set --step"] {
            assert!(refused.body.contains(part), "{part}: {}", refused.body);
        }
        let health = run.servers[0].get("/health?biz_tag=test").await;
        assert_eq!(
            (health.status, health.code().as_str()),
            (500, "tag_misconfigured")
        );
        run.take(0, OTHER, 10).await;
        assert_eq!(run.servers[0].get("/health").await.status, 200);
        let (refused, _) = run.drain(0, TEST).await;
        assert_eq!(refused.code(), "tag_misconfigured");

        let sql = format!("UPDATE segments SET step = {STEP} WHERE biz_tag = 'test'");
        database.execute(&[&sql]).await;
        run.take(0, TEST, 10).await;
    }
    run.check();
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn the_last_ids_below_the_limit_are_served_exactly_and_then_the_tag_alone_is_exhausted() {
    // No id is 2^63-1, the largest limit: max_id is the end of a range and must fit.
    for (start, limit) in [(i64::MAX - 730, i64::MAX), (0, 1000)] {
        let database = TestDatabase::on_mariadb().await;
        let other = limit / 2;
        let tags = [("test", start, STEP), ("other", other, STEP)];
        prepare(&database.url(), &tags).await;
        let mut run = Run::of(TAGS);
        let id_limit = limit.to_string();
        for _ in 0..2 {
            let settings = [("allocation.id_limit", id_limit.as_str())];
            run.serve(&database, &settings).await;
        }
        for server in [0, 1, 0] {
            run.take(server, TEST, 2).await;
        }
        for server in [0, 1] {
            let (refused, _) = run.drain(server, TEST).await;
            assert_eq!(refused.status, 503, "{}", refused.body);
            assert_eq!(refused.code(), "tag_exhausted");
            assert_eq!(refused.header("retry-after"), "");
            assert!(refused.body.contains(&id_limit), "{}", refused.body);
        }
        assert_every_id(&run, start.max(1), limit);

        run.take(0, OTHER, 2).await;
        assert_eq!(run.servers[0].get("/health").await.status, 200);
        // Past the limit, as after the limit was lowered.
        let beyond = format!(
            "UPDATE segments SET max_id = {} WHERE biz_tag = 'test'",
            i64::MAX
        );
        database.execute(&[&beyond]).await;
        let (refused, _) = run.drain(1, TEST).await;
        assert_eq!(refused.code(), "tag_exhausted");
        run.check();
    }
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn a_negative_max_id_is_refused_until_it_is_put_right_and_costs_no_other_tag_anything() {
    let database = TestDatabase::on_mariadb().await;
    prepare(&database.url(), &[("test", 0, STEP), ("other", 0, STEP)]).await;
    let mut run = Run::of(TAGS);
    run.serve(&database, &[]).await;
    for negative in [-5, i64::MIN] {
        run.take(0, TEST, 3).await;
        let left = run.left(0, TEST).await;
        let sql = format!("UPDATE segments SET max_id = {negative} WHERE biz_tag = 'test'");
        database.execute(&[&sql]).await;
        let (refused, served) = run.drain(0, TEST).await;
        assert!(served >= left, "{served} of {left} ids in memory");
        assert_eq!(refused.status, 500, "{}", refused.body);
        assert_eq!(refused.code(), "tag_misconfigured");
        assert!(
            refused.body.contains(&negative.to_string()),
            "{}",
            refused.body
        );
        run.take(0, OTHER, 5).await;
        assert_eq!(run.servers[0].get("/health").await.status, 200);
        // Put right too low: the mark and claimed_to still hold.
        let sql = "UPDATE segments SET max_id = 7 WHERE biz_tag = 'test'";
        database.execute(&[sql]).await;
        let path = "/health?biz_tag=test";
        run.servers[0].until(path, 200, PATIENCE).await;
        run.take(0, TEST, 5).await;
    }
    run.check();
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn a_demand_for_more_than_the_last_ids_leaves_them_to_smaller_ones() {
    let database = TestDatabase::on_mariadb().await;
    prepare(&database.url(), &[("test", 0, STEP)]).await;
    let mut run = Run::of(TAGS);
    let settings = [("allocation.id_limit", "1000")];
    run.serve(&database, &settings).await;
    run.take(0, TEST, 2).await;
    let (_, many) = run.ask(0, TEST, 9999).await;
    assert_eq!(many.code(), "tag_exhausted");
    let (refused, _) = run.drain(0, TEST).await;
    assert_eq!(refused.code(), "tag_exhausted");
    assert_every_id(&run, 1, 1000);
    run.check();
}

/// All from `first` to below `limit` were served, and none else; a run's check says that none was twice.
fn assert_every_id(run: &Run, first: i64, limit: i64) {
    let ids = run.ids(TEST);
    let ends = (ids.first().copied(), ids.last().copied());
    assert_eq!(ends, (Some(first), Some(limit - 1)));
    assert_eq!(i64::try_from(ids.len()), Ok(limit - first), "ids in all");
}
