//! The shapes of the admin API's bodies.

use crate::{
    actors::{ServerState, StoreHealth, TagStatus},
    storage::{GuardRow, TagRow},
};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

/// A tag: a row of the table.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct Tag {
    /// Its name.
    #[schema(example = "order")]
    biz_tag: String,
    /// The end of what was claimed by all servers: the first id of the next claim.
    max_id: i64,
    /// The least that a server claims at once; 0 where the tag is deleted.
    #[schema(example = 1000)]
    step: i64,
    /// Free text.
    description: String,
    /// Whether it is deleted. The name can then be created again, with a `start` that is not below
    /// everything ever claimed.
    retired: bool,
    /// `null` where claims carry no guard.
    guard: Option<Guard>,
}

/// What the guard against duplicates knows of a tag.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct Guard {
    /// The end of the newest claim.
    claimed_to: i64,
    /// How large claims were about to become with it.
    claimed_size: i64,
    /// The database server on which it was made; empty where none is known.
    claimed_on: String,
    /// Whether that is the one which answers now.
    here: bool,
    /// How often the guard has moved or raised the row.
    moves: i64,
}

/// In which order tags are listed.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[allow(dead_code, reason = "it describes a parameter")]
pub(in crate::http) enum Order {
    Asc,
    Desc,
}

/// A page of tags.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct TagPage {
    pub(super) tags: Vec<Tag>,
    /// What to send as `after` for the next page; `null` on the last one.
    pub(super) next: Option<String>,
}

/// A tag as it should be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct PutTag {
    /// The least that a server claims at once, up to `allocation.max_step`.
    #[schema(minimum = 1, example = 1000)]
    pub(super) step: i64,
    /// Free text, at most 1024 characters.
    #[serde(default)]
    #[schema(max_length = 1024)]
    pub(super) description: String,
    /// The first id of a tag that is made (0 begins at 1). Of one that exists it may not be above
    /// `max_id`.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = i64, required = false, minimum = 0)]
    pub(super) start: Option<i64>,
}

/// What is to be changed of a tag; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct PatchTag {
    /// The least that a server claims at once, up to `allocation.max_step`.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = i64, required = false, minimum = 1, example = 2000)]
    pub(super) step: Option<i64>,
    /// Free text, at most 1024 characters.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = String, required = false, max_length = 1024)]
    pub(super) description: Option<String>,
}

/// How far to raise `max_id`: one of the two.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Advance {
    /// By so many ids.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = i64, required = false, minimum = 1, example = 1000)]
    pub(super) by: Option<i64>,
    /// To this id, which must not be below `max_id`.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = i64, required = false, minimum = 0)]
    pub(super) to: Option<i64>,
}

/// What an advance did.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct Advanced {
    pub(super) biz_tag: String,
    /// `max_id` before.
    pub(super) from: i64,
    /// `max_id` after.
    pub(super) max_id: i64,
    /// The first id that is claimed from now on.
    pub(super) first_id: i64,
    /// That ids in the memory of servers are still handed out.
    pub(super) note: &'static str,
}

/// This server.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct Server {
    version: &'static str,
    uptime_seconds: f64,
    /// Whether it is going away.
    draining: bool,
    /// Tags in its memory.
    tags_loaded: usize,
    /// Requests that wait for ids.
    waiting_requests: usize,
    database: Database,
}

/// The database as this server sees it.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct Database {
    /// `starting`, `up`, `down`, or `unusable` (it answers, but its table cannot serve).
    #[schema(example = "up")]
    status: &'static str,
    /// Why it is not up.
    error: Option<String>,
    /// What it is, without password; `null` before it first answered.
    description: Option<String>,
    /// Whether claims are guarded against duplicates after a failover or a restore.
    guard_active: Option<bool>,
    /// Tags that are not deleted, as of the last check.
    tags: Option<u64>,
    /// Settings that weaken a promise.
    warnings: Vec<String>,
    connections_idle: usize,
    connections_in_use: usize,
}

/// A page of tags that are loaded.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct LoadedPage {
    pub(super) tags: Vec<LoadedTag>,
    /// What to send as `after` for the next page; `null` on the last one.
    pub(super) next: Option<String>,
}

