//! One of several servers on one database, which can be cut off from it, end, and come back.

use super::database::TestDatabase;
use super::ports::reserved_port;
use super::proxy::{Link, Proxy};
use super::server::Server;
use super::{PATIENCE, eventually};

/// A server, its link to the database, and the port to which it comes back.
pub(crate) struct Member {
    port: String,
    url: String,
    /// Between it and the database.
    pub(crate) link: Proxy,
    pub(crate) server: Server,
}

impl Member {
    /// Starts one on a port of its own, through a link of its own.
    pub(crate) async fn start(database: &TestDatabase, settings: &[(&str, &str)]) -> Self {
        let (link, url) = Proxy::before(&database.url()).await;
        let port = reserved_port().to_string();
        let server = start(&url, &port, settings).await;
        Self {
            port,
            link,
            url,
            server,
        }
    }

    /// Starts it again where it was, once it has ended.
    pub(crate) async fn again(&mut self, settings: &[(&str, &str)]) {
        self.server = start(&self.url, &self.port, settings).await;
    }

    /// Takes all ids of `tag` that it has while its link is cut.
    pub(crate) async fn use_up(&self, tag: &str) {
        self.link.set(Link::Cut);
        let path = format!("/alloc?biz_tag={tag}");
        let refused = eventually("the ids' running out", PATIENCE, async || {
            let answer = self.server.get(&path).await;
            (answer.status != 200).then_some(answer)
        })
        .await;
        assert_eq!(refused.status, 503);
        assert_eq!(refused.code(), "no_available_id");
    }

    /// Health checks that it answered with `status`.
    pub(crate) async fn checks(&self, status: u16) -> u64 {
        let labels = format!("route=\"/health\",method=\"GET\",status=\"{status}\"");
        let text = self.server.get("/metrics").await.body;
        let mut lines = text.lines().filter(|line| {
            line.starts_with("http_requests_total") && labels.split(',').all(|l| line.contains(l))
        });
        let count = lines.next().and_then(|line| line.split(' ').next_back());
        assert!(lines.next().is_none(), "{text}");
        count.map_or(0, |count| count.parse().expect("a number"))
    }
}

async fn start(url: &str, port: &str, settings: &[(&str, &str)]) -> Server {
    let own = [("database.url", url), ("server.port", port)];
    Server::start(&[&own[..], settings].concat()).await
}
