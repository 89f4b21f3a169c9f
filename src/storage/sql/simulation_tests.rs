//! Random histories of claims, raises, advances, lags and failovers, driven through the real [`decide`] and
//! [`judge`]: no id is claimed twice while a promoted replica is at most half a minute behind and failovers are
//! half a minute apart, whoever remembers what.
//!
//! The database is a model of a row and a heartbeat; what the claim's statement does to the row is [`claimed`],
//! which `statement_tests.rs` holds against the statement itself. With an earlier rule put in the same histories
//! find ids twice, so the test can fail.

use super::decide::{Account, Decision, Limits, Row, decide, wanted};
use super::heart::{HOLD, SILENCE};
use super::lineage::{Heartbeat, Known, Verdict, judge};
use crate::domain::allowance::{AHEAD, Allowance, DELAY, MARGIN, SECOND};
use crate::domain::{BizTag, ClaimRequest};
use crate::storage::GuardRow;
use fastrand::Rng;

/// What the statement of a claim makes of the row; `None` where it does not match.
pub(super) fn claimed(
    row: &Row,
    request: &ClaimRequest,
    (step, n): (i64, i64),
    id_limit: i64,
    lineage: Option<i64>,
) -> Option<Row> {
    let guard = row.guard.as_ref()?;
    let account = row.account.as_ref()?;
    let (allowance, now) = (&account.allowance, account.now);
    let is_here = guard.claimed_on.is_empty() || guard.here;
    let is_high = row.max_id >= guard.claimed_to.max(request.mark).max(0);
    let is_due = account.advance_to > row.max_id && account.advance_at <= now - DELAY;
    let matches = !row.retired
        && row.writable
        && row.step == step
        && is_here
        && lineage.is_none_or(|lineage| account.lineage == lineage)
        && is_high
        && row.max_id <= id_limit - n
        && (row.id_limit <= 0 || row.max_id <= row.id_limit - n)
        && !is_due
        && allowance.lowered(now, step, n).is_none();
    let paid = allowance.pay(now, n).filter(|_| matches)?;
    Some(Row {
        max_id: row.max_id + n,
        guard: Some(GuardRow {
            claimed_to: row.max_id + n,
            claimed_size: request.expect.max(n).max(guard.claimed_size / 2),
            claimed_on: "here".to_owned(),
            here: true,
            ..guard.clone()
        }),
        account: Some(Account {
            allowance: paid,
            ..*account
        }),
        ..row.clone()
    })
}

/// Which rule sizes a skip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rule {
    /// The present one.
    Allowance,
    /// That of 0.1: eight times what claims were growing to; nothing bounds a claim, an advance is heeded at
    /// once, and a failover is told by the identity alone.
    EightClaims,
    /// The present one with an advance that is heeded at once.
    AdvanceAtOnce,
}

/// What a primary and its replicas hold.
#[derive(Debug, Clone)]
struct Data {
    row: Row,
    heartbeat: Heartbeat,
}

/// A server's memory.
#[derive(Debug, Clone, Default)]
struct Server {
    mark: i64,
    /// What it has seen, since when it knows the lineage, and when it saw the beat.
    known: Option<(Known, i64, i64)>,
    /// A heartbeat that it leaves as it is, and since when.
    left: Option<(i64, i64)>,
}

struct World {
    rule: Rule,
    rng: Rng,
    /// The primary's identity and how far its clock is off.
    primary: u32,
    skew: i64,
    clock: i64,
    data: Data,
    /// Every state of the data, and when it was.
    history: Vec<(i64, Data)>,
    ranges: Vec<(i64, i64)>,
    failovers: u32,
}

/// Two claims that have ids in common.
type Overlap = [(i64, i64); 2];

const NONE: [Overlap; 0] = [];

const LIMITS: Limits = Limits {
    id_limit: i64::MAX / 4,
    max_step: 100_000_000,
    failover_skip: None,
};

