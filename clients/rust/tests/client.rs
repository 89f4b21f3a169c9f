//! What the conformance suite cannot see from outside: runtimes, handles that are dropped, the metrics hook, time.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use id_alloc_client::{Client, IdAllocError, Metrics};
use std::{
    collections::HashSet,
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    time::Instant,
};

/// A server that answers every request as asked, until its runtime ends.
async fn server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let next = Arc::new(AtomicI64::new(1));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream, Arc::clone(&next)));
        }
    });
    address
}

async fn answer(stream: TcpStream, next: Arc<AtomicI64>) {
    let (mut stream, mut line, mut count) = (BufReader::new(stream), String::new(), 0);
    while stream.read_line(&mut line).await.is_ok_and(|read| read > 0) {
        if let Some((_, rest)) = line.split_once("count=") {
            count = rest.split(' ').next().unwrap().parse().unwrap();
        }
        if line == "\r\n" {
            let first = next.fetch_add(count, Ordering::Relaxed);
            let body = format!(r#"{{"errno":0,"msg":"success","first":{first},"count":{count}}}"#);
            let length = body.len();
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}");
            if stream.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
        line.clear();
    }
}

/// A server that takes connections and says nothing.
async fn silent() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    (listener, address)
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn who_waits_is_told_after_the_deadline_and_not_before() {
    let (_listener, address) = silent().await;
    let deadline = Duration::from_secs(3600);
    let client = Client::builder().server(&address).deadline(deadline);
    let tag = client.build().unwrap().tag("order");
    for _ in 0..2 {
        let begun = Instant::now();
        let error = tag.next().await.unwrap_err();
        assert!(begun.elapsed() >= deadline && begun.elapsed() < 2 * deadline);
        let IdAllocError::Unavailable { last, .. } = &error else {
            panic!("{error}")
        };
        assert!(last.as_ref().unwrap().contains(&address), "{error}");
    }
}

#[tokio::test]
async fn a_client_whose_handles_are_all_gone_hangs_up() {
    let (listener, address) = silent().await;
    let client = Client::builder().server(address).build().unwrap();
    let tag = client.tag("order");
    assert_eq!(tag.try_next(), None, "it never waits");
    let (mut stream, _) = listener.accept().await.unwrap();
    drop(client);
    drop(tag);
    // The end of the connection; it would wait for the deadline otherwise.
    let mut request = String::new();
    stream.read_to_string(&mut request).await.unwrap();
    assert!(request.is_empty() || request.starts_with("POST /range?biz_tag=order&count=16 "));
}

#[test]
fn a_client_goes_on_in_another_runtime_when_its_own_has_ended() {
    let servers = runtime();
    let address = servers.block_on(server());
    let first = runtime();
    let client = {
        let _entered = first.enter();
        Client::builder().server(address).build().unwrap()
    };
    let tag = client.tag("order");
    let one = first.block_on(tag.next()).unwrap();
    drop(first);
    let ids = runtime().block_on(tag.next_many(1000)).unwrap();
    assert_eq!(ids.iter().chain([&one]).collect::<HashSet<_>>().len(), 1001);
}

#[test]
fn without_any_runtime_left_try_next_neither_waits_nor_panics() {
    let first = runtime();
    let client = {
        let _entered = first.enter();
        Client::builder()
            .server("http://127.0.0.1:1")
            .build()
            .unwrap()
    };
    first.shutdown_background();
    assert_eq!(client.tag("order").try_next(), None);
}

#[test]
fn threads_outside_of_any_runtime_get_ids() {
    let runtime = runtime();
    let address = runtime.block_on(server());
    let client = Client::builder()
        .server(address)
        .runtime(runtime.handle().clone());
    let client = client.build().unwrap();
    let tags = [client.tag("order"), client.tag("order")];
    let ids = std::thread::scope(|scope| {
        let threads = tags.map(|tag| {
            scope.spawn(move || {
                let (mut local, mut ids) = (tag.local(), Vec::new());
                while ids.len() < 10_000 {
                    match local.try_next() {
                        Some(id) => ids.push(id),
                        None => std::thread::yield_now(),
                    }
                }
                assert!(ids.is_sorted(), "the ids of one handle rise");
                ids
            })
        });
        threads.map(|thread| thread.join().unwrap()).concat()
    });
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), 20_000);
}

