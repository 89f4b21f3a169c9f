//! A database of its own for each test, on each server of the run, dropped at the end.

use super::flavour::Flavour;
use sea_orm::{ConnectionTrait, Database, DatabaseConnection, DbBackend, Statement};

/// The MySQL and MariaDB servers to test against, as `mysql://user[:password]@host:port`.
///
/// A missing database fails the test: skipping would hide that nothing was tested.
pub(crate) fn mysql_urls() -> Vec<String> {
    let urls = urls_at_hand();
    assert!(
        !urls.is_empty(),
        "ID_ALLOC_TEST_MYSQL_URLS is not set: run ./scripts/test (or ./scripts/test cargo test …)"
    );
    urls
}

/// The same, none where no server is at hand.
fn urls_at_hand() -> Vec<String> {
    let urls = std::env::var("ID_ALLOC_TEST_MYSQL_URLS").unwrap_or_default();
    let urls = urls.split_whitespace();
    urls.map(|url| url.trim_end_matches('/').to_owned())
        .collect()
}

/// An empty database with a name of its own.
pub(crate) struct TestDatabase {
    server: String,
    name: String,
}

impl TestDatabase {
    /// Makes one on the server at `server` (a URL without database).
    pub(crate) async fn create(server: &str) -> Self {
        let name = format!("id_alloc_test_{:016x}", fastrand::u64(..));
        let root = connect(server).await;
        root.execute_unprepared(&format!("CREATE DATABASE {name}"))
            .await
            .expect("CREATE DATABASE");
        root.close().await.expect("close");
        Self {
            server: server.to_owned(),
            name,
        }
    }

    /// Makes one on the private MariaDB.
    pub(crate) async fn on_mariadb() -> Self {
        Self::on(Flavour::MariaDb).await
    }

    /// Makes one on the private server of this kind, in the order in which `./scripts/test` names them.
    pub(crate) async fn on(flavour: Flavour) -> Self {
        let place = match flavour {
            Flavour::MariaDb => 0,
            Flavour::MySql => 1,
            Flavour::TiDb => panic!("no TiDB is shared"),
        };
        Self::create(&mysql_urls()[place]).await
    }

    /// Makes one on every server of the run.
    pub(crate) async fn on_all() -> Vec<Self> {
        mysql_urls();
        Self::at_hand().await
    }

    /// The same, for a test that has done its work on SQLite already where no server is at hand.
    pub(crate) async fn at_hand() -> Vec<Self> {
        let mut all = Vec::new();
        for server in urls_at_hand() {
            all.push(Self::create(&server).await);
        }
        all
    }

    /// `mysql://user[:password]@host:port/name`.
    pub(crate) fn url(&self) -> String {
        format!("{}/{}", self.server, self.name)
    }

    /// Runs statements that return no rows, each on its own.
    pub(crate) async fn execute(&self, statements: &[&str]) {
        let connection = connect(&self.url()).await;
        for sql in statements {
            connection.execute_unprepared(sql).await.expect(sql);
        }
        connection.close().await.expect("close");
    }

    /// The first column of the first row, as a number.
    pub(crate) async fn number(&self, sql: &str) -> i64 {
        let connection = connect(&self.url()).await;
        let row = connection
            .query_one_raw(Statement::from_string(DbBackend::MySql, sql))
            .await
            .expect(sql)
            .expect("a row");
        let number = row.try_get_by_index(0).expect("a number");
        connection.close().await.expect("close");
        number
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let (server, name) = (self.server.clone(), self.name.clone());
        // A runtime cannot wait inside a runtime: on a thread of its own. What fails here fails no
        // test: the whole server is thrown away after the run.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            runtime.block_on(async {
                let limit = std::time::Duration::from_secs(10);
                let _ = tokio::time::timeout(limit, async {
                    if let Ok(root) = Database::connect(server).await {
                        let sql = format!("DROP DATABASE IF EXISTS {name}");
                        let _ = root.execute_unprepared(&sql).await;
                        let _ = root.close().await;
                    }
                })
                .await;
            });
            std::io::Result::Ok(())
        });
        let _ = dropping.join();
    }
}

/// One connection to `url`.
pub(crate) async fn connect(url: &str) -> DatabaseConnection {
    let mut options = sea_orm::ConnectOptions::new(url);
    options.max_connections(1).sqlx_logging(false);
    Database::connect(options)
        .await
        .unwrap_or_else(|error| panic!("{url}: {error}"))
}

/// go-id-alloc's table, as its users have it, with one tag.
pub(crate) const SEED_SCHEMA: &[&str] = &[
    "CREATE TABLE segments (
        biz_tag varchar(32) NOT NULL PRIMARY KEY,
        max_id bigint NOT NULL,
        step bigint NOT NULL,
        description varchar(1024) DEFAULT '' NOT NULL,
        update_time datetime DEFAULT CURRENT_TIMESTAMP NOT NULL ON UPDATE CURRENT_TIMESTAMP
    ) ENGINE=InnoDB",
    "INSERT INTO segments (biz_tag, max_id, step) VALUES ('test', 1, 100)",
];
