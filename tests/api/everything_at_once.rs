//! All that should be nobody's business at once: many tags loaded, pollers without a pause, a scrape a second, a flood of
//! names that are no tags, locked rows, and a log that nobody reads. Callers whose ids are in memory notice nothing but
//! that the machine is shared; how much is reported, since it depends on the machine:
//!
//!     ./scripts/test --full cargo test --release --all-features --test api everything_at_once -- --include-ignored --nocapture

use crate::support::database::connect;
use crate::support::flavour::Flavour;
use crate::support::own_database::{OwnDatabase, value};
use crate::support::raw::memory;
use crate::support::server::{Server, command};
use crate::support::{PATIENCE, eventually};
use sea_orm::{ConnectionTrait as _, TransactionTrait as _};
use std::io::Write as _;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::task::JoinSet;

/// Who takes ids that are in memory.
const WARM: usize = 8;
const LOCKED: usize = 10;
const POLLERS: usize = 4;
const FLOODERS: usize = 48;

/// How many tags are loaded, and how long it is looked without and with all the rest.
fn size() -> (usize, Duration, Duration) {
    let seconds = Duration::from_secs;
    match std::env::var_os("ID_ALLOC_TEST_FULL") {
        Some(_) => (100_000, seconds(60), seconds(600)),
        None => (1_000, seconds(2), seconds(5)),
    }
}

/// How long answers took, and how many were none.
#[derive(Default)]
struct Seen {
    took: Vec<Duration>,
    failed: usize,
}

impl Seen {
    /// Asks once.
    async fn ask(&mut self, client: &reqwest::Client, url: String) {
        let began = Instant::now();
        let answer = async {
            let answer = client.get(url).timeout(PATIENCE).send().await?;
            let status = answer.status();
            // Read to its end, or the connection is not used again.
            answer.bytes().await.map(|_| status)
        };
        match answer.await {
            Ok(status) if status == 200 => self.took.push(began.elapsed()),
            _ => self.failed += 1,
        }
    }

    fn add(&mut self, other: Self) {
        self.took.extend(other.took);
        self.failed += other.failed;
    }

    /// Of a hundred answers the slowest but one.
    fn slow(&mut self) -> Duration {
        self.took.sort_unstable();
        let place = self.took.len() * 99 / 100;
        self.took.get(place).copied().unwrap_or_default()
    }
}

/// Asks for `path(n)` again and again, until `end`.
async fn ask(base: &str, end: Instant, path: impl Fn(usize) -> String) -> Seen {
    let (client, mut seen) = (reqwest::Client::new(), Seen::default());
    for number in 0.. {
        if Instant::now() >= end {
            break;
        }
        seen.ask(&client, format!("{base}{}", path(number))).await;
    }
    seen
}

/// Those who take ids from memory, each of a tag of its own.
async fn warm(base: &str, lasts: Duration) -> Seen {
    let (end, mut callers, mut all) = (Instant::now() + lasts, JoinSet::new(), Seen::default());
    for caller in 0..WARM {
        let base = base.to_owned();
        callers.spawn(
            async move { ask(&base, end, |_| format!("/alloc?biz_tag=warm-{caller}")).await },
        );
    }
    while let Some(seen) = callers.join_next().await {
        all.add(seen.unwrap());
    }
    all
}

