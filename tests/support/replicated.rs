//! A primary and its asynchronous replica, which can be made to fall behind and be promoted.

use super::database::connect;
use super::eventually;
use super::flavour::Flavour;
use super::own_database::OwnDatabase;
use super::proxy::Proxy;
use super::server::Server;
use sea_orm::ConnectionTrait;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(60);

/// A primary and its asynchronous replica, which is read-only.
pub(crate) struct Replicated {
    pub(crate) primary: OwnDatabase,
    pub(crate) replica: OwnDatabase,
    flavour: Flavour,
}

impl Replicated {
    /// Starts both with GTIDs and this `binlog_format`, and the replication.
    pub(crate) async fn start(flavour: Flavour, binlog_format: &str) -> Self {
        let format = format!("--binlog-format={binlog_format}");
        let common = [flavour.replicating(), &[&format]].concat();
        let (primary, replica) = tokio::join!(
            async {
                OwnDatabase::start(flavour, &[&common[..], &["--server-id=1"]].concat()).await
            },
            async {
                let own = ["--server-id=2", "--read-only=1"];
                OwnDatabase::start(flavour, &[&common[..], &own].concat()).await
            },
        );
        let follow = flavour.follow(primary.port());
        let databases = Self {
            primary,
            replica,
            flavour,
        };
        databases.on_replica(&follow).await;
        databases
    }

    /// The same with the database `ids` that has these tags (name, start, step), and a link that leads to the primary.
    pub(crate) async fn linked(
        flavour: Flavour,
        binlog_format: &str,
        tags: &[(&str, i64, i64)],
    ) -> (Self, Proxy) {
        let databases = Self::start(flavour, binlog_format).await;
        databases.primary.holding(tags).await;
        let link = Proxy::to(&databases.primary.address()).await;
        (databases, link)
    }

    /// Leads the link to the replica, and ends the connections that it has.
    pub(crate) fn lead_to_the_replica(&self, link: &Proxy) {
        link.retarget(&self.replica.address());
        link.cut_open();
    }

    /// Waits until the replica has applied all that the primary has committed.
    pub(crate) async fn caught_up(&self) {
        let (primary, replica) = (self.primary.url(), self.replica.url());
        eventually("the replica's catching up", PATIENCE, async || {
            let caught_up = self.flavour.has_caught_up(&primary, &replica).await;
            caught_up.then_some(())
        })
        .await;
    }

    /// The replica receives on and applies nothing any more.
    pub(crate) async fn stop_applier(&self) {
        self.on_replica(&[self.flavour.stop_applier()]).await;
    }

    /// Makes the replica, as far as it has come, a primary.
    pub(crate) async fn promote(&self) {
        self.on_replica(&self.flavour.promote()).await;
    }

    async fn on_replica<S: AsRef<str>>(&self, statements: &[S]) {
        let root = connect(&self.replica.url()).await;
        for sql in statements {
            let sql = sql.as_ref();
            root.execute_unprepared(sql).await.expect(sql);
        }
        root.close().await.expect("close");
    }
}

/// The database `ids` of whatever the link leads to.
pub(crate) fn ids_behind(link: &Proxy) -> String {
    format!("mysql://root@{}/ids", link.address())
}

/// How many rows these servers have moved after a failover.
pub(crate) async fn skips<'a>(servers: impl IntoIterator<Item = &'a Server>) -> f64 {
    let mut skips = 0.0;
    for server in servers {
        let moved = server.metric("id_alloc_failover_skips_total ").await;
        skips += moved.expect("a metric");
    }
    skips
}
