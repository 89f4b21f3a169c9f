//! `INFO`: what clients look for when they connect, and what a person may want to see.

use super::{Service, answer::Answer, request::Words};
use std::sync::atomic::Ordering;

/// The version of Redis whose commands clients may expect, of those that are served.
const REDIS_VERSION: &str = "7.0.0";

/// The sections asked for; all of them where none is.
pub(super) fn info(words: Words<'_>, service: &Service) -> Answer {
    let wanted = |section: &str| {
        let names = [section, "all", "default", "everything"];
        let is = |index| names.into_iter().any(|name| words.is(index, name));
        words.len() < 2 || (1..words.len()).any(is)
    };
    let (uptime, version) = (service.began.elapsed(), env!("CARGO_PKG_VERSION"));
    let sections = [
        (
            "Server",
            format!(
                "redis_version:{REDIS_VERSION}\r\nserver_name:id-alloc\r\nid_alloc_version:{version}\r\n\
                 redis_mode:standalone\r\nprocess_id:{}\r\ntcp_port:{}\r\nuptime_in_seconds:{}\r\n",
                std::process::id(),
                service.port,
                uptime.as_secs()
            ),
        ),
        (
            "Clients",
            format!(
                "connected_clients:{}\r\nmaxclients:{}\r\nblocked_clients:{}\r\n",
                service.open.load(Ordering::Relaxed),
                service.most,
                service.allocator.waiting()
            ),
        ),
        // Clients wait until this says 0.
        ("Persistence", "loading:0\r\n".to_owned()),
        (
            "Replication",
            "role:master\r\nconnected_slaves:0\r\n".to_owned(),
        ),
        ("Cluster", "cluster_enabled:0\r\n".to_owned()),
    ];
    let wanted = sections.into_iter().filter(|(name, _)| wanted(name));
    Answer::text(String::from_iter(
        wanted.map(|(name, lines)| format!("# {name}\r\n{lines}\r\n")),
    ))
}
