//! Lines about single tags come one by one while they are few. A failover, a restore or a table that broke concerns tens
//! of thousands of tags at once: then the first lines are written as they are, and the others counted in one line.
//!
//! Only lines of one kind hold each other back. What is logged for the record (`id_alloc::audit`), and what is only
//! logged when somebody looks for a fault (debug), is always written.

use parking_lot::Mutex;
use std::{
    collections::HashMap,
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};
use tracing::{
    Event, Level, Metadata,
    callsite::Identifier,
    field::{Field, Visit},
    level_filters::LevelFilter,
    subscriber::Interest,
};
use tracing_subscriber::layer::{Context, Filter};

/// The lines of a burst that are written.
const FIRST: u32 = 10;

/// How often those held back are told; a burst is over when so long no line came.
const PAUSE: Duration = Duration::from_secs(10);

/// The field that makes a line one about a single tag.
const TAG: &str = "biz_tag";

/// The filter, and who tells what it held back. Clones share what they know.
#[derive(Clone, Default)]
pub(super) struct LogBursts(Arc<Mutex<HashMap<Identifier, Burst>>>);

/// Lines of one kind.
struct Burst {
    level: Level,
    /// Those written.
    written: u32,
    newest: Instant,
    /// Those held back since they were told last, and when that was.
    held_back: u64,
    told: Instant,
    /// Of the newest one held back.
    line: Line,
}

/// What is kept of a line.
#[derive(Default)]
struct Line {
    text: String,
    tag: String,
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        match field.name() {
            "message" => self.text = format!("{value:?}"),
            TAG => self.tag = format!("{value:?}"),
            _ => {}
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == TAG {
            self.tag = value.escape_debug().collect();
        }
    }
}

impl LogBursts {
    /// Whether to write this line, which comes now.
    fn admits(&self, event: &Event<'_>, now: Instant) -> bool {
        let metadata = event.metadata();
        let mut bursts = self.0.lock();
        let burst = bursts.entry(metadata.callsite()).or_insert_with(|| Burst {
            level: *metadata.level(),
            written: 0,
            newest: now,
            held_back: 0,
            told: now,
            line: Line::default(),
        });
        if burst.held_back == 0 && now.saturating_duration_since(burst.newest) >= PAUSE {
            burst.written = 0;
        }
        burst.newest = now;
        if burst.written < FIRST {
            burst.written += 1;
            return true;
        }
        if burst.held_back == 0 {
            burst.told = now;
            event.record(&mut burst.line);
        }
        burst.held_back += 1;
        false
    }

    /// Logs how many lines were held back, where that is due.
    pub(super) fn tell(&self, now: Instant) {
        self.tell_those(|burst| now.saturating_duration_since(burst.told) >= PAUSE);
    }

    /// The same, for all that is left.
    pub(super) fn tell_all(&self) {
        self.tell_those(|_| true);
    }

    fn tell_those(&self, is_due: impl Fn(&Burst) -> bool) {
        // Logged when nothing is locked any more.
        let due: Vec<_> = self
            .0
            .lock()
            .values_mut()
            .filter(|burst| burst.held_back > 0 && is_due(burst))
            .map(|burst| {
                let lines = std::mem::take(&mut burst.held_back);
                (burst.level, lines, std::mem::take(&mut burst.line))
            })
            .collect();
        for (level, lines, Line { text, tag }) in due {
            match level {
                Level::ERROR => tracing::error!(lines, first = tag, "and more tags: {text}"),
                Level::WARN => tracing::warn!(lines, first = tag, "and more tags: {text}"),
                _ => tracing::info!(lines, first = tag, "and more tags: {text}"),
            }
        }
    }
}

/// Whether lines of this kind are about single tags, and neither for the record nor for debugging.
fn may_hold_back(metadata: &Metadata<'_>) -> bool {
    metadata.is_event()
        && *metadata.level() <= Level::INFO
        && metadata.target() != "id_alloc::audit"
        && metadata.fields().field(TAG).is_some()
}

impl<S> Filter<S> for LogBursts {
    fn enabled(&self, _: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        true
    }

    /// Where lines may be held back it has to be asked each time, or tracing-subscriber loses count of its filters.
    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        match may_hold_back(metadata) {
            true => Interest::sometimes(),
            false => Interest::always(),
        }
    }

    fn event_enabled(&self, event: &Event<'_>, _: &Context<'_, S>) -> bool {
        !may_hold_back(event.metadata()) || self.admits(event, Instant::now())
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::TRACE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use tracing_subscriber::{
        fmt::{MakeWriter, layer},
        layer::{Layer as _, SubscriberExt as _},
    };

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
            self.0.lock().write(line)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Written {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    /// The lines that were written while `log` ran.
    fn written(log: impl FnOnce(&LogBursts)) -> Vec<String> {
        let (bursts, out) = (LogBursts::default(), Written::default());
        let lines = layer().with_ansi(false).with_writer(out.clone());
        let subscriber = tracing_subscriber::registry().with(lines.with_filter(bursts.clone()));
        tracing::subscriber::with_default(subscriber, || log(&bursts));
        let bytes = out.0.lock().clone();
        String::from_utf8(bytes)
            .unwrap()
            .lines()
            .map(ToOwned::to_owned)
            .collect()
    }

    #[test]
    fn of_thousands_of_lines_about_tags_the_first_are_written_and_the_others_counted() {
        let lines = written(|bursts| {
            for number in 0..30_000 {
                tracing::error!(biz_tag = %format!("tag-{number}"), "moved");
            }
            // Not due yet.
            bursts.tell(Instant::now());
            tracing::warn!(biz_tag = "other", "another kind");
            bursts.tell(Instant::now() + PAUSE);
            bursts.tell(Instant::now() + PAUSE * 2);
        });
        assert_eq!(lines.len(), 12, "{lines:?}");
        assert!(lines[9].contains("moved biz_tag=tag-9"), "{}", lines[9]);
        assert!(lines[10].contains("another kind"), "{}", lines[10]);
        let rest = "and more tags: moved lines=29990 first=\"tag-10\"";
        assert!(
            lines[11].contains("ERROR") && lines[11].contains(rest),
            "{}",
            lines[11]
        );
    }

    #[test]
    fn after_a_pause_lines_are_written_again_and_none_is_left_untold() {
        let lines = written(|bursts| {
            let log = |number| tracing::info!(biz_tag = number, "claimed again");
            (0..11).for_each(log);
            bursts.tell_all();
            log(11);
            bursts.tell_all();
            for burst in bursts.0.lock().values_mut() {
                burst.newest -= PAUSE;
            }
            log(12);
            bursts.tell_all();
        });
        assert_eq!(lines.len(), 13, "{lines:?}");
        assert!(lines[10].contains("lines=1 first=\"10\""), "{}", lines[10]);
        assert!(lines[11].contains("lines=1 first=\"11\""), "{}", lines[11]);
        assert!(
            lines[12].contains("claimed again biz_tag=12"),
            "{}",
            lines[12]
        );
    }

    #[test]
    fn what_is_for_the_record_or_about_no_tag_or_for_debugging_is_always_written() {
        let lines = written(|bursts| {
            for number in 0..100 {
                tracing::info!(target: "id_alloc::audit", biz_tag = number, "changed");
                tracing::debug!(biz_tag = number, "looked at");
                tracing::error!(number, "the database is lost");
            }
            bursts.tell_all();
        });
        assert_eq!(lines.len(), 300);
    }
}
