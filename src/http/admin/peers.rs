//! `Peers`: asks another server what it tells of itself, within limits of time and length.

use super::model::Server;
use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};
use ureq::{
    Agent,
    tls::{Certificate, RootCerts, TlsConfig},
};

/// One that takes longer does not answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long an answer may be, in bytes.
const LONGEST: u64 = 256 * 1024;
const KEPT: usize = 32;

#[derive(Debug)]
pub(super) struct Peers {
    /// Whether this server speaks TLS: then tokens are not sent without.
    is_tls: bool,
    agent: OnceLock<Agent>,
}

impl Peers {
    pub(super) fn new(is_tls: bool) -> Self {
        Self {
            is_tls,
            agent: OnceLock::new(),
        }
    }

    /// What the server at `address` tells of itself, or why it does not.
    pub(super) async fn ask(&self, address: String, token: &str) -> Result<Server, String> {
        if let Some(why) = self.refuses(&address) {
            return Err(why.to_owned());
        }
        let (agent, token) = (self.agent().clone(), token.to_owned());
        let asking = tokio::task::spawn_blocking(move || ask(&agent, &address, &token));
        let found = asking.await;
        found.unwrap_or_else(|_| Err("it could not be asked".to_owned()))
    }

    fn refuses(&self, address: &str) -> Option<&'static str> {
        match address {
            "" => Some(
                "others cannot reach it: its admin API listens on that machine alone, or admin.address is off there",
            ),
            _ if self.is_tls && !address.starts_with("https://") => {
                Some("it does not speak TLS, as this server does: no token is sent there")
            }
            _ => None,
        }
    }

    fn agent(&self) -> &Agent {
        self.agent.get_or_init(|| {
            let mut tls = TlsConfig::builder();
            if self.is_tls {
                let found = rustls_native_certs::load_native_certs();
                let roots = found.certs.iter();
                let roots = roots.map(|der| Certificate::from_der(der).to_owned());
                tls = tls.root_certs(RootCerts::Specific(Arc::new(roots.collect())));
            }
            let config = Agent::config_builder()
                .tls_config(tls.build())
                .http_status_as_error(false)
                // A token goes to the server that was named, and nowhere else.
                .max_redirects(0)
                .proxy(None)
                .max_idle_connections(KEPT)
                .max_idle_connections_per_host(1)
                .timeout_global(Some(PATIENCE))
                .user_agent(concat!("id-alloc/", env!("CARGO_PKG_VERSION")))
                .build();
            config.into()
        })
    }
}

fn ask(agent: &Agent, address: &str, token: &str) -> Result<Server, String> {
    let request = agent
        .get(format!("{address}/admin/v1/server"))
        .header("authorization", format!("Bearer {token}"));
    let mut answer = request.call().map_err(|error| no_answer(&error))?;
    let status = answer.status();
    match status.as_u16() {
        200 => {}
        401 => return Err("it does not know this token: use one file of tokens on all".to_owned()),
        403 => return Err("this token has no scope `read` there".to_owned()),
        404 => return Err("it has no admin API at that address".to_owned()),
        _ => return Err(format!("it answered {status}")),
    }
    let body = answer.body_mut().with_config().limit(LONGEST);
    let body = body.read_to_vec().map_err(|error| no_answer(&error))?;
    serde_json::from_slice(&body)
        .map_err(|_| "what it answered cannot be read: is it another version?".to_owned())
}

fn no_answer(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Timeout(_) => format!("no answer within {} s", PATIENCE.as_secs()),
        error => format!("no answer: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_this_server_speaks_tls_no_token_leaves_it_without() {
        let tls = Peers::new(true);
        assert!(tls.refuses("http://a").is_some() && tls.refuses("https://a").is_none());
        let plain = Peers::new(false);
        assert!(plain.refuses("http://a").is_none() && plain.refuses("").is_some());
    }
}
