//! The adapter of the conformance suite (clients/conformance/README.md): reads commands from stdin, one JSON object a line.
//!
//!     cargo build -p id-alloc-client --example adapter
//!     python3 clients/conformance/run.py -- target/debug/examples/adapter
//!
//! With `--local` every id is taken by handles for one thread.
#![allow(clippy::print_stdout, missing_docs, reason = "it speaks by stdout")]

use id_alloc_client::{Client, IdAllocError, LocalTag, Tag};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    error::Error,
    io::{self, BufRead, Write},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

type Failed = Box<dyn Error + Send + Sync>;

#[derive(Deserialize)]
struct Command {
    id: i64,
    r#do: String,
    #[serde(default)]
    client: String,
    #[serde(default)]
    tag: String,
    #[serde(default)]
    times: usize,
    #[serde(default)]
    n: usize,
    #[serde(default)]
    threads: usize,
    #[serde(default)]
    advance_ms: u64,
    #[serde(default)]
    count_waits: bool,
    #[serde(default)]
    servers: Vec<String>,
    token: Option<String>,
    range_duration_ms: Option<u64>,
    max_range: Option<u64>,
    deadline_ms: Option<u64>,
    #[serde(default)]
    manual_clock: bool,
}

/// A client under its name.
#[derive(Clone)]
struct Opened {
    client: Client,
    /// How far its manual clock was moved.
    moved: Arc<Mutex<Duration>>,
    /// The handles for one thread that nobody uses just now.
    idle: Arc<Mutex<HashMap<String, Vec<LocalTag>>>>,
    is_local: bool,
}

/// Either kind of handle.
enum Handle {
    Shared(Tag),
    Local(LocalTag),
}

impl Handle {
    fn try_next(&mut self) -> Option<i64> {
        match self {
            Self::Shared(tag) => tag.try_next(),
            Self::Local(tag) => tag.try_next(),
        }
    }

    async fn next(&mut self) -> Result<i64, IdAllocError> {
        match self {
            Self::Shared(tag) => tag.next().await,
            Self::Local(tag) => tag.next().await,
        }
    }

    async fn next_many(&mut self, n: usize) -> Result<Vec<i64>, IdAllocError> {
        match self {
            Self::Shared(tag) => tag.next_many(n).await,
            Self::Local(tag) => tag.next_many(n).await,
        }
    }

    /// Calls `next` so often, and says what came, how often no id was in memory, and the error that ended it.
    async fn draw(&mut self, times: usize, counts_waits: bool) -> Drawn {
        let mut drawn = Drawn::default();
        while drawn.ids.len() < times {
            if counts_waits {
                match self.try_next() {
                    Some(id) => {
                        drawn.ids.push(id);
                        continue;
                    }
                    None => drawn.waited += 1,
                }
            }
            match self.next().await {
                Ok(id) => drawn.ids.push(id),
                Err(error) => {
                    drawn.error = Some(error);
                    break;
                }
            }
        }
        drawn
    }
}

#[derive(Default)]
struct Drawn {
    ids: Vec<i64>,
    waited: u64,
    error: Option<IdAllocError>,
}

impl Drawn {
    /// The ids, neighbours joined.
    fn runs(&self) -> Vec<(String, usize)> {
        let chunks = self.ids.chunk_by(|before, after| before + 1 == *after);
        chunks.map(|run| (run[0].to_string(), run.len())).collect()
    }

    fn reply(&self) -> Value {
        let mut reply = json!({"runs": self.runs(), "waited": self.waited});
        if let Some(error) = &self.error {
            reply["error"] = described(error);
        }
        reply
    }
}

fn described(error: &IdAllocError) -> Value {
    let name = match error {
        IdAllocError::UnknownTag(_) => "UnknownTag",
        IdAllocError::Exhausted(_) => "Exhausted",
        IdAllocError::Unauthorized(_) => "Unauthorized",
        IdAllocError::Unavailable { .. } => "Unavailable",
        _ => "IdAllocError",
    };
    json!({"type": name, "message": error.to_string()})
}

