//! `Kept`: a value that takes work per tag, for those who poll it. It is made on a thread of its own, once at a time
//! however many ask, and given to all of them for as long as that was worth the work.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::Mutex;

/// A value is kept for so many times as long as it took to make: a twentieth of one core goes into it at most,
const TIMES: u32 = 20;

/// and not longer than this.
const LONGEST: Duration = Duration::from_secs(5);

/// See the module's documentation.
#[derive(Debug)]
pub struct Kept<T>(Arc<Mutex<Option<Made<T>>>>);

#[derive(Debug)]
struct Made<T> {
    value: T,
    at: Instant,
    lasts: Duration,
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T: Clone + Send + 'static> Kept<T> {
    /// The value: the newest one, or what `make` makes; `None` where that panicked.
    pub async fn get(&self, make: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let mut newest = self.0.clone().lock_owned().await;
        if let Some(made) = &*newest
            && made.at.elapsed() < made.lasts
        {
            return Some(made.value.clone());
        }
        // The thread holds the lock, so that one whose caller has gone is not joined by another.
        let making = tokio::task::spawn_blocking(move || {
            let began = Instant::now();
            let value = make();
            *newest = Some(Made {
                value: value.clone(),
                at: Instant::now(),
                lasts: (began.elapsed() * TIMES).min(LONGEST),
            });
            value
        });
        making.await.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::future::join_all;
    use std::sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc,
    };

    #[tokio::test]
    async fn however_many_ask_it_is_made_once_and_again_when_the_time_is_up() {
        let (kept, made) = (Kept::default(), Arc::new(AtomicUsize::new(0)));
        let (go_on, wait) = mpsc::channel::<()>();
        let wait = Arc::new(std::sync::Mutex::new(wait));
        let ask = || {
            let (made, wait) = (made.clone(), wait.clone());
            kept.get(move || {
                // Until all of them have asked.
                let _ = wait.lock().unwrap().recv();
                made.fetch_add(1, Ordering::SeqCst) + 1
            })
        };
        let asked = join_all((0..8).map(|_| ask()));
        let (found, ()) = tokio::join!(asked, async {
            // The others wait by now.
            tokio::task::yield_now().await;
            drop(go_on);
        });
        // It took a moment to make, and so is kept for twenty; a machine that stands still meanwhile makes it again.
        assert!(found.iter().all(Option::is_some));
        while ask().await == found[0] {
            tokio::task::yield_now().await;
        }
        assert!(made.load(Ordering::SeqCst) >= 2);
    }

    #[tokio::test]
    async fn one_that_cannot_be_made_is_asked_for_again() {
        let kept = Kept::default();
        assert_eq!(kept.get(|| panic!("on purpose")).await, None::<u8>);
        assert_eq!(kept.get(|| 1).await, Some(1));
    }
}
