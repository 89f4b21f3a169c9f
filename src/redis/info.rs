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
    let mut text = String::new();
    let mut section = |name: &str, lines: &[(&str, String)]| {
        if wanted(name) {
            text += &format!("# {name}\r\n");
            for (key, value) in lines {
                text += &format!("{key}:{value}\r\n");
            }
            text += "\r\n";
        }
    };
    let uptime = service.began.elapsed().as_secs();
    let version = env!("CARGO_PKG_VERSION");
    section(
        "Server",
        &[
            ("redis_version", REDIS_VERSION.to_owned()),
            ("server_name", "id-alloc".to_owned()),
            ("id_alloc_version", version.to_owned()),
            ("redis_mode", "standalone".to_owned()),
            ("process_id", std::process::id().to_string()),
            ("tcp_port", service.port.to_string()),
            ("uptime_in_seconds", uptime.to_string()),
        ],
    );
    let open = service.open.load(Ordering::Relaxed);
    section(
        "Clients",
        &[
            ("connected_clients", open.to_string()),
            ("maxclients", service.most.to_string()),
            ("blocked_clients", service.allocator.waiting().to_string()),
        ],
    );
    // Clients wait until this says 0.
    section("Persistence", &[("loading", "0".to_owned())]);
    section(
        "Replication",
        &[
            ("role", "master".to_owned()),
            ("connected_slaves", "0".to_owned()),
        ],
    );
    section("Cluster", &[("cluster_enabled", "0".to_owned())]);
    Answer::text(text)
}
