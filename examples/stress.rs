//! Asks servers for ids as fast as they answer, and holds every answer against the promises:
//!
//! - P1: no id comes twice, whichever server answers;
//! - P2: for one server and tag, an answer received before a request was sent carries smaller ids than its own.
//!
//! ```text
//! cargo run --release --example stress -- --seconds 60 --tags a,b 127.0.0.1:8880 127.0.0.1:8881
//! ```
//!
//! Nothing but the standard library, so that nothing of the server's own is part of its judge. Exit code 1: a
//! promise was broken.
#![allow(
    clippy::print_stdout,
    clippy::expect_used,
    dead_code,
    unreachable_pub,
    reason = "a program for a terminal, and a module of tests that use a part of it"
)]

use std::{
    collections::{BTreeMap, HashMap},
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    process::ExitCode,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

/// What is asked of whom.
#[derive(Debug, Clone)]
pub struct Options {
    /// `host:port` of each server.
    pub servers: Vec<String>,
    /// Names of tags; each is asked for at every server.
    pub tags: Vec<String>,
    /// How long.
    pub duration: Duration,
    /// Connections to each server.
    pub connections: usize,
    /// The most ids in one request; most ask for one.
    pub max_count: u64,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Answers with ids.
    pub answers: u64,
    /// Ids in them.
    pub ids: u64,
    /// Ids that came twice.
    pub twice: u64,
    /// Answers with an id that is not above one answered before the request was sent.
    pub disorder: u64,
    /// Other answers, by their status.
    pub refused: BTreeMap<u16, u64>,
    /// Connections that broke.
    pub broken: u64,
}

/// The ids of one tag that were seen, as bits in pages.
#[derive(Default)]
struct Seen(Mutex<HashMap<i64, Box<[u64; PAGE / 64]>>>);

const PAGE: usize = 1 << 16;

impl Seen {
    /// Notes ids, and says how many were there before.
    fn note(&self, ids: &[i64]) -> u64 {
        let mut pages = self.0.lock().expect("no other thread panicked");
        let mut twice = 0;
        for id in ids {
            let page = pages
                .entry(id / PAGE as i64)
                .or_insert_with(|| Box::new([0; PAGE / 64]));
            let bit = usize::try_from(id % PAGE as i64).expect("ids are positive");
            let (word, mask) = (&mut page[bit / 64], 1 << (bit % 64));
            twice += u64::from(*word & mask != 0);
            *word |= mask;
        }
        twice
    }
}

/// Runs it to its end.
pub fn run(options: &Options) -> Outcome {
    let seen: Arc<Vec<Seen>> = Arc::new(options.tags.iter().map(|_| Seen::default()).collect());
    let is_over = Arc::new(AtomicBool::new(false));
    let mut threads = Vec::new();
    for server in &options.servers {
        // The largest id of an answer, for each tag at this server.
        let answered: Arc<Vec<AtomicI64>> =
            Arc::new(options.tags.iter().map(|_| AtomicI64::new(0)).collect());
        for number in 0..options.connections {
            let caller = Caller {
                options: options.clone(),
                server: server.clone(),
                seen: seen.clone(),
                answered: answered.clone(),
                is_over: is_over.clone(),
                random: 0x9e37_79b9_7f4a_7c15 ^ ((threads.len() + number + 1) as u64) << 17,
            };
            threads.push(std::thread::spawn(move || caller.run()));
        }
    }
    let began = Instant::now();
    while began.elapsed() < options.duration && !threads.iter().all(|thread| thread.is_finished()) {
        std::thread::park_timeout(Duration::from_millis(20));
    }
    is_over.store(true, Ordering::Relaxed);
    let mut all = Outcome::default();
    for thread in threads {
        let one = thread.join().expect("a caller does not panic");
        all.answers += one.answers;
        all.ids += one.ids;
        all.twice += one.twice;
        all.disorder += one.disorder;
        all.broken += one.broken;
        for (status, count) in one.refused {
            *all.refused.entry(status).or_default() += count;
        }
    }
    all
}

/// One connection.
struct Caller {
    options: Options,
    server: String,
    seen: Arc<Vec<Seen>>,
    answered: Arc<Vec<AtomicI64>>,
    is_over: Arc<AtomicBool>,
    random: u64,
}

impl Caller {
    fn run(mut self) -> Outcome {
        let mut outcome = Outcome::default();
        while !self.is_over.load(Ordering::Relaxed) {
            if self.talk(&mut outcome).is_err() {
                outcome.broken += 1;
                std::thread::park_timeout(Duration::from_millis(10));
            }
        }
        outcome
    }

    /// Until the end, or until the connection breaks.
    fn talk(&mut self, outcome: &mut Outcome) -> std::io::Result<()> {
        let mut stream = TcpStream::connect(&self.server)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        let mut reader = BufReader::new(stream.try_clone()?);
        while !self.is_over.load(Ordering::Relaxed) {
            let tag = usize::try_from(self.below(self.options.tags.len() as u64)).unwrap_or(0);
            let count = match self.below(4) {
                0 => 1 + self.below(self.options.max_count),
                _ => 1,
            };
            let request = format!(
                "GET /alloc?biz_tag={}&count={count} HTTP/1.1\r\nHost: {}\r\n\r\n",
                self.options.tags[tag], self.server
            );
            let newest = self.answered[tag].load(Ordering::SeqCst);
            stream.write_all(request.as_bytes())?;
            let (status, body) = answer(&mut reader)?;
            if status != 200 {
                *outcome.refused.entry(status).or_default() += 1;
                continue;
            }
            let ids = ids(&body);
            assert_eq!(ids.len() as u64, count, "{body}");
            let largest = ids.iter().copied().max().unwrap_or(0);
            self.answered[tag].fetch_max(largest, Ordering::SeqCst);
            let rise = ids.windows(2).all(|pair| pair[0] < pair[1]);
            outcome.disorder += u64::from(!rise || ids[0] <= newest);
            outcome.twice += self.seen[tag].note(&ids);
            outcome.answers += 1;
            outcome.ids += count;
        }
        Ok(())
    }

    /// A number below `limit` (xorshift64).
    fn below(&mut self, limit: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % limit.max(1)
    }
}

/// Status and body of the next answer.
fn answer(reader: &mut BufReader<TcpStream>) -> std::io::Result<(u16, String)> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    let status = line.split(' ').nth(1).and_then(|word| word.parse().ok());
    let mut length = 0;
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let header = line.trim().to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let body = String::from_utf8(body).map_err(|_| std::io::ErrorKind::InvalidData)?;
    Ok((status.unwrap_or(0), body))
}

