//! Counters of a Redis, for `tag import --from redis`: each key of a pattern, or named, whose value is a whole number.

use crate::{
    cli::{Exit, arguments::Import},
    storage::sql::{Counter, Counters, Unreadable},
};
use redis_client::{Client, Connection, FromRedisValue, RedisError, cmd};
use std::time::Duration;
use url::Url;

/// To connect, and for each answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Keys looked at by one command.
const BATCH: usize = 500;

/// The place of the Redis at `source`, without its password, and its counters.
pub(super) fn read(source: &str, call: &Import) -> Result<(String, Counters), Exit> {
    let place = place(source)?;
    let failed = |error: RedisError| Exit::unavailable(format!("{place}: {error}"));
    let client = Client::open(source).map_err(failed)?;
    let mut connection = client
        .get_connection_with_timeout(PATIENCE)
        .map_err(failed)?;
    connection
        .set_read_timeout(Some(PATIENCE))
        .map_err(failed)?;
    let keys = match &call.keys {
        Some(pattern) => scan(&mut connection, pattern).map_err(failed)?,
        None if call.only.is_empty() => {
            return Err(Exit::usage(
                "say which keys are counters: --keys 'seq:*', or --only seq:order",
            ));
        }
        None => call.only.clone(),
    };
    let mut counters = Vec::new();
    for keys in keys.chunks(BATCH) {
        let values: Vec<Option<Vec<u8>>> = ask(&mut connection, "MGET", keys).map_err(failed)?;
        counters.extend(
            keys.iter()
                .zip(values)
                .map(|(key, value)| counter(key, value)),
        );
    }
    Ok((place, counters))
}

fn ask<T: FromRedisValue>(
    connection: &mut Connection,
    command: &str,
    words: &[String],
) -> Result<T, RedisError> {
    cmd(command).arg(words).query(connection)
}

/// All keys that hold a text and fit the pattern, in order; one that is not text itself is shown as far as it is.
fn scan(connection: &mut Connection, pattern: &str) -> Result<Vec<String>, RedisError> {
    let (mut cursor, mut keys) = ("0".to_owned(), Vec::new());
    loop {
        let words = [
            &*cursor, "MATCH", pattern, "COUNT", "1000", "TYPE", "string",
        ];
        let (next, found): (String, Vec<Vec<u8>>) =
            ask(connection, "SCAN", &words.map(str::to_owned))?;
        let text = |key: &Vec<u8>| String::from_utf8_lossy(key).into_owned();
        keys.extend(found.iter().map(text));
        if next == "0" {
            break;
        }
        cursor = next;
    }
    // A key may come twice.
    keys.sort_unstable();
    keys.dedup();
    Ok(keys)
}

fn counter(key: &str, value: Option<Vec<u8>>) -> Result<Counter, Unreadable> {
    let unreadable = |reason: &str| Unreadable {
        name: key.to_owned(),
        reason: format!("{key}: {reason}"),
    };
    let value = value.ok_or_else(|| unreadable("there is no such key, or it holds no text"))?;
    let value = std::str::from_utf8(&value)
        .ok()
        .and_then(|text| text.parse::<i64>().ok());
    let value = value.ok_or_else(|| unreadable("its value is no whole number"))?;
    let next = value.checked_add(1).filter(|next| *next >= 0);
    Ok(Counter {
        name: key.to_owned(),
        next: next
            .ok_or_else(|| unreadable("its value is no id: give a counter from 0 to 2^63 - 2"))?,
        step: None,
        description: String::new(),
        found: format!("the key's value is {value}"),
        largest: i64::MAX,
    })
}

/// As `redis://host:port/database`, for messages.
fn place(source: &str) -> Result<String, Exit> {
    let wrong = || {
        Exit::usage(
            "--source (or IDA_SOURCE): give redis://USER:PASSWORD@HOST:PORT/DATABASE, or rediss:// for TLS",
        )
    };
    let url = Url::parse(source).map_err(|_| wrong())?;
    match (url.scheme(), url.host_str()) {
        ("redis" | "rediss", Some(host)) => {
            let (scheme, port, path) = (url.scheme(), url.port().unwrap_or(6379), url.path());
            Ok(format!("{scheme}://{host}:{port}{path}"))
        }
        _ => Err(wrong()),
    }
}
