//! Histories that were thought of: an advance that is lost, two failovers at once, a restore, clocks far apart.

use super::world::{Overlap, Rule, Server, World};
use crate::domain::allowance::SECOND;

const NONE: [Overlap; 0] = [];

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
