//! Values that do not go together, files that cannot be used, and what is allowed but likely not meant. What a
//! single value may be stands beside its key, in `sections.rs`.

use std::{fmt::Display, net::SocketAddr, path::PathBuf};

use super::{Config, layers::Layers, problems::Problems};
use crate::auth::{self, AdminToken, AllocToken, Entry};

struct Checks<'a> {
    layers: &'a Layers,
    problems: &'a mut Problems,
}

impl Checks<'_> {
    fn that(&mut self, ok: bool, key: &str, message: impl Display) {
        if !ok {
            self.problems.at(&self.layers.origin(key), key, message);
        }
    }

    fn tokens<T: Entry>(&mut self, key: &str, file: Option<&PathBuf>) {
        if let Some(Err(reason)) = file.map(|file| auth::read::<T>(file)) {
            self.that(false, key, reason);
        }
    }

    fn warn(&mut self, unlikely: bool, warning: &str) {
        if unlikely {
            self.problems.warn(warning.to_owned());
        }
    }
}

/// Names what does not go together, and warns of what is likely not meant.
pub(super) fn check(config: &Config, layers: &Layers, problems: &mut Problems) {
    let mut checks = Checks { layers, problems };
    addresses(config, &mut checks);
    let tls = &config.server.tls;
    let (cert, key) = ("server.tls.cert_file", "server.tls.key_file");
    for (file, is_set, other, is_other_set) in [
        (cert, tls.cert_file.is_some(), key, tls.key_file.is_some()),
        (key, tls.key_file.is_some(), cert, tls.cert_file.is_some()),
    ] {
        let message = format!("is set alone; give {other} too, or neither for plain HTTP");
        checks.that(!is_set || is_other_set, file, message);
    }
    checks.that(
        config.telemetry.otlp_endpoint.is_none() || cfg!(feature = "otlp"),
        "telemetry.otlp_endpoint",
        "this id-alloc cannot export traces: build it with --features otlp",
    );
    checks.tokens::<AdminToken>("admin.tokens_file", config.admin.tokens_file.as_ref());
    checks.tokens::<AllocToken>("alloc.tokens_file", config.alloc.tokens_file.as_ref());
    checks.warn(
        config.admin.bind.is_some() && config.admin.tokens_file.is_none(),
        "admin.bind does nothing without admin.tokens_file: the admin API is off",
    );
    checks.warn(
        config.database.failover_skip == Some(0),
        "database.failover_skip is 0: after a failover that lost claims, ids repeat",
    );
    checks.warn(
        config.server.grace_period < config.limits.request_deadline,
        "server.grace_period is shorter than limits.request_deadline: shutting down cuts waiting requests off",
    );
    checks.warn(
        config.limits.max_waiting_per_tag > config.limits.max_waiting,
        "limits.max_waiting_per_tag is above limits.max_waiting: one tag can take every place",
    );
}

/// No two listeners have one address, unless the system picks their ports.
fn addresses(config: &Config, checks: &mut Checks<'_>) {
    let api = |bind: SocketAddr| {
        config.server.host.parse() == Ok(bind.ip()) && bind.port() == config.server.port
    };
    let listeners = [
        ("telemetry.metrics_bind", config.telemetry.metrics_bind),
        ("admin.bind", config.admin.bind),
        ("wire.redis.bind", config.wire.redis.bind),
    ];
    for (index, (key, bind)) in listeners.iter().enumerate() {
        let Some(bind) = bind.filter(|bind| bind.port() != 0) else {
            continue;
        };
        let message = "is the address that server.host and server.port name; give it another port";
        checks.that(!api(bind), key, message);
        let same = |(_, other): &&(&str, Option<SocketAddr>)| *other == Some(bind);
        if let Some((other, _)) = listeners[..index].iter().find(same) {
            let message = format!("is the address of {other}; give it another port");
            checks.that(false, key, message);
        }
    }
}
