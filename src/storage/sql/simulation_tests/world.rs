//! A primary, its replicas and the servers that claim there: the decisions are the program's own, the row and the
//! heartbeat are a model.

use super::data::{Data, LIMITS};
use super::statement::{claimed, plainly_claimed};
use crate::domain::allowance::{AHEAD, MARGIN, SECOND};
use crate::domain::{BizTag, ClaimRequest};
use crate::storage::sql::decide::{Decision, decide};
use crate::storage::sql::heart::{HOLD, SILENCE};
use crate::storage::sql::lineage::{Known, Verdict, judge};
use fastrand::Rng;

/// Two claims that have ids in common.
pub(super) type Overlap = [(i64, i64); 2];

/// Which rule sizes a skip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    /// The present one.
    Allowance,
    /// That of 0.1: eight times what claims were growing to; nothing bounds a claim, an advance is heeded at
    /// once, and a failover is told by the identity alone.
    EightClaims,
    /// The present one with an advance that is heeded at once.
    AdvanceAtOnce,
}

/// A server's memory.
#[derive(Debug, Clone, Default)]
pub(super) struct Server {
    mark: i64,
    /// What it has seen, since when it knows the lineage, and when it saw the beat.
    known: Option<(Known, i64, i64)>,
    /// A heartbeat that it leaves as it is, and since when.
    left: Option<(i64, i64)>,
}

pub(super) struct World {
    rule: Rule,
    pub(super) rng: Rng,
    /// The primary's identity and how far its clock is off.
    primary: u32,
    pub(super) skew: i64,
    pub(super) clock: i64,
    pub(super) data: Data,
    /// Every state of the data, and when it was.
    pub(super) history: Vec<(i64, Data)>,
    ranges: Vec<(i64, i64)>,
    pub(super) failovers: u32,
}

impl World {
    pub(super) fn new(seed: u64, rule: Rule) -> Self {
        let mut rng = Rng::with_seed(seed);
        let data = Data::first(&mut rng);
        let skew = rng.i64(0..SECOND);
        Self {
            rule,
            rng,
            primary: 0,
            skew,
            clock: 3600 * SECOND,
            data,
            history: Vec::new(),
            ranges: Vec::new(),
            failovers: 0,
        }
    }

    /// The database's clock, and the data as a statement sees them on the present primary.
    pub(super) fn look(&mut self) -> i64 {
        let now = self.clock + self.skew;
        let here = self.primary.to_string();
        let Data { row, heartbeat } = &mut self.data;
        heartbeat.now = now;
        heartbeat.here = heartbeat.identity == here;
        if let Some(guard) = &mut row.guard {
            guard.here = guard.claimed_on == here;
        }
        if let Some(account) = &mut row.account {
            account.now = now;
        }
        now
    }

    pub(super) fn written(&mut self) {
        self.history.push((self.clock, self.data.clone()));
    }

    /// What `SqlStore::look` does.
    pub(super) fn beat(&mut self, server: &mut Server) -> i64 {
        let now = self.look();
        let known = server.known.map(|(known, since, seen)| Known {
            age: self.clock - since,
            ago: self.clock - seen,
            ..known
        });
        let here = self.primary.to_string();
        let heartbeat = &mut self.data.heartbeat;
        let verdict = judge(heartbeat, known.as_ref());
        match verdict {
            Verdict::Goes => {}
            Verdict::First => heartbeat.identity = here,
            Verdict::NewPrimary { lineage, .. }
            | Verdict::WentBack { lineage, .. }
            | Verdict::ClockWentBack { lineage } => {
                (heartbeat.identity, heartbeat.lineage) = (here, lineage);
            }
        }
        heartbeat.here = true;
        let is_left = verdict == Verdict::Goes
            && heartbeat.beat <= now - SILENCE
            && match server.left {
                Some((beat, since)) if beat == heartbeat.beat => {
                    self.clock - since < HOLD.as_micros() as i64
                }
                _ => {
                    server.left = Some((heartbeat.beat, self.clock));
                    true
                }
            };
        if !is_left {
            heartbeat.beat = heartbeat.beat.max(now);
        }
        if heartbeat.beat > now + AHEAD {
            heartbeat.beat = now;
        }
        let (beat, lineage) = (heartbeat.beat, heartbeat.lineage);
        let since = match server.known {
            Some((known, since, _)) if known.lineage == lineage => since,
            _ => self.clock,
        };
        let known = Known {
            beat,
            lineage,
            age: 0,
            ago: 0,
        };
        server.known = Some((known, since, self.clock));
        self.written();
        lineage
    }

