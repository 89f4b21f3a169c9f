//! The outage budget: what is in memory outlasts it, whatever the rate, the row's step and the
//! database's speed.

use super::*;
use crate::domain::BizTag;
use proptest::prelude::*;

const MAX_STEP: i64 = 100_000_000;
const BUDGET: Duration = Duration::from_secs(300);
/// "A few minutes" of steady traffic, after which the budget must be there.
const SETTLED: Duration = Duration::from_secs(120);
const WATCHED: Duration = Duration::from_secs(1200);

/// Serves `rate` requests of `count` ids a second from a row of `step`, each claim taking `claim_time`,
/// and gives the shortest supply after [`SETTLED`], in seconds.
fn shortest_supply(rate: f64, count: u32, step: i64, claim_time: Duration) -> f64 {
    let settings = StepSettings {
        segment_duration: Duration::from_secs(900),
        max_step: MAX_STEP,
        outage_budget: BUDGET,
    };
    let (start, tag) = (Instant::now(), BizTag::parse("test").unwrap());
    let (mut buffer, range) = (DoubleBuffer::<()>::new(settings, 0), OpenRange::default());
    let (mut max_id, mut load) = (0, None::<(Instant, Load)>);
    let (mut now, mut shortest) = (start, f64::INFINITY);
    let pause = Duration::from_secs_f64(1.0 / rate.min(20.0));
    let callers = (rate * pause.as_secs_f64()).round() as usize;
    let ids_per_second = callers as f64 * f64::from(count) / pause.as_secs_f64();
    let demand = Demand {
        count: count.into(),
        contiguous: false,
    };
    while now < start + WATCHED {
        if let Some((_, Load { seq, claim })) = load.take_if(|(done, _)| *done <= now) {
            max_id += claim.want.max(step);
            let segment = IdRange::claimed(max_id, claim.want.max(step)).unwrap();
            buffer.offer(&range, now, seq, segment, step);
        }
        for _ in 0..callers {
            match range.cursor.take(demand.count) {
                Take::Ids { remind: true, .. } => buffer.remind(&range, now),
                Take::Ids { .. } => {}
                Take::Short | Take::Revoked => {
                    let waiting = Waiting {
                        demand,
                        deadline: now + Duration::from_secs(2),
                        reply: (),
                    };
                    buffer.wait(&range, now, waiting);
                }
            }
        }
        if load.is_none() {
            buffer.serve_waiting(&range, now);
            load = buffer
                .next_load(&range, now, &tag, 0)
                .map(|request| (now + claim_time, request));
        }
        if now > start + SETTLED {
            shortest = shortest.min(buffer.left(&range) as f64 / ids_per_second);
        }
        now += pause;
    }
    shortest
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn after_two_minutes_of_steady_traffic_the_ids_in_memory_outlast_the_budget(
        rate in (-1.0_f64..2.5).prop_map(|exponent| 10_f64.powf(exponent)),
        count in (0.0_f64..3.0).prop_map(|exponent| 10_f64.powf(exponent) as u32),
        step in (0.0_f64..6.0).prop_map(|exponent| 10_f64.powf(exponent) as i64),
        claim_millis in 1_u64..2000,
    ) {
        let supply = shortest_supply(rate, count, step, Duration::from_millis(claim_millis));
        // Less what is used up while the claim is under way, and what the meter's second hides.
        prop_assert!(supply >= 0.95 * BUDGET.as_secs_f64(), "{supply} s");
    }
}

#[test]
fn of_a_tag_whose_ids_last_ten_seconds_each_none_is_missing() {
    let supply = shortest_supply(0.10567640497831846, 1, 1, Duration::from_millis(1));
    assert!(supply >= 0.95 * BUDGET.as_secs_f64(), "{supply} s");
}

#[test]
fn where_max_step_is_too_small_memory_holds_a_few_segments_of_it() {
    let supply = shortest_supply(20.0, 50_000_000, MAX_STEP, Duration::from_millis(10));
    assert!((0.1..2.0).contains(&supply), "{supply} s");
}
