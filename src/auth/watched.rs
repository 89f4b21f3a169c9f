//! `Watched`: files of which one value is made (tokens, a certificate with its key), read again when they change.
//!
//! A file that is rewritten in place is empty for a moment, then half there, and two files are seldom replaced at
//! one moment. So what is found counts only when the next look finds the same, with nothing written in between.
//! Files that cannot be used leave the value in force, and that is logged once.

use arc_swap::ArcSwap;
use std::{
    fs,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

/// Between two looks.
const LOOK: Duration = Duration::from_secs(1);

/// What is made of files.
pub trait Content: Sized + Send + Sync + 'static {
    /// Makes it of the files' bytes.
    ///
    /// # Errors
    /// What is wrong with which file and what to do, quoting nothing of it.
    fn parse(files: &[(PathBuf, Vec<u8>)]) -> Result<Self, String>;
}

/// The value in force.
#[derive(Debug)]
pub struct Watched<T> {
    /// The configuration key that names the files.
    key: &'static str,
    paths: Vec<PathBuf>,
    held: ArcSwap<T>,
    /// The digest of the files that the value was made of at first.
    first: u64,
}

/// What one look finds.
struct Found {
    /// The bytes, or why they cannot be read.
    files: Result<Vec<(PathBuf, Vec<u8>)>, String>,
    /// Tells these from others, so that no secret has to be kept.
    digest: u64,
    /// When each file was last written.
    written: Vec<SystemTime>,
}

impl Found {
    fn look(paths: &[PathBuf]) -> Self {
        let mut written = Vec::new();
        let found = |path: &PathBuf| match read(path) {
            Ok((when, bytes)) => {
                written.push(when);
                Ok((path.clone(), bytes))
            }
            Err(reason) => Err(format!("cannot read {}: {reason}", path.display())),
        };
        let files = paths.iter().map(found).collect();
        let mut hasher = DefaultHasher::new();
        Result::hash(&files, &mut hasher);
        Self {
            files,
            digest: hasher.finish(),
            written,
        }
    }

    fn value<T: Content>(&self) -> Result<T, String> {
        T::parse(self.files.as_ref().map_err(String::clone)?)
    }
}

/// When a file was last written, and what it holds.
fn read(path: &Path) -> std::io::Result<(SystemTime, Vec<u8>)> {
    let written = fs::metadata(path)?.modified()?;
    Ok((written, fs::read(path)?))
}

impl<T: Content> Watched<T> {
    /// Reads the files that `key` names.
    pub fn read(key: &'static str, paths: Vec<PathBuf>) -> Result<Arc<Self>, String> {
        let found = Found::look(&paths);
        let value = found.value()?;
        Ok(Arc::new(Self {
            key,
            paths,
            held: ArcSwap::from_pointee(value),
            first: found.digest,
        }))
    }

    /// The value in force.
    #[must_use]
    pub fn get(&self) -> arc_swap::Guard<Arc<T>> {
        self.held.load()
    }

    /// Reads the files again whenever they have changed, for as long as the server runs. `after` is called with the
    /// value in force after each look.
    pub async fn watch(self: Arc<Self>, mut after: impl FnMut(&T)) {
        let mut watch = Watch::new(&self);
        loop {
            tokio::time::sleep(LOOK).await;
            let paths = self.paths.clone();
            match tokio::task::spawn_blocking(move || Found::look(&paths)).await {
                Ok(found) => watch.take(found),
                Err(error) => {
                    tracing::error!(key = self.key, %error, "cannot look at the files")
                }
            }
            after(&self.get());
        }
    }
}

/// One after the other, the looks at some files.
struct Watch<'a, T> {
    watched: &'a Watched<T>,
    /// Of what is in force.
    held: u64,
    /// Found by the look before.
    last: Option<(u64, Vec<SystemTime>)>,
    /// What was last said to be wrong.
    said: Option<String>,
}

impl<'a, T: Content> Watch<'a, T> {
    fn new(watched: &'a Watched<T>) -> Self {
        Self {
            watched,
            held: watched.first,
            last: None,
            said: None,
        }
    }

