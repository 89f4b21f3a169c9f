//! Three servers and those who take ids from all of them.

use crate::support::checks::Answer;
use crate::support::load::{Load, Plan};
use crate::support::server::Server;

const PLAN: Plan = Plan {
    tags: &["ten", "thousand"],
    clients: 8,
    count: 1..=50,
    roaming: true,
};
/// The tags of the plan: name, start, step.
pub(crate) const TAGS: [(&str, i64, i64); 2] = [("ten", 0, 10), ("thousand", 0, 1000)];

/// See the module's documentation.
pub(crate) struct Fleet {
    url: String,
    servers: Vec<Server>,
    load: Load,
}

impl Fleet {
    /// Starts servers and load on a database that holds [`TAGS`].
    pub(crate) async fn start(url: &str) -> Self {
        let mut servers = Vec::new();
        for _ in 0..3 {
            servers.push(Server::on(url).await);
        }
        Self {
            url: url.to_owned(),
            load: Load::start(&servers, PLAN),
            servers,
        }
    }

    /// Waits until so many more ids were answered.
    pub(crate) async fn take(&self, ids: usize) {
        self.load.until_ids(self.load.ids() + ids).await;
    }

    /// From now on it may happen that no ids are left in memory, as while a database is gone.
    pub(crate) fn may_run_out(&self) {
        for tag in 0..TAGS.len() {
            self.load.tolerate(tag, &["no_available_id"]);
        }
    }

    /// Kills a server and starts it again while the others go on.
    pub(crate) async fn lose_a_server(&mut self) {
        const VICTIM: usize = 1;
        self.load.gone(VICTIM);
        self.servers.remove(VICTIM).kill();
        self.take(5_000).await;
        self.servers.insert(VICTIM, Server::on(&self.url).await);
        self.load.back(VICTIM, &self.servers[VICTIM]);
    }

    /// What the servers have logged.
    pub(crate) fn logs(&self) -> String {
        let logs = self.servers.iter().map(Server::stderr);
        logs.collect::<Vec<_>>().join("\n")
    }

    /// Ends the load: every id was answered once, and in order.
    pub(crate) async fn end(self) -> Vec<Answer> {
        self.load.end_checked(Vec::new()).await
    }
}
