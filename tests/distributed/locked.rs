//! A row that another session holds.

use crate::support::PATIENCE;
use crate::support::server::{Server, prepare};
use sea_orm::sqlx::mysql::{MySqlConnectOptions, MySqlConnection};
use sea_orm::sqlx::{AssertSqlSafe, ConnectOptions as _, raw_sql};

/// It is refused in time, and served once it is free. Other tags are served meanwhile.
pub(crate) async fn refuses_in_time(url: &str) {
    prepare(url, &[("held", 0, 10), ("free", 0, 10)]).await;
    let server = Server::on(url).await;
    let options: MySqlConnectOptions = url.parse().unwrap();
    let options = options
        .timezone(None::<String>)
        .pipes_as_concat(false)
        .no_engine_substitution(false);
    let mut other = options.connect().await.unwrap();
    run(&mut other, "BEGIN").await;
    let lock = "SELECT biz_tag FROM segments WHERE biz_tag = 'held' FOR UPDATE";
    run(&mut other, lock).await;
    let refused = server.get("/alloc?biz_tag=held&count=20").await;
    assert_eq!(refused.status, 503, "{}", refused.body);
    for _ in 0..10 {
        assert_eq!(server.ids("free", 100).await.len(), 100);
    }
    run(&mut other, "ROLLBACK").await;
    let served = "/alloc?biz_tag=held&count=20";
    server.until(served, 200, PATIENCE).await;
}

async fn run(connection: &mut MySqlConnection, statement: &str) {
    let done = raw_sql(AssertSqlSafe(statement.to_owned()));
    done.execute(connection).await.expect(statement);
}