    fn take(&mut self, found: Found) {
        let key = self.watched.key;
        if found.digest == self.held {
            (self.last, self.said) = (None, None);
            return;
        }
        let mark = Some((found.digest, found.written.clone()));
        if std::mem::replace(&mut self.last, mark.clone()) != mark {
            return;
        }
        match found.value() {
            Ok(value) => {
                tracing::info!(key, "the file has changed; its new content is in force");
                self.watched.held.store(Arc::new(value));
                (self.held, self.last, self.said) = (found.digest, None, None);
            }
            // What may pass without another write, such as the day on which a certificate begins, is tried again.
            Err(reason) if self.said.as_ref() != Some(&reason) => {
                tracing::error!(key, %reason, "the file cannot be used; its old content stays in force");
                self.said = Some(reason);
            }
            Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Content for String {
        fn parse(files: &[(PathBuf, Vec<u8>)]) -> Result<Self, String> {
            let texts = files
                .iter()
                .map(|(_, bytes)| String::from_utf8_lossy(bytes));
            let text: String = texts.collect();
            match text.is_empty() || text.contains("broken") {
                true => Err(format!("{text:?} cannot be used")),
                false => Ok(text),
            }
        }
    }

    /// Files, and the time at which they are written next.
    struct Files {
        _folder: tempfile::TempDir,
        paths: Vec<PathBuf>,
        time: SystemTime,
    }

    impl Files {
        fn new(texts: &[&str]) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let paths = (0..texts.len()).map(|name| folder.path().join(name.to_string()));
            let paths = paths.collect();
            let mut files = Self {
                _folder: folder,
                paths,
                time: SystemTime::UNIX_EPOCH,
            };
            (0..texts.len()).for_each(|file| files.write(file, texts[file]));
            files
        }

        fn write(&mut self, file: usize, text: &str) {
            self.time += Duration::from_secs(1);
            fs::write(&self.paths[file], text).unwrap();
            let handle = fs::File::options()
                .write(true)
                .open(&self.paths[file])
                .unwrap();
            handle.set_modified(self.time).unwrap();
        }

        fn watched(&self) -> Arc<Watched<String>> {
            Watched::read("a.key", self.paths.clone()).unwrap()
        }

        fn look(&self, watch: &mut Watch<'_, String>) -> String {
            watch.take(Found::look(&self.paths));
            String::clone(&watch.watched.get())
        }
    }

    #[test]
    fn a_file_that_is_being_rewritten_is_taken_up_whole_or_not_at_all() {
        let mut files = Files::new(&["old"]);
        let watched = files.watched();
        let mut watch = Watch::new(&watched);
        for half in ["", "ne", "ne", "", "new"] {
            files.write(0, half);
            assert_eq!(files.look(&mut watch), "old", "{half:?} was found once");
        }
        assert_eq!(files.look(&mut watch), "new");
    }

    #[test]
    fn what_cannot_be_used_leaves_the_old_value_until_it_can() {
        let mut files = Files::new(&["old"]);
        let watched = files.watched();
        let mut watch = Watch::new(&watched);
        for broken in ["", "broken"] {
            files.write(0, broken);
            for _ in 0..3 {
                assert_eq!(files.look(&mut watch), "old");
            }
            assert!(watch.said.as_ref().unwrap().contains("cannot be used"));
        }
        fs::remove_file(&files.paths[0]).unwrap();
        for _ in 0..3 {
            assert_eq!(files.look(&mut watch), "old");
        }
        assert!(watch.said.as_ref().unwrap().contains("cannot read"));
        files.write(0, "old");
        assert_eq!(files.look(&mut watch), "old");
        assert_eq!(watch.said, None);
        files.write(0, "new");
        files.look(&mut watch);
        assert_eq!(files.look(&mut watch), "new");
    }

    #[test]
    fn two_files_that_belong_together_are_taken_up_together() {
        let mut files = Files::new(&["a1 ", "b1"]);
        let watched = files.watched();
        let mut watch = Watch::new(&watched);
        files.write(0, "a2 ");
        assert_eq!(files.look(&mut watch), "a1 b1");
        files.write(1, "b2");
        assert_eq!(files.look(&mut watch), "a1 b1");
        assert_eq!(files.look(&mut watch), "a2 b2");
    }

    #[test]
    fn files_that_cannot_be_used_at_first_are_refused() {
        let files = Files::new(&["broken"]);
        assert!(Watched::<String>::read("a.key", files.paths.clone()).is_err());
        let missing = vec![PathBuf::from("/no/such/file")];
        let reason = Watched::<String>::read("a.key", missing).unwrap_err();
        assert!(reason.contains("cannot read /no/such/file"), "{reason}");
    }
}
