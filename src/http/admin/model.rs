//! The shapes of the admin API's bodies, which the command line prints with `--json` too.

use super::figures::{Caller, History, LimitUsed, ShortSupply, Traffic};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

/// A tag: a row of the table.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Tag {
    /// Its name.
    #[schema(example = "order")]
    pub biz_tag: String,
    /// The end of what was claimed by all servers: the first id of the next claim.
    pub max_id: i64,
    /// The least that a server claims at once; 0 where the tag is deleted.
    #[schema(example = 1000)]
    pub step: i64,
    /// Free text.
    pub description: String,
    /// No id of the tag reaches this number; `null` where only `allocation.id_limit` ends it.
    #[schema(example = 2_147_483_647_i64)]
    pub id_limit: Option<i64>,
    /// Whether it is deleted. The name can then be created again, with a `start` that is not below
    /// everything ever claimed.
    pub retired: bool,
    /// `null` where claims carry no guard.
    pub guard: Option<Guard>,
}

/// What the guard against duplicates knows of a tag.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Guard {
    /// The end of the newest claim.
    pub claimed_to: i64,
    /// How large claims were about to become with it.
    pub claimed_size: i64,
    /// The database server on which it was made; empty where none is known.
    pub claimed_on: String,
    /// Whether that is the one which answers now.
    pub here: bool,
    /// How often the guard has moved or raised the row.
    pub moves: i64,
}

/// In which order tags are listed.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "lowercase")]
#[allow(dead_code, reason = "it describes a parameter")]
pub enum Order {
    /// From the first name to the last.
    Asc,
    /// From the last name to the first.
    Desc,
}

/// A page of tags.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct TagPage {
    /// In order of their names.
    pub tags: Vec<Tag>,
    /// What to send as `after` for the next page; `null` on the last one.
    pub next: Option<String>,
    /// Rows of the page that cannot be used; they are not among `tags`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub broken: Vec<BrokenTag>,
}

/// A row that cannot be used.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct BrokenTag {
    /// Its name.
    pub biz_tag: String,
    /// What is wrong with it, and what to do.
    pub reason: String,
}

/// A tag as it should be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PutTag {
    /// The least that a server claims at once, up to `allocation.max_step`.
    #[schema(minimum = 1, example = 1000)]
    pub step: i64,
    /// Free text, at most 1024 characters.
    #[serde(default)]
    #[schema(max_length = 1024)]
    pub description: String,
    /// The first id of a tag that is made (0 begins at 1). Of one that exists it may not be above
    /// `max_id`.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = i64, required = false, minimum = 0)]
    pub start: Option<i64>,
    /// No id of the tag may reach this number; 0 takes its limit away, and left out it stays as it is.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = i64, required = false, minimum = 0, example = 2_147_483_647_i64)]
    pub id_limit: Option<i64>,
}

/// What is to be changed of a tag; what is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PatchTag {
    /// The least that a server claims at once, up to `allocation.max_step`.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = i64, required = false, minimum = 1, example = 2000)]
    pub step: Option<i64>,
    /// Free text, at most 1024 characters.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = String, required = false, max_length = 1024)]
    pub description: Option<String>,
    /// No id of the tag may reach this number, which is not below `max_id`; 0 takes its limit away.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = i64, required = false, minimum = 0, example = 2_147_483_647_i64)]
    pub id_limit: Option<i64>,
}

/// How far to raise `max_id`: one of `by` and `to`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Advance {
    /// By so many ids.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = i64, required = false, minimum = 1, example = 1000)]
    pub by: Option<i64>,
    /// To this id, which must not be below `max_id`.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = i64, required = false, minimum = 0)]
    pub to: Option<i64>,
    /// At once, instead of announcing it 20 seconds ahead: only where no replica is behind.
    #[serde(default)]
    pub now: bool,
}

