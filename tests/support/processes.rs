//! An end of all processes that belong to a directory: those that a process of ours has started, and
//! theirs, outlive it when it is killed.

use std::collections::HashSet;
use std::path::Path;
use std::process::{Command, Stdio};

/// Kills all that carries `directory` in its command line, their children too, until none is left.
pub(super) fn end_all_of(directory: &Path) {
    let mark = format!("{}", directory.display());
    for _ in 0..200 {
        let left = processes_of(&mark);
        if left.is_empty() {
            return;
        }
        // One that has ended meanwhile is an error, which does not matter.
        let _ = Command::new("kill")
            .arg("-KILL")
            .args(left.iter().map(u32::to_string))
            .stderr(Stdio::null())
            .status();
    }
    eprintln!("processes of {mark} do not end: {:?}", processes_of(&mark));
}

fn processes_of(mark: &str) -> HashSet<u32> {
    let mut found = HashSet::new();
    let mut parents = Vec::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        // A zombie, which only waits for its parent, has no command line.
        let Ok(line) = std::fs::read(entry.path().join("cmdline")) else {
            continue;
        };
        if line.is_empty() || pid == std::process::id() {
            continue;
        }
        if String::from_utf8_lossy(&line).contains(mark) {
            found.insert(pid);
        }
        let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        // pid (name) state parent …
        let parent = stat
            .rsplit(") ")
            .next()
            .and_then(|rest| rest.split(' ').nth(1));
        if let Some(parent) = parent.and_then(|parent| parent.parse::<u32>().ok()) {
            parents.push((pid, parent));
        }
    }
    loop {
        let before = found.len();
        for (pid, parent) in &parents {
            if found.contains(parent) {
                found.insert(*pid);
            }
        }
        if found.len() == before {
            return found;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_name_a_directory_end_with_their_children_and_others_live() {
        let directory = tempfile::TempDir::new().expect("a directory");
        let other = tempfile::TempDir::new().expect("a directory");
        let start = |directory: &Path| {
            Command::new("sh")
                .args(["-c", "sleep 60 & wait"])
                .arg(directory)
                .spawn()
                .expect("a shell")
        };
        let (mut ours, mut theirs) = (start(directory.path()), start(other.path()));
        let mark = directory.path().display().to_string();
        // The shell and, as soon as it has forked, its child.
        while processes_of(&mark).len() < 2 {
            std::thread::yield_now();
        }
        end_all_of(directory.path());
        ours.wait().expect("wait");
        assert!(theirs.try_wait().expect("wait").is_none());
        while processes_of(&other.path().display().to_string()).len() < 2 {
            std::thread::yield_now();
        }
        end_all_of(other.path());
        theirs.wait().expect("wait");
    }
}