impl World {
    fn new(seed: u64, rule: Rule) -> Self {
        let mut rng = Rng::with_seed(seed);
        let step = [10, 1000, 100_000][rng.usize(..3)];
        let first = Allowance::first(step, LIMITS.id_limit);
        let row = Row {
            max_id: 0,
            step,
            retired: false,
            id_limit: 0,
            writable: true,
            guard: Some(GuardRow {
                claimed_to: 0,
                claimed_size: 0,
                claimed_on: "0".to_owned(),
                here: true,
                moves: 0,
                advance_to: 0,
            }),
            account: Some(Account {
                allowance: Allowance {
                    ids: if rng.bool() { first } else { 1000 },
                    before: first,
                    written_at: 0,
                    needed_at: 0,
                    paid_until: 0,
                },
                lineage: 0,
                advance_to: 0,
                advance_at: 0,
                now: 0,
            }),
        };
        let heartbeat = Heartbeat {
            beat: 0,
            identity: "0".to_owned(),
            here: true,
            lineage: 0,
            now: 0,
        };
        let skew = rng.i64(0..SECOND);
        Self {
            rule,
            rng,
            primary: 0,
            skew,
            clock: 3600 * SECOND,
            data: Data { row, heartbeat },
            history: Vec::new(),
            ranges: Vec::new(),
            failovers: 0,
        }
    }