/// What an advance did.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Advanced {
    /// Which tag.
    pub biz_tag: String,
    /// `max_id` before.
    pub from: i64,
    /// `max_id` after.
    pub max_id: i64,
    /// The first id that is claimed once claims heed it.
    pub first_id: i64,
    /// How long that takes; 0 for at once.
    pub in_seconds: u64,
    /// That ids in the memory of servers are still handed out.
    pub note: String,
}

/// This server.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Server {
    /// Made at its start.
    #[serde(default)]
    pub id: String,
    /// Of the program.
    pub version: String,
    /// Since it was started.
    pub uptime_seconds: f64,
    /// Whether it is going away.
    pub draining: bool,
    /// Tags in its memory.
    pub tags_loaded: usize,
    /// Requests that wait for ids.
    pub waiting_requests: usize,
    /// What was asked of it over the last ten seconds.
    #[serde(default)]
    pub traffic: Traffic,
    /// The same over the last ten minutes.
    #[serde(default)]
    pub history: History,
    /// The tags in use whose ids in memory last least, at most five.
    #[serde(default)]
    pub shortest_supplies: Vec<ShortSupply>,
    /// Whose token the call carried.
    #[serde(default)]
    pub caller: Caller,
    /// What it knows of it.
    pub database: Database,
}

/// The database as this server sees it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Database {
    /// `starting`, `up`, `down`, or `unusable` (it answers, but its table cannot serve).
    #[schema(example = "up")]
    pub status: String,
    /// Why it is not up.
    pub error: Option<String>,
    /// What it is, without password; `null` before it first answered.
    pub description: Option<String>,
    /// Whether claims are guarded against duplicates after a failover or a restore.
    pub guard_active: Option<bool>,
    /// Tags that are not deleted, as of the last check.
    pub tags: Option<u64>,
    /// Settings that weaken a promise.
    pub warnings: Vec<String>,
    /// Connections that wait for work.
    pub connections_idle: usize,
    /// Connections at work.
    pub connections_in_use: usize,
}

/// A page of tags that are loaded.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct LoadedPage {
    /// In order of their names.
    pub tags: Vec<LoadedTag>,
    /// What to send as `after` for the next page; `null` on the last one, and in order of supply.
    pub next: Option<String>,
    /// How many tags are loaded whose names begin so.
    #[serde(default)]
    pub total: usize,
}

/// In which order loaded tags are listed.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "lowercase")]
#[allow(dead_code, reason = "it describes a parameter")]
pub enum LoadedOrder {
    /// By name.
    Name,
    /// Those first whose ids in memory last least.
    Supply,
}

/// What this server has of a tag in memory.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct LoadedTag {
    /// Its name.
    pub biz_tag: String,
    /// Ids in memory.
    pub left: u64,
    /// Ids handed out per second, smoothed.
    pub rate: f64,
    /// How long the ids in memory last at that rate; `null` while nobody asks.
    pub supply_seconds: Option<f64>,
    /// The size of claims in force, in ids.
    pub step_in_force: i64,
    /// The end of what this server claimed last; 0 before the first claim.
    pub claimed_to: i64,
    /// The segments in memory, the one in use first.
    pub segments: Vec<SegmentInUse>,
    /// Whether a claim is under way.
    pub loading: bool,
    /// How often its actor was restarted.
    pub restarts: u64,
    /// Why the newest claim failed, if it did.
    pub last_error: Option<String>,
    /// How much of its own limit is used up; `null` where it has none, or too many tags have one.
    #[serde(default)]
    pub limit: Option<LimitUsed>,
    /// Whether its actor answered: if not, segments, loading, restarts and error are not known.
    pub responding: bool,
}

/// A claimed range of ids.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct SegmentInUse {
    /// Its first id.
    pub first: i64,
    /// The next id that is handed out.
    pub next: i64,
    /// Behind its last id.
    pub end: i64,
    /// How many ids it held.
    pub size: u64,
    /// How many are left.
    pub left: u64,
}

/// A value that may be left out, but not be `null`.
fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}
