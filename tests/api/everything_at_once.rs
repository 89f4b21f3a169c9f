//! All that should be nobody's business at once: many tags loaded, pollers without a pause, a scrape a second, a flood of
//! names that are no tags, locked rows, and a log that nobody reads. Callers whose ids are in memory, and of tags that were
//! never asked for, lose no request. `./scripts/bench everything` says how fast they are meanwhile.

use crate::support::database::connect;
use crate::support::flavour::Flavour;
use crate::support::own_database::{OwnDatabase, value};
use crate::support::server::{Server, command};
use crate::support::{PATIENCE, eventually};
use sea_orm::{ConnectionTrait as _, TransactionTrait as _};
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

/// How many tags are loaded.
const TAGS: usize = 1_000;

/// How long all of it goes on.
const LASTS: Duration = Duration::from_secs(5);

/// How many answers came, and how many were none.
#[derive(Default)]
struct Seen {
    answered: usize,
    failed: usize,
}

impl Seen {
    /// Asks once.
    async fn ask(&mut self, client: &reqwest::Client, url: String) {
        let answer = async {
            let answer = client.get(url).timeout(PATIENCE).send().await?;
            let status = answer.status();
            // Read to its end, or the connection is not used again.
            answer.bytes().await.map(|_| status)
        };
        match answer.await {
            Ok(status) if status == 200 => self.answered += 1,
            _ => self.failed += 1,
        }
    }

    fn add(&mut self, other: Self) {
        self.answered += other.answered;
        self.failed += other.failed;
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
    let database =
        OwnDatabase::start(Flavour::MariaDb, &["--innodb-flush-log-at-trx-commit=0"]).await;
    let url = database.holding(&[]).await;
    let admin = connect(&url).await;
    for (name, last, step) in [
        ("tag", TAGS, 1000),
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
            for number in (part..TAGS).step_by(16) {
                let answer = client
                    .get(format!("{base}/alloc?biz_tag=tag-{number}"))
                    .send()
                    .await;
                assert_eq!(answer.unwrap().status(), 200, "tag-{number}");
            }
        });
    }
    loading.join_all().await;

    let locks = connect(&url).await.begin().await.unwrap();
    let lock = "SELECT biz_tag FROM segments WHERE biz_tag LIKE 'locked-%' FOR UPDATE";
    locks.execute_unprepared(lock).await.unwrap();
    let end = Instant::now() + LASTS;
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
    let beside = warm(&base, LASTS).await;
    let cold = seldom.await.unwrap();
    others.join_all().await;
    assert_eq!(beside.failed, 0, "callers whose ids are in memory");
    assert_eq!(cold.failed, 0, "callers of tags never asked for");
    assert!(beside.answered > 0 && cold.answered > 0);

    // The locks go, and so does what waited for them.
    locks.rollback().await.unwrap();
    server.until("/alloc?biz_tag=locked-0", 200, PATIENCE).await;
    eventually("no statement that is left behind", PATIENCE, async || {
        let statements = "SELECT COUNT(*) FROM information_schema.processlist \
                          WHERE db = 'ids' AND info IS NOT NULL AND id <> CONNECTION_ID()";
        (value::<i64>(&admin, statements).await == 0).then_some(())
    })
    .await;
}