    /// The database's clock, and the data as a statement sees them on the present primary.
    fn look(&mut self) -> i64 {
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

    fn written(&mut self) {
        self.history.push((self.clock, self.data.clone()));
    }

    /// What `SqlStore::look` does.
    fn beat(&mut self, server: &mut Server) -> i64 {
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
    fn claim(&mut self, server: &mut Server, want: i64) {
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
    fn operate(&mut self) {
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

    fn advance(&mut self, by: i64) {
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
    fn go_back(&mut self, lag: i64, outage: i64) {
        let last = self.clock - lag;
        let kept = self.history.partition_point(|(at, _)| *at <= last);
        self.history.truncate(kept.max(1));
        self.data = self.history[self.history.len() - 1].1.clone();
        self.clock += outage;
    }

    /// A replica that is `lag` behind takes over after an outage.
    fn fail_over(&mut self, lag: i64, outage: i64) {
        self.go_back(lag, outage);
        self.primary += 1;
        self.skew = self.rng.i64(0..SECOND);
        self.failovers += 1;
    }

    fn doubles(&mut self) -> usize {
        self.overlaps().len()
    }

    /// Pairs of claims that have ids in common.
    fn overlaps(&mut self) -> Vec<Overlap> {
        self.ranges.sort_unstable();
        let pairs = self.ranges.windows(2).map(|pair| [pair[0], pair[1]]);
        pairs.filter(|[one, next]| one.1 > next.0).collect()
    }
}

fn plainly_claimed(row: &Row, request: &ClaimRequest, n: i64) -> Row {
    let guard = row.guard.as_ref().expect("a guard");
    Row {
        max_id: row.max_id + n,
        guard: Some(GuardRow {
            claimed_to: row.max_id + n,
            claimed_size: request.expect.max(n).max(guard.claimed_size / 2),
            ..guard.clone()
        }),
        ..row.clone()
    }
}

/// One history: how often ids were claimed twice in it, and how many failovers it had.
fn history(seed: u64, rule: Rule) -> (usize, u32) {
    let mut world = World::new(seed, rule);
    world.written();
    let mut servers = [(); 4].map(|()| Server::default());
    let end = world.clock + world.rng.i64(60 * SECOND..400 * SECOND);
    // An advance is announced 20 seconds ahead, so it is not part of histories with longer lags.
    let (max_lag, operated) = match world.rng.bool() {
        true => (30 * SECOND, false),
        false => (19 * SECOND, true),
    };
    let mut next_failover = world.clock + world.rng.i64(5 * SECOND..60 * SECOND);
    let (mut next_beat, mut burst) = (world.clock, 1);
    while world.clock < end {
        world.clock += world.rng.i64(1..SECOND / 4);
        let which = world.rng.usize(..4);
        if world.rng.u32(..100) == 0 {
            burst = [1, 1, 10, 1000, 100_000, 10_000_000][world.rng.usize(..6)];
        }
        if world.rng.u32(..60) == 0 {
            // A restart: it remembers nothing.
            servers[which] = Server::default();
        }
        if world.rng.u32(..400) == 0 && operated {
            world.operate();
        }
        if world.rng.u32(..400) == 0 && !operated {
            world.data.row.step = [1, 1000, 1_000_000][world.rng.usize(..3)];
        }
        if world.clock >= next_beat && rule != Rule::EightClaims {
            world.beat(&mut servers[which]);
            next_beat = world.clock + 2 * SECOND;
        }
        let want = [1, 10, 100, 500][world.rng.usize(..4)] * burst;
        world.claim(&mut servers[which], want);
        if world.clock > next_failover {
            let lag = world.rng.i64(0..max_lag);
            let outage = world.rng.i64(0..3 * SECOND);
            world.fail_over(lag, outage);
            if world.rng.bool() {
                servers = [(); 4].map(|()| Server::default());
            }
            next_beat = world.clock + 2 * SECOND;
            next_failover = world.clock + world.rng.i64(30 * SECOND..90 * SECOND);
        }
    }
    (world.doubles(), world.failovers)
}

/// In how many histories an id was claimed twice, and the first of them.
fn with_doubles(histories: u64, rule: Rule) -> (u64, Option<u64>) {
    let mut found = (0, None);
    let mut failovers = 0;
    for seed in 0..histories {
        let (doubles, moves) = history(seed, rule);
        failovers += moves;
        if doubles > 0 {
            found = (found.0 + 1, found.1.or(Some(seed)));
        }
    }
    assert!(failovers as u64 > histories, "{failovers} failovers");
    found
}

/// How many histories are played; `ID_ALLOC_TEST_HISTORIES` says more.
fn histories(usual: u64) -> u64 {
    let more = std::env::var("ID_ALLOC_TEST_HISTORIES");
    more.ok().and_then(|n| n.parse().ok()).unwrap_or(usual)
}

#[test]
fn no_failover_within_half_a_minute_repeats_an_id() {
    assert_eq!(with_doubles(histories(300), Rule::Allowance), (0, None));
}

#[test]
fn the_same_histories_find_the_faults_of_the_earlier_rule() {
    let (found, _) = with_doubles(60, Rule::EightClaims);
    assert!(found >= 10, "{found} of 60");
}

/// An advance and the claims after it are lost with the primary and the server that made them.
fn after_a_lost_advance(rule: Rule) -> usize {
    let mut world = World::new(1, rule);
    let (mut lost, mut other) = (Server::default(), Server::default());
    for server in [&mut lost, &mut other] {
        world.claim(server, 1000);
    }
    world.clock += 30 * SECOND;
    world.beat(&mut other);
    world.clock += SECOND;
    world.advance(20_000_000);
    for _ in 0..10 {
        world.clock += SECOND / 2;
        world.claim(&mut lost, 1000);
    }
    world.fail_over(11 * SECOND / 2, SECOND);
    while world.data.row.max_id < 30_000_000 {
        world.clock += SECOND;
        world.claim(&mut other, 500_000);
    }
    world.doubles()
}

#[test]
fn an_advance_is_announced_because_one_that_is_heeded_at_once_can_be_lost() {
    assert_eq!(after_a_lost_advance(Rule::Allowance), 0);
    assert!(after_a_lost_advance(Rule::AdvanceAtOnce) > 0);
}

/// A world in which a row is claimed from as fast as it may be, and a server beside that looks at the heartbeat.
fn busy_and_beside() -> (World, Server, Server) {
    let mut world = World::new(2, Rule::Allowance);
    let (mut busy, mut beside) = (Server::default(), Server::default());
    if let Some(account) = &mut world.data.row.account {
        account.allowance.ids = account.allowance.before;
    }
    world.claim(&mut busy, 1);
    world.beat(&mut beside);
    world.clock += 60 * SECOND;
    claim_for(&mut world, &mut busy, &mut beside, 10 * SECOND);
    (world, busy, beside)
}

/// Claims as much as is permitted for so long; another server looks every two seconds.
fn claim_for(world: &mut World, busy: &mut Server, beside: &mut Server, time: i64) {
    let until = world.clock + time;
    let mut next_beat = world.clock;
    while world.clock < until {
        if world.clock >= next_beat {
            world.beat(beside);
            next_beat += 2 * SECOND;
        }
        world.claim(busy, 100_000_000);
        world.clock += SECOND / 4;
    }
}

/// A replica that is ten seconds behind takes over, and three seconds later a fresher one that never heard of it. Who
/// claimed on the one in between is gone.
fn after_two_failovers_at_once(someone_knows: bool, who_is_first: fn(&mut World)) -> Vec<Overlap> {
    let (mut world, mut busy, mut beside) = busy_and_beside();
    let fresher = world.history.clone();
    world.fail_over(10 * SECOND, SECOND / 2);
    claim_for(&mut world, &mut busy, &mut beside, 3 * SECOND);
    if !someone_knows {
        beside = Server::default();
    }
    world.history = fresher;
    world.fail_over(0, SECOND / 2);
    who_is_first(&mut world);
    world.beat(&mut beside);
    let (mut fresh, mut other) = (Server::default(), Server::default());
    claim_for(&mut world, &mut fresh, &mut other, 100 * SECOND);
    world.overlaps()
}

#[test]
fn of_two_failovers_at_once_the_second_is_told_by_who_has_seen_the_first() {
    assert_eq!(after_two_failovers_at_once(true, |_| {}), NONE);
    // A server that knows nothing looks before the one that does.
    let fresh = |world: &mut World| {
        world.beat(&mut Server::default());
    };
    assert_eq!(after_two_failovers_at_once(true, fresh), NONE);
    // docs/guard.md, "What it cannot see".
    assert_ne!(after_two_failovers_at_once(false, |_| {}), NONE);
}

/// A restore of what was a minute ago, onto the same server. Who claimed is gone; who was just started looks first.
fn after_a_restore(someone_knows: bool) -> Vec<Overlap> {
    let (mut world, mut busy, mut beside) = busy_and_beside();
    claim_for(&mut world, &mut busy, &mut beside, 60 * SECOND);
    world.go_back(60 * SECOND, SECOND);
    if !someone_knows {
        beside = Server::default();
    }
    let mut fresh = Server::default();
    world.beat(&mut fresh);
    world.clock += 2 * SECOND;
    world.beat(&mut beside);
    claim_for(&mut world, &mut fresh, &mut beside, 100 * SECOND);
    world.overlaps()
}

#[test]
fn a_server_that_comes_first_to_data_that_went_back_does_not_keep_others_from_telling() {
    assert_eq!(after_a_restore(true), NONE);
    assert_ne!(after_a_restore(false), NONE);
}

#[test]
fn a_replica_is_as_stale_as_it_is_however_far_the_clocks_are_apart() {
    for skew in [-20, -6, 6, 12, 18, 25] {
        let (mut world, mut busy, mut beside) = busy_and_beside();
        // The old primary's clock is ahead of the new one's by so much.
        world.skew = skew * SECOND;
        world.beat(&mut beside);
        claim_for(&mut world, &mut busy, &mut beside, 40 * SECOND);
        world.fail_over(19 * SECOND, SECOND / 2);
        world.beat(&mut beside);
        let mut fresh = Server::default();
        claim_for(&mut world, &mut fresh, &mut beside, 40 * SECOND);
        assert_eq!(world.overlaps(), NONE, "{skew} s");
    }
}

#[test]
fn a_claim_takes_at_least_what_the_policy_wants_where_the_allowance_permits() {
    let mut world = World::new(1, Rule::Allowance);
    world.look();
    let request = ClaimRequest {
        tag: BizTag::parse("order").unwrap(),
        step: None,
        want: 7,
        expect: 7,
        mark: 0,
        at_least: 1,
    };
    let step = world.data.row.step;
    assert_eq!(wanted(&request, step), step.max(7));
}