/// The numbers of `"ids":[…]`.
fn ids(body: &str) -> Vec<i64> {
    let list = body.split_once("\"ids\":[").map_or("", |(_, list)| list);
    let list = list.split(']').next().unwrap_or_default();
    list.split(',').filter_map(|id| id.parse().ok()).collect()
}

fn main() -> ExitCode {
    let mut options = Options {
        servers: Vec::new(),
        tags: vec!["test".to_owned()],
        duration: Duration::from_secs(10),
        connections: 8,
        max_count: 1000,
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut number = || words.next().and_then(|word| word.parse::<u64>().ok());
        match word.as_str() {
            "--seconds" => options.duration = Duration::from_secs(number().unwrap_or(10)),
            "--connections" => {
                options.connections = number().map_or(8, |number| number as usize);
            }
            "--max-count" => options.max_count = number().unwrap_or(1000),
            "--tags" => {
                let names = words.next().unwrap_or_default();
                options.tags = names.split(',').map(str::to_owned).collect();
            }
            server => options.servers.push(server.to_owned()),
        }
    }
    if options.servers.is_empty() {
        println!(
            "usage: stress [--seconds N] [--connections N] [--max-count N] [--tags A,B] HOST:PORT…"
        );
        return ExitCode::from(2);
    }
    let outcome = run(&options);
    println!("{outcome:?}");
    let is_kept = outcome.twice == 0 && outcome.disorder == 0 && outcome.answers > 0;
    ExitCode::from(u8::from(!is_kept))
}
