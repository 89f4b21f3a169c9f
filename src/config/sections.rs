//! The sections of the configuration: each key's type, its limits, and what happens in operation when its value
//! is wrong. Meaning, unit and built-in value of each stand in `config/default.toml`. Whoever needs a key takes its
//! section as it is, so a new key is added there, here and where it is used.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    database_url::DatabaseUrl,
    preload::Preload,
    texts::{Address, Endpoint, File, Host, Identity, LogLevel, OrNone, OwnAddress, Table, Text},
    values::{AutoOr, MINUTE, MS, Period, Whole, YEAR, part},
};
use crate::domain::StepSettings;

/// Listening, connections and shutting down.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// Too narrow and no other machine connects; too wide and anyone who reaches it can use up ids.
    #[serde(with = "Text::<Host>")]
    pub host: String,
    /// Taken already: exit code 71. 0 picks a free one.
    #[serde(with = "Whole::<0, 65_535>")]
    pub port: u16,
    /// Worker threads; 0 is one per core. Too few cap the request rate, too many waste memory.
    #[serde(with = "Whole::<0, 1024>")]
    pub workers: usize,
    /// Too short and load balancers still send requests to a closed port during a deployment; too long
    /// and deployments drag.
    #[serde(with = "Period::<0, YEAR>")]
    pub drain_delay: Duration,
    /// Too short and running requests are cut off; longer than the orchestrator waits and it kills us.
    #[serde(with = "Period::<0, YEAR>")]
    pub grace_period: Duration,
    /// Per worker. Too low and clients hang in the kernel's queue; what the limit on open files does not
    /// allow is not let in.
    #[serde(with = "Whole::<1, 10_000_000>")]
    pub max_connections: usize,
    /// Shorter than the load balancer's own and some requests meet a connection just closed (502).
    #[serde(with = "Period::<0, YEAR>")]
    pub keep_alive: Duration,
    /// Too short and slow clients get 408; too long and idle attackers hold connections.
    #[serde(with = "Period::<MS, YEAR>")]
    pub header_timeout: Duration,
    /// Too short and clients on bad networks lose answers; too long, or zero, and those that send
    /// without reading hold a connection, its memory and a worker's time.
    #[serde(with = "Period::<0, YEAR>")]
    pub write_timeout: Duration,
    /// Encryption of every listener.
    pub tls: Tls,
}

impl Server {
    /// How many worker threads there are.
    #[must_use]
    pub fn worker_threads(&self) -> usize {
        match self.workers {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            workers => workers,
        }
    }
}

/// Encryption of the listeners: the API's, the admin API's and that of the metrics.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// `None`, as the key: plain HTTP. Without the intermediate certificates some clients trust it and
    /// others do not.
    #[serde(with = "OrNone::<File>")]
    pub cert_file: Option<PathBuf>,
    /// Readable by others than the server: they can pose as it.
    #[serde(with = "OrNone::<File>")]
    pub key_file: Option<PathBuf>,
}

impl Tls {
    /// Whether the listeners speak TLS.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.cert_file.is_some() && self.key_file.is_some()
    }
}