/// A server whose log nobody reads.
async fn unread(url: &str) -> Server {
    let directory = Arc::new(TempDir::new().unwrap());
    let made = Command::new("mkfifo")
        .arg(directory.path().join("log"))
        .status();
    assert!(made.unwrap().success());
    let plain = command(directory.path(), &[("database.url", url)]);
    let mut shell = Command::new("bash");
    shell
        .args(["-c", "exec \"$0\" 2<>log"])
        .arg(plain.get_program());
    shell.current_dir(directory.path());
    shell.envs(
        plain
            .get_envs()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    Server::spawn(directory, shell).await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs MariaDB"]
async fn callers_whose_ids_are_in_memory_lose_no_request_to_pollers_floods_locks_and_an_unread_log()
{
    let (tags, quiet, busy) = size();
    let database =
        OwnDatabase::start(Flavour::MariaDb, &["--innodb-flush-log-at-trx-commit=0"]).await;
    let url = database.holding(&[]).await;
    let admin = connect(&url).await;
    for (name, last, step) in [
        ("tag", tags, 1000),
        ("cold", 1000, 1000),
        ("locked", LOCKED, 10),
        ("warm", WARM, 1_000_000),
    ] {
        let insert = format!(
            "INSERT INTO segments (biz_tag, max_id, step) \
             SELECT CONCAT('{name}-', seq), 0, {step} FROM seq_0_to_{last}"
        );
        admin.execute_unprepared(&insert).await.unwrap();
    }
    let server = unread(&url).await;
    let base = server.base.clone();
    let mut loading = JoinSet::new();
    for part in 0..16 {
        let base = base.clone();
        loading.spawn(async move {
            let client = reqwest::Client::new();
            for number in (part..tags).step_by(16) {
                let answer = client
                    .get(format!("{base}/alloc?biz_tag=tag-{number}"))
                    .send()
                    .await;
                assert_eq!(answer.unwrap().status(), 200, "tag-{number}");
            }
        });
    }
    loading.join_all().await;
    let mut alone = warm(&base, quiet).await;
    let memory_before = memory(&server);

    let locks = connect(&url).await.begin().await.unwrap();
    let lock = "SELECT biz_tag FROM segments WHERE biz_tag LIKE 'locked-%' FOR UPDATE";
    locks.execute_unprepared(lock).await.unwrap();
    let end = Instant::now() + busy;
    let mut others = JoinSet::new();
    let spawn = |others: &mut JoinSet<Seen>, path: Box<dyn Fn(usize) -> String + Send>| {
        let base = base.clone();
        others.spawn(async move { ask(&base, end, path).await });
    };
    for _ in 0..POLLERS {
        spawn(&mut others, Box::new(|_| "/health".to_owned()));
    }
    for flooder in 0..FLOODERS {
        spawn(
            &mut others,
            Box::new(move |number| format!("/alloc?biz_tag=no-{flooder}-{number}")),
        );
    }
    for number in 0..LOCKED {
        spawn(
            &mut others,
            Box::new(move |_| format!("/alloc?biz_tag=locked-{number}")),
        );
    }
    let seldom = {
        let base = base.clone();
        tokio::spawn(async move {
            let (client, mut cold, mut ticks) = (
                reqwest::Client::new(),
                Seen::default(),
                tokio::time::interval(Duration::from_secs(1)),
            );
            for number in 0.. {
                ticks.tick().await;
                if Instant::now() >= end {
                    break;
                }
                let scraped = client.get(format!("{base}/metrics")).send().await.unwrap();
                assert_eq!(scraped.status(), 200);
                let url = format!("{base}/alloc?biz_tag=cold-{number}");
                cold.ask(&client, url).await;
            }
            cold
        })
    };
    let mut beside = warm(&base, busy).await;
    let mut cold = seldom.await.unwrap();
    others.join_all().await;
    assert_eq!(
        (alone.failed, beside.failed),
        (0, 0),
        "callers whose ids are in memory"
    );

    // The locks go, and so does what waited for them.
    locks.rollback().await.unwrap();
    server.until("/alloc?biz_tag=locked-0", 200, PATIENCE).await;
    eventually("no statement that is left behind", PATIENCE, async || {
        let statements = "SELECT COUNT(*) FROM information_schema.processlist \
                          WHERE db = 'ids' AND info IS NOT NULL AND id <> CONNECTION_ID()";
        (value::<i64>(&admin, statements).await == 0).then_some(())
    })
    .await;
    let rate = |seen: &Seen, lasted: Duration| seen.took.len() as f64 / lasted.as_secs_f64();
    let (before, after) = (rate(&alone, quiet), rate(&beside, busy));
    let report = format!(
        "{tags} tags; warm: {before:.0}/s alone, {after:.0}/s beside all else ({:.0} %), 99 of 100 within {:?} and {:?}; \
         cold: {} answered, 99 of 100 within {:?}, {} not; memory: {memory_before} KiB, then {} KiB",
        after / before * 100.0,
        alone.slow(),
        beside.slow(),
        cold.took.len(),
        cold.slow(),
        cold.failed,
        memory(&server),
    );
    writeln!(std::io::stdout(), "{report}").unwrap();
}
