//! What helps at a shell: completions, manual pages, help; and output that nobody reads to its end.

use crate::support::server::{Output, command, run};
use std::process::{Command, Stdio};
use tempfile::TempDir;

const COMMANDS: [&str; 11] = [
    "serve",
    "migrate",
    "tag",
    "guard",
    "config",
    "alloc",
    "health",
    "server",
    "token",
    "completions",
    "man",
];

/// With a configuration and a database that are of no use.
async fn broken(arguments: &[&str]) -> Output {
    let directory = TempDir::new().unwrap();
    let settings = [("server.port", "x"), ("database.url", "mysql://h")];
    let output = run(directory.path(), &settings, arguments).await;
    assert_eq!(output.code, Some(0), "{arguments:?}: {}", output.stderr);
    assert_eq!(output.stderr, "", "{arguments:?}");
    output
}

#[tokio::test]
async fn completions_know_every_command_and_need_no_configuration() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = broken(&["completions", shell]).await.stdout;
        for name in COMMANDS.iter().chain(&["import", "advance", "token-file"]) {
            assert!(script.contains(name), "{shell}: {name}");
        }
    }
    let script = broken(&["completions", "bash"]).await.stdout;
    let directory = TempDir::new().unwrap();
    std::fs::write(directory.path().join("c.bash"), script).unwrap();
    // As bash asks it: the last word is the one before the cursor's.
    let ask = "source ./c.bash; complete -p id-alloc >&2; COMP_WORDS=(id-alloc tag im); COMP_CWORD=2; \
         _id__alloc id-alloc im tag; echo \"${COMPREPLY[@]}\"; \
         COMP_WORDS=(id-alloc server tags --to); COMP_CWORD=3; \
         _id__alloc id-alloc --to tags; echo \"${COMPREPLY[@]}\"";
    let output = Command::new("bash")
        .args(["-c", ask])
        .current_dir(directory.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(
        said.trim(),
        "import\n--token-file",
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[tokio::test]
async fn every_command_has_a_page_and_a_help_that_names_its_options() {
    let directory = TempDir::new().unwrap();
    let folder = directory.path().display().to_string();
    broken(&["man", "--dir", &folder]).await;
    let pages = [
        ("id-alloc.1", &[][..], "Exit codes"),
        ("id-alloc-alloc.1", &["alloc"], "count"),
        ("id-alloc-tag-import.1", &["tag", "import"], "dry"),
        ("id-alloc-server-tags.1", &["server", "tags"], "prefix"),
        ("id-alloc-token-new.1", &["token", "new"], "scope"),
    ];
    for (file, words, part) in pages {
        let page = broken(&[&["man"], words].concat()).await.stdout;
        assert!(page.contains(".SH NAME") && page.contains(part), "{page}");
        let written = std::fs::read_to_string(directory.path().join(file)).unwrap();
        assert!(written.contains(part), "{written}");
        let help = broken(&[words, &["--help"]].concat()).await.stdout;
        assert!(help.contains(part) && help.contains("Example"), "{help}");
    }
    let output = run(directory.path(), &[], &["man", "no", "such"]).await;
    assert_eq!(output.code, Some(64), "{}", output.stderr);
    let output = run(directory.path(), &[], &["man", "--dir", "/no/such"]).await;
    assert_eq!(output.code, Some(64), "{}", output.stderr);
    let help = broken(&["--help"]).await.stdout;
    for name in COMMANDS {
        let found = help.lines().any(|line| line.trim_start().starts_with(name));
        assert!(found, "{name}: {help}");
    }
}

#[tokio::test]
async fn a_reader_that_leaves_early_is_no_failure() {
    let directory = TempDir::new().unwrap();
    for call in [
        &["completions", "zsh"][..],
        &["man"],
        &["config", "check"],
        &["--json", "config", "check"],
    ] {
        let mut child = command(directory.path(), &[])
            .args(call)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // Nobody reads it at all.
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{call:?}: {said}");
        assert_eq!(said, "", "{call:?}");
    }
}