/// The database, the table and the guard.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    /// Wrong host: 503 until it is reachable. Wrong password or name: exit code 77 or 78. A *different*
    /// table that works answers ids that were used before. Holds the password of
    /// [`password_file`](Self::password_file) already.
    pub url: DatabaseUrl,
    /// Unreadable or empty: the configuration is refused.
    #[serde(with = "OrNone::<File>")]
    pub password_file: Option<PathBuf>,
    /// No such table: `table_missing` until there is one.
    #[serde(with = "Text::<Table>")]
    pub table: String,
    /// Too low and claims of many tags queue; too high, times the servers, and the database refuses
    /// connections.
    #[serde(with = "Whole::<1, 10_000>")]
    pub max_connections: u32,
    /// Too short and claims fail while connections are being made; too long and callers time out first.
    #[serde(with = "Period::<MS, YEAR>")]
    pub acquire_timeout: Duration,
    /// Too short and a busy database counts as down; too long and a hung one is noticed late.
    #[serde(with = "Period::<MS, YEAR>")]
    pub statement_timeout: Duration,
    /// Too long and service resumes late after an outage; too short and a struggling database is hammered.
    #[serde(with = "Period::<MS, YEAR>")]
    pub backoff_max: Duration,
    /// Off: a failover or restored backup can repeat ids. On: no start where the guard cannot work.
    pub guard: Guard,
    /// `None` is `"auto"`. Smaller than what the lost claims held and ids repeat after a failover;
    /// larger only leaves a gap.
    #[serde(with = "AutoOr::<0, { i64::MAX }>")]
    pub failover_skip: Option<i64>,
    /// Per hour. Too low and an ordinary maintenance ends in `failover_flapping`; too high and two
    /// primaries that take turns use up ids.
    #[serde(with = "Whole::<0, 4_294_967_295>")]
    pub failover_limit: u32,
    /// Zero, the default: none are written. Too long and the record grows large; without the right to write it, the log
    /// has a line per claim.
    #[serde(with = "Period::<0, YEAR>")]
    pub claim_records: Duration,
    /// `None` asks the server. Not the same on all id-alloc servers: they keep moving tags from each
    /// other. Not changed at a failover: lost claims go unseen.
    #[serde(with = "OrNone::<Identity>")]
    pub server_identity: Option<String>,
}

/// When claims are guarded against lost and lowered `max_id`s.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Guard {
    /// Where the table has the columns and the server can; otherwise with a warning.
    Auto,
    /// Always: start-up is refused where it cannot work.
    On,
    /// Never.
    Off,
}

/// How much is claimed and how long tags stay in memory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Allocation {
    /// Too short and the database is asked often and an outage shows soon; too long and a restart
    /// leaves larger gaps.
    #[serde(with = "Period::<MS, YEAR>")]
    pub segment_duration: Duration,
    /// Too low and busy tags claim often; too high and a restart leaves large gaps. A row whose step is
    /// above it is refused (`tag_misconfigured`).
    #[serde(with = "Whole::<1, { i64::MAX }>")]
    pub max_step: i64,
    /// Too low and tags end in `tag_exhausted`; above what clients can hold and they see ids changed.
    #[serde(with = "Whole::<1, { i64::MAX }>")]
    pub id_limit: i64,
    /// Too short and callers notice outages; too long and each restart leaves larger gaps.
    #[serde(with = "Period::<MS, YEAR>")]
    pub outage_budget: Duration,
    /// Too short and rarely used tags leave a gap and wait for the database each time; too long and
    /// memory is held by tags that nobody uses.
    #[serde(with = "Period::<MS, YEAR>")]
    pub idle_after: Duration,
    /// Too long and a changed table is noticed late; too short and the database is asked for nothing.
    #[serde(with = "Period::<MS, YEAR>")]
    pub refresh: Duration,
    /// A tag that does not exist, or cannot be loaded, is warned about; `/readyz` turns green without it.
    pub preload: Preload,
}

impl From<&Allocation> for StepSettings {
    fn from(allocation: &Allocation) -> Self {
        Self {
            segment_duration: allocation.segment_duration,
            max_step: allocation.max_step,
            outage_budget: allocation.outage_budget,
        }
    }
}