#[test]
fn ids_of_a_handle_that_goes_round_among_threads_rise_until_the_client_closes() {
    let runtime = runtime();
    let address = runtime.block_on(server());
    let client = Client::builder()
        .server(address)
        .runtime(runtime.handle().clone());
    let client = client.build().unwrap();
    let (done, each) = std::sync::mpsc::channel();
    let threads = [(); 2].map(|()| {
        let (turn, turns) = std::sync::mpsc::channel::<usize>();
        let (tag, done) = (client.tag("order"), done.clone());
        std::thread::spawn(move || {
            for count in turns {
                let mut ids = Vec::new();
                while ids.len() < count {
                    match tag.try_next() {
                        Some(id) => ids.push(id),
                        None => std::thread::yield_now(),
                    }
                }
                done.send(ids).unwrap();
            }
            done.send(tag.clone().try_next().into_iter().collect())
                .unwrap();
        });
        turn
    });
    let mut ids = Vec::new();
    // Long turns and short ones: ranges end in either.
    for turn in 0..400 {
        let count = if turn % 3 == 0 { 2000 } else { 5 };
        threads[turn % 2].send(count).unwrap();
        ids.extend(each.recv().unwrap());
    }
    assert!(ids.is_sorted_by(|one, next| one < next));
    runtime.block_on(client.close());
    drop((threads, done));
    // Each tries once more, one of them on what it had for itself.
    let taken: Vec<usize> = each.iter().map(|ids: Vec<i64>| ids.len()).collect();
    assert_eq!(taken, [0, 0]);
}

#[derive(Default)]
struct Counters {
    ids: AtomicU64,
    failures: AtomicU64,
    waits: AtomicU64,
}

#[derive(Clone, Default)]
struct Shared(Arc<Counters>);

impl Metrics for Shared {
    fn range_received(&self, tag: &str, _: &str, count: u64, _: Duration) {
        assert_eq!(tag, "order");
        self.0.ids.fetch_add(count, Ordering::Relaxed);
    }
    fn attempt_failed(&self, _: &str, server: &str, why: &str) {
        assert!(why.starts_with(server), "{why}");
        self.0.failures.fetch_add(1, Ordering::Relaxed);
    }
    fn waited(&self, _: &str, _: Duration, got_ids: bool) {
        assert!(got_ids);
        self.0.waits.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn metrics_are_told_of_ranges_failures_and_waits() {
    // Nobody listens there any more.
    let (listener, dead) = silent().await;
    drop(listener);
    let counters = Shared::default();
    let client = Client::builder()
        .server(dead)
        .server(server().await)
        .metrics(counters.clone())
        .build()
        .unwrap();
    client.tag("order").next().await.unwrap();
    client.close().await;
    let counted = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    assert_eq!(counted(&counters.0.waits), 1);
    assert!(counted(&counters.0.failures) >= 1);
    assert!(counted(&counters.0.ids) >= 16);
    assert_eq!(client.tag("order").try_next(), None, "it is closed");
}

#[test]
fn options_that_cannot_be_meant_are_refused_by_name() {
    let runtime = runtime();
    let good = || Client::builder().server("http://127.0.0.1:1");
    let refused = |builder: id_alloc_client::Builder| builder.build().unwrap_err().to_string();
    assert!(refused(good()).contains("no tokio runtime"));
    let _entered = runtime.enter();
    assert!(good().build().is_ok());
    assert!(refused(Client::builder()).contains("no server"));
    assert!(refused(good().max_range(0)).contains("max_range"));
    assert!(refused(good().max_range(u64::MAX)).contains("max_range"));
    assert!(refused(good().deadline(Duration::ZERO)).contains("deadline"));
    assert!(refused(good().range_duration(Duration::ZERO)).contains("range_duration"));
    assert!(refused(good().token("a\r\nb")).contains("token"));
    let shown = format!("{:?}", good().token("secret"));
    assert!(!shown.contains("secret"), "{shown}");
}

#[tokio::test]
async fn futures_can_be_sent_and_dropped() {
    fn is_send<T: Future + Send>(future: T) -> T {
        future
    }
    let (listener, address) = silent().await;
    let client = Client::builder().server(address).build().unwrap();
    let tag = client.tag("order");
    // A caller who gives up is not counted as one who waits any more.
    tokio::select! {
        biased;
        _ = is_send(tag.next_many(5000)) => panic!("there are no ids"),
        accepted = listener.accept() => drop(accepted.unwrap()),
    }
    let (stream, _) = listener.accept().await.unwrap();
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).await.unwrap();
    assert!(line.contains("&count=16 "), "{line}");
}
