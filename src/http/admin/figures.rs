//! The shapes of figures over time, and of all servers together.

use super::model::Server;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What was asked of a server over the last seconds, by callers of ids.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Traffic {
    /// Ids handed out, by all interfaces.
    pub ids_per_second: f64,
    /// HTTP requests answered; those of Redis' clients are not among them.
    pub requests_per_second: f64,
    /// Refusals that are the server's or the database's fault (status 5xx).
    pub errors_per_second: f64,
    /// Refusals for other reasons: unknown tags, tokens, quotas.
    pub refused_per_second: f64,
    /// Half of the HTTP requests took no longer; `null` where there were none.
    pub latency_p50_seconds: Option<f64>,
    /// 99 of 100 took no longer.
    pub latency_p99_seconds: Option<f64>,
}

/// The same over the last minutes, oldest first. A server that has not run so long has fewer points.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct History {
    /// From one point to the next.
    pub every_seconds: f64,
    /// Ids handed out.
    pub ids_per_second: Vec<f64>,
    /// Refusals that are the server's or the database's fault.
    pub errors_per_second: Vec<f64>,
    /// 99 of 100 HTTP requests took no longer.
    pub latency_p99_seconds: Vec<Option<f64>>,
    /// How long the ids in memory of the tag lasted that would run out first; `null` where no tag was in use.
    pub supply_seconds: Vec<Option<f64>>,
}

/// A tag in use whose ids in memory last least.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ShortSupply {
    /// Its name.
    pub biz_tag: String,
    /// How long they last at the present rate.
    pub supply_seconds: f64,
    /// Ids in memory.
    pub left: u64,
    /// Ids handed out per second.
    pub rate: f64,
}

/// How much of a tag's own limit is used up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LimitUsed {
    /// No id of the tag reaches this number.
    pub id_limit: i64,
    /// The share of the ids below it that servers have claimed, from 0 to 1, as of `allocation.refresh` ago at most.
    pub used: f64,
    /// How long the rest lasts at the rate at which all servers claimed lately; `null` while nobody does, or it is not
    /// known yet.
    pub days_left: Option<f64>,
}

/// The tokens of `alloc.tokens_file` with a quota, as this server counts them.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(in crate::http) struct Quotas {
    /// In the order of the file.
    pub quotas: Vec<Quota>,
    /// How many there are, if not all are listed.
    pub total: usize,
}

/// What the holder of a token may take of each tag, on each server.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(in crate::http) struct Quota {
    /// The name of its entry.
    pub token: String,
    /// Tags it is for: names, or beginnings followed by `*`.
    pub tags: Vec<String>,
    /// Of each tag in a second; `null` for as many as there are.
    pub ids_per_second: Option<u64>,
    /// Of each tag in a day of UTC.
    pub ids_per_day: Option<u64>,
    /// What was taken today, the tags of which most was taken, at most ten.
    pub today: Vec<TakenToday>,
    /// Of how many tags something was taken.
    pub tags_today: usize,
}

/// What a holder took of a tag.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(in crate::http) struct TakenToday {
    /// Its name.
    pub biz_tag: String,
    /// Ids taken here since midnight UTC, or since the server was started.
    pub ids: u64,
}

/// Whose token a call carries.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct Caller {
    /// The name of its entry.
    pub name: String,
    /// `read`, `write`, or both.
    pub scopes: Vec<String>,
}

/// All servers that share the table.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(in crate::http) struct Servers {
    /// This one first, then by address.
    pub servers: Vec<Member>,
    /// Servers that are not listed, as there are too many.
    pub left_out: usize,
    /// How long ago it was read from the database which servers there are; `null` before that, and where
    /// `admin.address` is `off`.
    pub listed_seconds: Option<f64>,
    /// Why that cannot be read now.
    pub error: Option<String>,
}

/// One of them.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(in crate::http) struct Member {
    /// Made at its start.
    pub id: String,
    /// Machine and port.
    pub name: String,
    /// Where it was asked; `null` where others cannot reach it.
    pub address: Option<String>,
    /// Whether it is the one that answers.
    pub this: bool,
    /// How long ago it wrote itself down beside the table, which it does every ten seconds.
    pub seen_seconds: Option<f64>,
    /// Why it tells nothing.
    pub error: Option<String>,
    /// What it tells of itself.
    pub server: Option<Server>,
}
