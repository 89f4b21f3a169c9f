//! Random histories of claims, raises, advances, lags and failovers.

use super::world::{Rule, Server, World};
use crate::domain::allowance::SECOND;

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