impl Opened {
    fn new(command: Command, is_local: bool) -> Result<Self, Failed> {
        let mut builder = Client::builder().servers(command.servers);
        if let Some(token) = command.token {
            builder = builder.token(token);
        }
        if let Some(millis) = command.range_duration_ms {
            builder = builder.range_duration(Duration::from_millis(millis));
        }
        if let Some(ids) = command.max_range {
            builder = builder.max_range(ids);
        }
        if let Some(millis) = command.deadline_ms {
            builder = builder.deadline(Duration::from_millis(millis));
        }
        let moved = Arc::new(Mutex::new(Duration::ZERO));
        if command.manual_clock {
            let (start, moved) = (Instant::now(), Arc::clone(&moved));
            builder = builder
                .clock(move || start + *moved.lock().unwrap_or_else(PoisonError::into_inner));
        }
        Ok(Self {
            client: builder.build()?,
            moved,
            idle: Arc::default(),
            is_local,
        })
    }

    fn handle(&self, tag: &str) -> Handle {
        if !self.is_local {
            return Handle::Shared(self.client.tag(tag));
        }
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = idle.get_mut(tag).and_then(Vec::pop);
        Handle::Local(kept.unwrap_or_else(|| self.client.tag(tag).local()))
    }

    fn keep(&self, handle: Handle) {
        if let Handle::Local(tag) = handle {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            idle.entry(tag.name().to_owned()).or_default().push(tag);
        }
    }

    async fn answer(&self, command: &Command) -> Result<Value, Failed> {
        match command.r#do.as_str() {
            "next" => {
                let mut handle = self.handle(&command.tag);
                let drawn = handle.draw(command.times, command.count_waits).await;
                self.keep(handle);
                Ok(drawn.reply())
            }
            "next_many" => {
                let mut handle = self.handle(&command.tag);
                let drawn = match handle.next_many(command.n).await {
                    Ok(ids) => Drawn {
                        ids,
                        ..Drawn::default()
                    },
                    Err(error) => Drawn {
                        error: Some(error),
                        ..Drawn::default()
                    },
                };
                self.keep(handle);
                Ok(drawn.reply())
            }
            "elsewhere" => {
                let copy = self.client.clone();
                let drawn = Handle::Shared(copy.tag(&command.tag))
                    .draw(command.times, false)
                    .await;
                Ok(drawn.reply())
            }
            "threads" => self.threads(command).await,
            "clock" => {
                let mut moved = self.moved.lock().unwrap_or_else(PoisonError::into_inner);
                *moved += Duration::from_millis(command.advance_ms);
                Ok(json!({}))
            }
            "close" => {
                self.client.close().await;
                Ok(json!({}))
            }
            other => Err(format!("no such command: {other}").into()),
        }
    }

    async fn threads(&self, command: &Command) -> Result<Value, Failed> {
        let times = command.times;
        let runtime = tokio::runtime::Handle::current();
        let threads: Vec<_> = (0..command.threads)
            .map(|_| {
                let (mut handle, runtime) = (self.handle(&command.tag), runtime.clone());
                tokio::task::spawn_blocking(move || runtime.block_on(handle.draw(times, false)))
            })
            .collect();
        let mut by_thread = Vec::new();
        for thread in threads {
            let drawn = thread.await?;
            if let Some(error) = &drawn.error {
                return Ok(json!({"by_thread": [], "error": described(error)}));
            }
            by_thread.push(drawn.runs());
        }
        Ok(json!({"by_thread": by_thread}))
    }
}

fn main() -> Result<(), Failed> {
    let is_local = std::env::args().any(|argument| argument == "--local");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let _entered = runtime.enter();
    let mut clients = HashMap::<String, Opened>::new();
    say(&json!({"hello": {"can": ["manual_clock", "count_waits", "copy"]}}))?;
    for line in io::stdin().lock().lines() {
        let command: Command = serde_json::from_str(&line?)?;
        let id = command.id;
        if command.r#do == "open" {
            let name = command.client.clone();
            match Opened::new(command, is_local) {
                Ok(opened) => {
                    clients.insert(name, opened);
                    say(&json!({"id": id}))?;
                }
                Err(error) => say(&json!({"id": id, "failed": error.to_string()}))?,
            }
            continue;
        }
        let opened = clients
            .get(&command.client)
            .ok_or("no such client")?
            .clone();
        runtime.spawn(async move {
            let mut reply = match opened.answer(&command).await {
                Ok(reply) => reply,
                Err(error) => json!({"failed": error.to_string()}),
            };
            reply["id"] = json!(id);
            say(&reply)
        });
    }
    Ok(())
}

fn say(reply: &Value) -> Result<(), Failed> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{reply}")?;
    Ok(stdout.flush()?)
}
