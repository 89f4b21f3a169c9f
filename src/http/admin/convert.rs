//! Rows of the table and states of the actors, as the shapes of `model.rs`.

use super::figures::{Caller, LimitUsed};
use super::model::{Advanced, BrokenTag, Database, Guard, LoadedTag, SegmentInUse, Server, Tag};
use super::recent::Recent;
use crate::{
    actors::{ServerState, StoreHealth, TagStatus},
    auth::AdminToken,
    domain::{BizTag, Ceiling},
    metrics::Level,
    storage::{self, GuardRow, TagRow},
};

impl From<&TagRow> for Tag {
    fn from(row: &TagRow) -> Self {
        Self {
            biz_tag: row.biz_tag.clone(),
            max_id: row.max_id,
            step: row.step,
            description: row.description.clone(),
            id_limit: row.id_limit,
            retired: row.retired,
            guard: row.guard.as_ref().map(Guard::from),
        }
    }
}

impl BrokenTag {
    /// The rows that can be used, and those that cannot.
    #[must_use]
    pub fn apart(rows: &[TagRow]) -> (Vec<Tag>, Vec<Self>) {
        let (mut tags, mut broken) = (Vec::new(), Vec::new());
        for row in rows {
            match &row.fault {
                None => tags.push(Tag::from(row)),
                Some(reason) => broken.push(Self {
                    biz_tag: row.biz_tag.clone(),
                    reason: reason.clone(),
                }),
            }
        }
        (tags, broken)
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

impl Server {
    pub(super) fn of(state: ServerState, id: &str, recent: &Recent, caller: Caller) -> Self {
        let (traffic, shortest_supplies) = recent.now();
        let (status, error) = match state.store {
            StoreHealth::Starting => ("starting", None),
            StoreHealth::Up => ("up", None),
            StoreHealth::Down(reason) => ("down", Some(reason)),
            StoreHealth::Unusable(reason) => ("unusable", Some(reason.to_string())),
        };
        let report = state.report.as_deref();
        Self {
            id: id.to_owned(),
            traffic,
            history: recent.history(),
            shortest_supplies,
            caller,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime_seconds: state.uptime.as_secs_f64(),
            draining: state.draining,
            tags_loaded: state.tags_loaded,
            waiting_requests: state.waiting,
            database: Database {
                status: status.to_owned(),
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

impl Caller {
    pub(super) fn of(token: &AdminToken) -> Self {
        let scopes = token.scopes.iter();
        Self {
            name: token.name.clone(),
            scopes: scopes.map(|scope| scope.name().to_owned()).collect(),
        }
    }
}

impl LimitUsed {
    /// Of what the rows said last and this server knows of the tag since.
    fn of(read: Ceiling, level: &Level) -> Self {
        let ceiling = Ceiling {
            max_id: read.max_id.max(level.max_id),
            ..read
        };
        let days = ceiling.days_left(level.rate);
        Self {
            id_limit: ceiling.limit,
            used: ceiling.used(),
            days_left: days.is_finite().then_some(days),
        }
    }
}

impl LoadedTag {
    pub(super) fn of(status: &TagStatus, ceiling: Option<Ceiling>) -> Self {
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
            limit: ceiling.map(|read| LimitUsed::of(read, level)),
            loading: state.is_some_and(|state| state.loading),
            restarts: state.map_or(0, |state| state.restarts),
            last_error: state.and_then(|state| state.last_error.clone()),
            responding: state.is_some(),
        }
    }
}

impl Advanced {
    /// Of what the store did to a tag.
    #[must_use]
    pub fn of(tag: &BizTag, done: &storage::Advanced) -> Self {
        Self {
            biz_tag: tag.to_string(),
            from: done.from,
            max_id: done.to,
            first_id: done.to.max(1),
            in_seconds: done.after.as_secs(),
            note: "ids already in the memory of servers are still handed out".to_owned(),
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