    /// What `SqlStore::claim` does.
    pub(super) fn claim(&mut self, server: &mut Server, want: i64) {
        let lineage = match self.rule {
            Rule::EightClaims => None,
            _ => Some(self.beat(server)),
        };
        let request = ClaimRequest {
            tag: BizTag::parse("order").unwrap(),
            step: None,
            want,
            expect: want,
            mark: server.mark,
            at_least: 1,
        };
        for _ in 0..16 {
            let now = self.look();
            if self.rule == Rule::EightClaims {
                self.data.row.account = None;
            }
            let row = self.data.row.clone();
            match decide(Some(&row), &request, &LIMITS, lineage) {
                Decision::Claim { step, n } => {
                    let done = match row.account {
                        None => Some(plainly_claimed(&row, &request, n)),
                        Some(_) => claimed(&row, &request, (step, n), LIMITS.id_limit, lineage),
                    };
                    let mut done = done.expect("what was decided matches");
                    if let Some(guard) = &mut done.guard {
                        guard.claimed_on = self.primary.to_string();
                    }
                    self.ranges.push((done.max_id - n, done.max_id));
                    server.mark = server.mark.max(done.max_id);
                    self.data.row = done;
                    self.written();
                    return;
                }
                Decision::Foreign { target, .. } => {
                    let row = &mut self.data.row;
                    row.max_id = target;
                    if let Some(guard) = &mut row.guard {
                        guard.claimed_on = self.primary.to_string();
                    }
                    if let (Some(account), Some(lineage)) = (&mut row.account, lineage) {
                        account.lineage = lineage;
                        account.allowance.paid_until = now;
                    }
                }
                Decision::Regressed { target } | Decision::Advance { target } => {
                    self.data.row.max_id = target;
                }
                Decision::Allow(change) => {
                    if let Some(account) = &mut self.data.row.account {
                        let allowance = &mut account.allowance;
                        (allowance.ids, allowance.before) = (change.ids, change.before);
                        allowance.written_at = change.since.unwrap_or(now);
                        allowance.needed_at = now;
                    }
                }
                Decision::ClockWentBack => {
                    if let Some(account) = &mut self.data.row.account {
                        let allowance = &mut account.allowance;
                        allowance.paid_until = allowance.paid_until.min(now + AHEAD);
                        allowance.written_at = allowance.written_at.min(now);
                        allowance.needed_at = allowance.needed_at.min(now);
                    }
                }
                Decision::LineageBehind(beyond) => {
                    self.data.heartbeat.lineage = beyond + MARGIN;
                    server.known = None;
                    self.written();
                    return;
                }
                Decision::UsedUp { .. } => {
                    self.written();
                    return;
                }
                other => panic!("{other:?}"),
            }
            self.written();
        }
        panic!("the claim does not come to an end: {:?}", self.data.row);
    }

    /// An operator's changes.
    pub(super) fn operate(&mut self) {
        let row = &mut self.data.row;
        match self.rng.u32(..3) {
            0 => row.step = [1, 10, 1000, 1_000_000, 10_000_000][self.rng.usize(..5)],
            1 => row.step = (row.step * 1000).min(LIMITS.max_step),
            _ => {
                let by = self.rng.i64(1..50_000_000);
                self.advance(by);
            }
        }
        self.written();
    }

    pub(super) fn advance(&mut self, by: i64) {
        let now = self.look();
        let row = &mut self.data.row;
        let to = row.max_id + by;
        match &mut row.account {
            Some(account) if self.rule != Rule::AdvanceAtOnce => {
                account.advance_to = to.max(account.advance_to);
                account.advance_at = now;
            }
            _ => row.max_id = to,
        }
        self.written();
    }

    /// The data are again as they were a while ago, on the same primary.
    pub(super) fn go_back(&mut self, lag: i64, outage: i64) {
        let last = self.clock - lag;
        let kept = self.history.partition_point(|(at, _)| *at <= last);
        self.history.truncate(kept.max(1));
        self.data = self.history[self.history.len() - 1].1.clone();
        self.clock += outage;
    }

    /// A replica that is `lag` behind takes over after an outage.
    pub(super) fn fail_over(&mut self, lag: i64, outage: i64) {
        self.go_back(lag, outage);
        self.primary += 1;
        self.skew = self.rng.i64(0..SECOND);
        self.failovers += 1;
    }

    pub(super) fn doubles(&mut self) -> usize {
        self.overlaps().len()
    }

    /// Pairs of claims that have ids in common.
    pub(super) fn overlaps(&mut self) -> Vec<Overlap> {
        self.ranges.sort_unstable();
        let pairs = self.ranges.windows(2).map(|pair| [pair[0], pair[1]]);
        pairs.filter(|[one, next]| one.1 > next.0).collect()
    }
}