/// What this server has of a tag in memory.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct LoadedTag {
    pub(super) biz_tag: String,
    /// Ids in memory.
    left: u64,
    /// Ids handed out per second, smoothed.
    rate: f64,
    /// How long the ids in memory last at that rate; `null` while nobody asks.
    supply_seconds: Option<f64>,
    /// The size of claims in force, in ids.
    step_in_force: i64,
    /// The end of what this server claimed last; 0 before the first claim.
    claimed_to: i64,
    /// The segments in memory, the one in use first.
    segments: Vec<SegmentInUse>,
    /// Whether a claim is under way.
    loading: bool,
    /// How often its actor was restarted.
    restarts: u64,
    /// Why the newest claim failed, if it did.
    last_error: Option<String>,
    /// Whether its actor answered: if not, segments, loading, restarts and error are not known.
    responding: bool,
}

/// A claimed range of ids.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct SegmentInUse {
    /// Its first id.
    first: i64,
    /// The next id that is handed out.
    next: i64,
    /// Behind its last id.
    end: i64,
    /// How many ids it held.
    size: u64,
    /// How many are left.
    left: u64,
}

impl From<&TagRow> for Tag {
    fn from(row: &TagRow) -> Self {
        Self {
            biz_tag: row.biz_tag.clone(),
            max_id: row.max_id,
            step: row.step,
            description: row.description.clone(),
            retired: row.retired,
            guard: row.guard.as_ref().map(Guard::from),
        }
    }
}

impl From<&GuardRow> for Guard {
    fn from(row: &GuardRow) -> Self {
        Self {
            claimed_to: row.claimed_to,
            claimed_size: row.claimed_size,
            claimed_on: row.claimed_on.clone(),
            here: row.here,
            moves: row.moves,
        }
    }
}

impl From<ServerState> for Server {
    fn from(state: ServerState) -> Self {
        let (status, error) = match state.store {
            StoreHealth::Starting => ("starting", None),
            StoreHealth::Up => ("up", None),
            StoreHealth::Down(reason) => ("down", Some(reason)),
            StoreHealth::Unusable(reason) => ("unusable", Some(reason.to_string())),
        };
        let report = state.report.as_deref();
        Self {
            version: env!("CARGO_PKG_VERSION"),
            uptime_seconds: state.uptime.as_secs_f64(),
            draining: state.draining,
            tags_loaded: state.tags_loaded,
            waiting_requests: state.waiting,
            database: Database {
                status,
                error,
                description: report.map(|report| report.description.clone()),
                guard_active: report.map(|report| report.guard_active),
                tags: report.map(|report| report.tags),
                warnings: report.map_or_else(Vec::new, |report| report.warnings.clone()),
                connections_idle: state.connections.0,
                connections_in_use: state.connections.1,
            },
        }
    }
}

impl From<&TagStatus> for LoadedTag {
    fn from(status: &TagStatus) -> Self {
        let (level, state) = (&status.level, status.state.as_ref());
        let supply = level.supply_seconds();
        let segments = state.map_or(&[][..], |state| &state.segments);
        Self {
            biz_tag: status.tag.to_string(),
            left: state.map_or(level.left, |state| state.left),
            rate: level.rate,
            supply_seconds: supply.is_finite().then_some(supply),
            step_in_force: state.map_or(level.step, |state| state.step),
            claimed_to: level.max_id,
            segments: segments.iter().copied().map(SegmentInUse::from).collect(),
            loading: state.is_some_and(|state| state.loading),
            restarts: state.map_or(0, |state| state.restarts),
            last_error: state.and_then(|state| state.last_error.clone()),
            responding: state.is_some(),
        }
    }
}

impl From<(i64, i64, u64)> for SegmentInUse {
    fn from((next, end, size): (i64, i64, u64)) -> Self {
        Self {
            first: end.saturating_sub_unsigned(size),
            next,
            end,
            size,
            left: u64::try_from(end - next).unwrap_or(0),
        }
    }
}

/// A value that may be left out, but not be `null`.
fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}
