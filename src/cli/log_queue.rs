//! Log lines leave by a thread of their own: whoever logs never waits for whoever reads.
//!
//! Standard error may be a pipe that nobody reads (a log collector that has stopped, a terminal after Ctrl-S) or that
//! is closed. So lines wait in a queue of bounded length; one that finds it full is dropped and counted, and once the
//! rest is written a line says how many were. A line that cannot be written is lost, and counted too.
//!
//! (tracing-appender's non-blocking writer is not used: as it ends it prints, and waits, on the same pipe.)

use parking_lot::{Condvar, Mutex};
use std::{
    io::{self, Write},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, AtomicUsize, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    time::{Duration, Instant},
};

/// So many lines wait at most,
const LINES: usize = 8192;

/// and so many bytes.
const BYTES: usize = 4 << 20;

/// How often the thread does what there is to do besides.
const BESIDES: Duration = Duration::from_secs(1);

/// The way into the queue.
pub(super) struct LogQueue {
    lines: SyncSender<Vec<u8>>,
    state: Arc<State>,
}

/// Where dropped lines are counted.
type Counted = Box<dyn Fn(u64) + Send + Sync>;

#[derive(Default)]
struct State {
    /// Of lines that are not written yet.
    bytes: AtomicUsize,
    dropped: AtomicU64,
    counted: OnceLock<Counted>,
    /// Held by whoever looks whether all is written, until it waits to be told.
    looking: Mutex<()>,
    all_written: Condvar,
}

impl State {
    fn drop_line(&self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
        if let Some(counted) = self.counted.get() {
            counted(1);
        }
    }
}

impl LogQueue {
    /// Starts the thread that writes to `out`, and does `besides` every second, while nobody keeps it waiting.
    pub(super) fn start(
        out: impl Write + Send + 'static,
        besides: impl Fn() + Send + 'static,
    ) -> io::Result<Self> {
        let (lines, queued) = sync_channel(LINES);
        let state = Arc::new(State::default());
        let thread = std::thread::Builder::new().name("log".to_owned());
        thread.spawn({
            let state = state.clone();
            move || write_all(out, &queued, &state, besides)
        })?;
        Ok(Self { lines, state })
    }

    /// Has dropped lines counted, those dropped so far too; works once.
    pub(super) fn count_dropped(&self, counted: impl Fn(u64) + Send + Sync + 'static) {
        let before = self.state.dropped.load(Ordering::Relaxed);
        if before > 0 {
            counted(before);
        }
        let _ = self.state.counted.set(Box::new(counted));
    }

    /// Waits until all is written, at most `limit`.
    pub(super) fn flush(&self, limit: Duration) {
        let state = &self.state;
        let mut looking = state.looking.lock();
        let is_left = |(): &mut ()| state.bytes.load(Ordering::Acquire) > 0;
        // Whether in time or not, this is the end.
        let _ = state
            .all_written
            .wait_while_for(&mut looking, is_left, limit);
    }

    fn push(&self, line: &[u8]) {
        let (bytes, order) = (&self.state.bytes, Ordering::AcqRel);
        let fits = |queued: usize| (queued + line.len() <= BYTES).then_some(queued + line.len());
        if bytes.fetch_update(order, Ordering::Acquire, fits).is_err() {
            self.state.drop_line();
        } else if self.lines.try_send(line.to_owned()).is_err() {
            bytes.fetch_sub(line.len(), order);
            self.state.drop_line();
        }
    }
}

/// The thread's work; ends with the last [`LogQueue`].
fn write_all(mut out: impl Write, queued: &Receiver<Vec<u8>>, state: &State, besides: impl Fn()) {
    let (mut told, mut done) = (0, Instant::now());
    loop {
        if done.elapsed() >= BESIDES {
            besides();
            done = Instant::now();
        }
        let line = match queued.recv_timeout(BESIDES) {
            Ok(line) => line,
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        let written = out.write_all(&line).and_then(|()| out.flush()).is_ok();
        let left = state.bytes.fetch_sub(line.len(), Ordering::AcqRel) - line.len();
        if left == 0 {
            drop(state.looking.lock());
            state.all_written.notify_all();
        }
        if !written {
            state.drop_line();
            continue;
        }
        let dropped = state.dropped.load(Ordering::Relaxed);
        if left == 0 && dropped > told {
            let lines = dropped - told;
            told = dropped;
            tracing::warn!(
                lines,
                "log lines were dropped: nobody read them, or not fast enough"
            );
        }
    }
}

/// Takes lines, each in one piece, and never fails.
impl Write for &LogQueue {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    /// Takes a line for each permit, and shows it.
    struct Reader {
        permits: Receiver<()>,
        seen: mpsc::Sender<String>,
    }

    impl Write for Reader {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            self.permits.recv().map_err(|_| io::ErrorKind::BrokenPipe)?;
            let _ = self.seen.send(String::from_utf8_lossy(line).into_owned());
            Ok(line.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn queue() -> (
        LogQueue,
        mpsc::Sender<()>,
        Receiver<String>,
        Arc<Mutex<u64>>,
    ) {
        let (permit, permits) = mpsc::channel();
        let (seen, lines) = mpsc::channel();
        let queue = LogQueue::start(Reader { permits, seen }, || ()).unwrap();
        let dropped = Arc::new(Mutex::new(0));
        let count = dropped.clone();
        queue.count_dropped(move |lines| *count.lock() += lines);
        (queue, permit, lines, dropped)
    }

    #[test]
    fn nobody_waits_for_a_reader_and_what_does_not_fit_is_dropped_and_counted() {
        let (queue, permit, lines, dropped) = queue();
        for number in 0..LINES + 100 {
            let line = format!("line {number}\n");
            (&queue).write_all(line.as_bytes()).unwrap();
        }
        // One may be with the reader already.
        let lost = *dropped.lock();
        assert!((99..=100).contains(&lost), "{lost}");
        for _ in 0..LINES + 1 {
            permit.send(()).unwrap();
        }
        queue.flush(Duration::from_secs(60));
        let read: Vec<String> = lines.try_iter().collect();
        assert_eq!(read.len() as u64, (LINES + 100) as u64 - lost);
        assert_eq!(read[0], "line 0\n");
    }

    #[test]
    fn long_lines_take_no_more_memory_than_short_ones() {
        let (queue, _permit, _lines, dropped) = queue();
        let line = vec![b'x'; 100_000];
        for _ in 0..100 {
            (&queue).write_all(&line).unwrap();
        }
        assert_eq!(*dropped.lock(), 100 - (BYTES / 100_000) as u64);
    }

    #[test]
    fn lines_that_cannot_be_written_are_counted_and_end_nothing() {
        let (queue, permit, _lines, dropped) = queue();
        drop(permit);
        for _ in 0..10 {
            (&queue).write_all(b"lost\n").unwrap();
        }
        queue.flush(Duration::from_secs(60));
        // The last is counted just after it left the queue.
        while *dropped.lock() < 10 {
            std::thread::yield_now();
        }
    }
}
