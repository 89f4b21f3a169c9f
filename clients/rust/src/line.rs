//! `Line`: the servers as one tag sees them: which is asked next, and when.
//!
//! A server that failed is left alone for a while, and the next one asked at once. It reads no clock.

use crate::{answer::Failure, server::Server};
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(60);
/// A server that did not answer at all is asked last for so long, or until it answers.
const SUSPICION: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(crate) struct Line {
    servers: Arc<[Server]>,
    standing: Vec<Standing>,
    /// The server that answered last.
    preferred: usize,
    longest: Duration,
    /// The last failure, for messages; `None` after a success.
    pub(crate) trouble: Option<String>,
}

#[derive(Debug, Clone, Default)]
struct Standing {
    failures: u32,
    /// When the server may be asked again.
    retry_at: Option<Instant>,
}

/// Which server to ask.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    Ask(usize),
    /// All are left alone for so long.
    Wait(Duration),
}

impl Line {
    pub(crate) fn new(servers: Arc<[Server]>, deadline: Duration) -> Self {
        Self {
            standing: vec![Standing::default(); servers.len()],
            servers,
            preferred: 0,
            longest: LONGEST_PAUSE.min(deadline / 4),
            trouble: None,
        }
    }

    pub(crate) fn choose(&self, now: Instant) -> Choice {
        let count = self.servers.len();
        let mut suspect = None;
        let mut first = None::<Instant>;
        for at in (0..count).map(|i| (self.preferred + i) % count) {
            match self.standing[at].retry_at {
                Some(retry_at) if retry_at > now => {
                    first = Some(first.map_or(retry_at, |first| first.min(retry_at)));
                }
                _ if !self.servers[at].is_suspect(now) => return Choice::Ask(at),
                _ => suspect = suspect.or(Some(at)),
            }
        }
        match (suspect, first) {
            (Some(at), _) => Choice::Ask(at),
            (None, first) => Choice::Wait(first.map_or(FIRST_PAUSE, |first| first - now)),
        }
    }

    pub(crate) fn succeeded(&mut self, at: usize) {
        self.preferred = at;
        self.trouble = None;
        self.standing[at] = Standing::default();
        self.servers[at].suspect(None);
    }

    pub(crate) fn failed(&mut self, at: usize, now: Instant, failure: &Failure) {
        let pause = match failure.retry_after {
            // A little later than it said, so that not all clients come back at once.
            Some(after) => {
                let after = after.min(LONGEST_RETRY_AFTER);
                after + after.mul_f64(fastrand::f64() / 10.0)
            }
            None => self.pause(self.standing[at].failures),
        };
        let standing = &mut self.standing[at];
        standing.failures = standing.failures.saturating_add(1);
        standing.retry_at = Some(now + pause);
        if failure.status == 0 {
            self.servers[at].suspect(Some(now + SUSPICION));
        }
        self.trouble = Some(failure.to_string());
    }

    /// From [`FIRST_PAUSE`] up to the longest one, half of it left to chance.
    fn pause(&self, failures: u32) -> Duration {
        let pause = (FIRST_PAUSE * 2_u32.pow(failures.min(10))).min(self.longest);
        pause.mul_f64(0.5 + fastrand::f64() / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(servers: usize) -> Line {
        let servers = (0..servers)
            .map(|at| Server::parse(&format!("http://s{at}:8880")).unwrap())
            .collect();
        Line::new(servers, Duration::from_secs(10))
    }

    fn failure(status: u16, retry_after: Option<u64>) -> Failure {
        let mut failure = Failure::no_answer("http://s0:8880", "cut");
        failure.status = status;
        failure.retry_after = retry_after.map(Duration::from_secs);
        failure
    }

    #[test]
    fn the_next_server_is_asked_at_once_and_stays_preferred() {
        let (mut line, now) = (line(3), Instant::now());
        assert_eq!(line.choose(now), Choice::Ask(0));
        line.failed(0, now, &failure(500, None));
        assert_eq!(line.choose(now), Choice::Ask(1));
        line.succeeded(1);
        let later = now + Duration::from_secs(60);
        assert_eq!(line.choose(later), Choice::Ask(1));
    }

    #[test]
    fn pauses_grow_up_to_a_bound_and_start_anew_after_a_success() {
        let (mut line, mut now) = (line(1), Instant::now());
        for least in [25, 50, 100, 200, 400, 800, 1000, 1000] {
            line.failed(0, now, &failure(500, None));
            let Choice::Wait(wait) = line.choose(now) else {
                panic!("it may be asked at once")
            };
            let least = Duration::from_millis(least);
            assert!((least..=2 * least).contains(&wait), "{wait:?}");
            now += wait;
            assert_eq!(line.choose(now), Choice::Ask(0));
        }
        line.succeeded(0);
        line.failed(0, now, &failure(500, None));
        let short = Duration::from_millis(50);
        assert!(matches!(line.choose(now), Choice::Wait(wait) if wait <= short));
    }

    #[test]
    fn retry_after_is_kept_up_to_a_minute() {
        let (mut line, now) = (line(1), Instant::now());
        for (said, least) in [(7, 7), (100_000, 60)] {
            line.failed(0, now, &failure(503, Some(said)));
            let least = Duration::from_secs(least);
            let Choice::Wait(wait) = line.choose(now) else {
                panic!("it may be asked at once")
            };
            assert!(wait >= least && wait <= least.mul_f64(1.1), "{wait:?}");
        }
    }

    #[test]
    fn a_server_that_does_not_answer_goes_to_the_end_of_the_line() {
        let (mut line, now) = (line(2), Instant::now());
        line.failed(0, now, &failure(0, None));
        line.succeeded(1);
        line.preferred = 0;
        let later = now + Duration::from_secs(5);
        assert_eq!(line.choose(later), Choice::Ask(1));
        line.failed(1, later, &failure(503, Some(5)));
        assert_eq!(line.choose(later), Choice::Ask(0), "rather than none");
        line.succeeded(0);
        assert_eq!(line.choose(later), Choice::Ask(0));
    }
}