/// Bounds of every queue, wait and cache.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Too low and batch callers get `invalid_count`; too high and single answers grow to megabytes.
    #[serde(with = "Whole::<1, 1_000_000>")]
    pub max_count: u32,
    /// Too low and clients that count by themselves come often; too high and one mistake uses up many ids.
    #[serde(with = "Whole::<1, 1_000_000_000>")]
    pub max_range: u32,
    /// Too short and a first request fails before its claim is done; longer than the callers' own
    /// timeout and ids are allotted to callers who have left.
    #[serde(with = "Period::<MS, MINUTE>")]
    pub request_deadline: Duration,
    /// Too low and a burst on a cold tag is refused (`overloaded`).
    #[serde(with = "Whole::<1, 10_000_000>")]
    pub max_waiting_per_tag: usize,
    /// Too low and one tag's burst takes the places of others; too high and an outage holds memory.
    #[serde(with = "Whole::<1, 10_000_000>")]
    pub max_waiting: usize,
    /// Too long and a new tag is 404 for that time; zero and unknown tags cost a statement each.
    #[serde(with = "Period::<0, YEAR>")]
    pub unknown_tag_ttl: Duration,
    /// How many are remembered. Too few and a flood of different names reaches the database.
    #[serde(with = "Whole::<1, 100_000_000>")]
    pub unknown_tags: usize,
    /// Too low and tags beyond it are refused (`overloaded`); too high and memory runs out.
    #[serde(with = "Whole::<1, 100_000_000>")]
    pub max_loaded_tags: usize,
    /// In bytes. Too low and form bodies get 413.
    #[serde(with = "Whole::<1, 16_777_216>")]
    pub max_body: usize,
    /// In bytes. Too low and long tags in queries are refused.
    #[serde(with = "Whole::<1, 1_048_576>")]
    pub max_query: usize,
}

/// Who may ask for ids.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Alloc {
    /// `None` lets anyone ask. A token that is missing there: its holder gets 401 from the next reading on.
    #[serde(with = "OrNone::<File>")]
    pub tokens_file: Option<PathBuf>,
}

/// The admin API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Admin {
    /// `None`: there is no admin API. Readable by others than the server: they learn names and hashes,
    /// no token.
    #[serde(with = "OrNone::<File>")]
    pub tokens_file: Option<PathBuf>,
    /// `None` serves it on the API's port. Taken already: exit code 71.
    #[serde(with = "OrNone::<Address>")]
    pub bind: Option<SocketAddr>,
    /// `None` finds it out. Wrong: the consoles of other servers say that this one does not answer.
    #[serde(with = "OrNone::<OwnAddress>")]
    pub address: Option<String>,
}

impl Admin {
    /// Whether this server tells others where it is, and asks them.
    #[must_use]
    pub fn knows_others(&self) -> bool {
        self.address.as_deref() != Some("off")
    }
}

/// Logs and metrics.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Telemetry {
    /// The wrong one and the log collector cannot parse a line.
    pub log_format: LogFormat,
    /// `debug` and `trace` cost throughput; `error` hides the warnings about the guard.
    #[serde(with = "Text::<LogLevel>")]
    pub log_level: String,
    /// Too short and the log fills; too long and slowness goes unseen.
    #[serde(with = "Period::<0, YEAR>")]
    pub slow_request: Duration,
    /// 0 to 1. At high request rates 1 makes the log the bottleneck.
    #[serde(deserialize_with = "part")]
    pub sample_ratio: f64,
    /// `None` serves metrics on the API's port alone. Taken already: exit code 71.
    #[serde(with = "OrNone::<Address>")]
    pub metrics_bind: Option<SocketAddr>,
    /// `None` exports no traces. Needs the cargo feature `otlp`; a collector that is away loses spans, no more.
    #[serde(with = "OrNone::<Endpoint>")]
    pub otlp_endpoint: Option<String>,
    /// Too low and tags vanish into `_other`; too high and the metrics store groans.
    #[serde(with = "Whole::<0, 1_000_000>")]
    pub max_tag_series: usize,
}

impl Telemetry {
    /// Whether any request gets a span.
    #[must_use]
    pub fn has_spans(&self) -> bool {
        self.sample_ratio > 0.0 || self.otlp_endpoint.is_some()
    }
}

/// How a log line is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Pretty,
    /// One JSON object per line.
    Json,
}
