//! Where other servers of the table reach this one's admin API. It is written down beside the table, so that the
//! console of each server can show all of them.

use super::listen::bracketed;
use crate::config::Config;
use std::net::IpAddr;
use std::time::Duration;
use tokio::net::UdpSocket;

/// To look up the database's name, which nothing waits for.
const PATIENCE: Duration = Duration::from_secs(2);
const MYSQL: u16 = 3306;

/// The address; empty where others are not told, or cannot reach it.
pub(super) async fn of(config: Config, port: u16) -> String {
    let admin = &config.admin;
    if admin.tokens_file.is_none() || !admin.knows_others() {
        return String::new();
    }
    if let Some(address) = &admin.address {
        return address.trim_end_matches('/').to_owned();
    }
    let (host, port) = match admin.bind {
        Some(bind) => (bind.ip().to_string(), bind.port()),
        None => (config.server.host.clone(), port),
    };
    // A port that the system chose is known for the API alone.
    if port == 0 {
        return String::new();
    }
    let database = database(&config.database.url.to_string());
    let Some(host) = reached(&host, database).await else {
        return String::new();
    };
    let scheme = match config.server.tls.is_on() {
        true => "https",
        false => "http",
    };
    format!("{scheme}://{}:{port}", bracketed(&host))
}

/// Host and port of the database; `None` where it is on this machine.
fn database(url: &str) -> Option<(String, u16)> {
    let url = url::Url::parse(url).ok()?;
    if !["mysql", "mariadb"].contains(&url.scheme()) {
        return None;
    }
    if url.query_pairs().any(|(key, _)| key == "socket") {
        return None;
    }
    let host = url.host_str()?.trim_matches(['[', ']']).to_owned();
    match is_here(&host) {
        true => None,
        false => Some((host, url.port().unwrap_or(MYSQL))),
    }
}

fn is_here(host: &str) -> bool {
    match host.parse::<IpAddr>() {
        Ok(ip) => ip.is_loopback(),
        Err(_) => host.eq_ignore_ascii_case("localhost"),
    }
}

/// The host by which those reach this server who use the same database.
async fn reached(bound: &str, database: Option<(String, u16)>) -> Option<String> {
    let is_every = bound.parse::<IpAddr>().is_ok_and(|ip| ip.is_unspecified());
    match database {
        // All who use it are on this machine.
        None if is_every => Some("127.0.0.1".to_owned()),
        None => Some(bound.to_owned()),
        Some(_) if is_here(bound) => None,
        Some(_) if !is_every => Some(bound.to_owned()),
        Some(database) => towards(database).await.map(|ip| ip.to_string()),
    }
}

/// The address of this machine in the network of the database. Nothing is sent.
async fn towards(database: (String, u16)) -> Option<IpAddr> {
    let found = async {
        for any in ["0.0.0.0:0", "[::]:0"] {
            let socket = UdpSocket::bind(any).await.ok()?;
            if socket.connect((&*database.0, database.1)).await.is_ok() {
                return Some(socket.local_addr().ok()?.ip());
            }
        }
        None
    };
    tokio::time::timeout(PATIENCE, found).await.ok()?
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn found(settings: &[(&str, &str)]) -> String {
        let env = settings
            .iter()
            .map(|(key, value)| (format!("ID_ALLOC__{key}"), (*value).to_owned()));
        let mut config = Config::load(None, env).unwrap().config;
        config.admin.tokens_file = Some("tokens.toml".into());
        of(config, 8880).await
    }

    const FAR: (&str, &str) = ("DATABASE__URL", "mysql://u:p@192.0.2.1/ids");
    const EVERY: (&str, &str) = ("SERVER__HOST", "0.0.0.0");

    #[tokio::test]
    async fn it_is_where_those_who_share_the_database_reach_it() {
        assert_eq!(found(&[]).await, "http://127.0.0.1:8880");
        assert_eq!(found(&[EVERY]).await, "http://127.0.0.1:8880");
        let host = ("SERVER__HOST", "10.0.0.7");
        assert_eq!(found(&[FAR, host]).await, "http://10.0.0.7:8880");
        let bind = ("ADMIN__BIND", "[fd00::7]:9881");
        assert_eq!(found(&[FAR, bind]).await, "http://[fd00::7]:9881");
        let given = ("ADMIN__ADDRESS", "https://a.internal/");
        assert_eq!(found(&[FAR, given]).await, "https://a.internal");
        // The way towards the database, where there is one.
        let found = found(&[FAR, EVERY]).await;
        assert!(found.is_empty() || found.starts_with("http://"), "{found}");
    }

    #[tokio::test]
    async fn one_that_nobody_else_can_reach_or_shall_has_none() {
        let no_tokens = Config::load(None, std::iter::empty()).unwrap().config;
        assert_eq!(of(no_tokens, 8880).await, "");
        assert_eq!(found(&[FAR]).await, "");
        let bind = ("ADMIN__BIND", "127.0.0.1:9881");
        assert_eq!(found(&[FAR, EVERY, bind]).await, "");
        assert_eq!(found(&[("ADMIN__ADDRESS", "off")]).await, "");
    }
}
