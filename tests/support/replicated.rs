//! A primary and its asynchronous replica, which can be made to fall behind and be promoted.

use super::database::connect;
use super::eventually;
use super::flavour::Flavour;
use super::own_database::OwnDatabase;
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
