//! The examples of README and the manual are real: each block of ```` ```console ```` is run from the top of its page to
//! the bottom, by one shell in one empty folder, and what it prints is what the page says it prints.
//!
//! `…` stands for anything. A command that ends in ` &` is a server: the one before it is ended, and the walk goes on when it
//! listens. Ports and the folder are those of the page once more when outputs are compared.

use crate::support::PATIENCE;
use crate::support::database::connect;
use crate::support::flavour::Flavour;
use crate::support::own_database::OwnDatabase;
use crate::support::ports::reserved_port;
use crate::support::server::{Server, cli};
use sea_orm::ConnectionTrait as _;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// The folder in which a reader of the page is said to be.
const FOLDER: &str = "/home/me/id-alloc";
/// Between the outputs of two commands.
const END: &str = "\u{1e}\n";

struct Step {
    command: String,
    expected: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The commands of a page, each with what it is said to print. What a newcomer types to build and start the program is a
/// start of it.
fn steps(page: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut fence: Option<&str> = None;
    for line in page.lines() {
        if let Some(language) = line.strip_prefix("```") {
            fence = fence.is_none().then_some(language);
            continue;
        }
        match (fence, line.strip_prefix("$ ")) {
            (Some("sh"), _) if line.starts_with("cargo run --release") => steps.push(Step {
                command: "id-alloc &".to_owned(),
                expected: "…".to_owned(),
            }),
            (Some("console"), Some(command)) => steps.push(Step {
                command: command.to_owned(),
                expected: String::new(),
            }),
            (Some("console"), None) => {
                let step = steps.last_mut().expect("a command before its output");
                let goes_on = step.command.ends_with('\\') && step.expected.is_empty();
                let text = match goes_on {
                    true => &mut step.command,
                    false => &mut step.expected,
                };
                text.push_str(if goes_on { "\n" } else { "" });
                text.push_str(line);
                text.push_str(if goes_on { "" } else { "\n" });
            }
            _ => {}
        }
    }
    steps
}

/// Whether `text` is `pattern`, in which `…` stands for anything.
fn fits(pattern: &str, text: &str) -> bool {
    let mut pieces = pattern.split('…');
    let Some(mut rest) = pieces.next().and_then(|first| text.strip_prefix(first)) else {
        return false;
    };
    let mut last = None;
    for piece in pieces {
        if let Some(piece) = last.replace(piece) {
            match rest.find(piece) {
                Some(at) => rest = &rest[at + piece.len()..],
                None => return false,
            }
        }
    }
    last.map_or(rest.is_empty(), |last| rest.ends_with(last))
}

/// A shell script of all commands, with a mark after the output of each.
fn script(steps: &[Step]) -> String {
    let mut script = String::from(
        "server=\nstop() { if [ -n \"$server\" ]; then kill -INT \"$server\"; wait \"$server\" 2>/dev/null; fi; }\n\
         trap stop EXIT\nset +m\n# Without a terminal it would draw its progress.\ncurl() { command curl -s \"$@\"; }\n",
    );
    for step in steps {
        match step.command.strip_suffix(" &") {
            Some(server) => script.push_str(&format!(
                "stop\nrm -f started; mkfifo started\n{server} >started 2>>log &\nserver=$!\n\
                 exec 9<started; IFS= read -r -t 30 line <&9; echo \"$line\"\n"
            )),
            None => script.push_str(&format!("{}\n", step.command)),
        }
        script.push_str("printf '\\036\\n'\n");
    }
    script
}

async fn walk(page: &str) {
    let text = std::fs::read_to_string(root().join(page)).unwrap();
    let steps = steps(&text);
    assert!(!steps.is_empty(), "{page} has no examples");
    let folder = TempDir::new().unwrap();
    let folder = folder.path().canonicalize().unwrap();
    let ports = [("8880", reserved_port()), ("9881", reserved_port())];
    let mut script = script(&steps);
    for (shown, port) in &ports {
        script = script.replace(shown, &port.to_string());
    }
    let program = PathBuf::from(env!("CARGO_BIN_EXE_id-alloc"));
    let path = std::env::var("PATH").unwrap();
    let path = format!("{}:{path}", program.parent().unwrap().display());
    let mut shell = tokio::process::Command::new("bash");
    for (name, _) in std::env::vars() {
        if name.starts_with("ID_ALLOC") || name == "IDA_TOKEN" || name.ends_with("_proxy") {
            shell.env_remove(name);
        }
    }
    let output = shell
        .args(["-c", &format!("exec 2>&1\n{script}")])
        .current_dir(&folder)
        .env("PATH", path)
        .env("ID_ALLOC__SERVER__PORT", ports[0].1.to_string())
        // On a busy machine a caller may stand still for seconds between connecting and asking.
        .env("ID_ALLOC__SERVER__HEADER_TIMEOUT", "60s")
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(PATIENCE * 4, output).await;
    let output = output.expect("an end of the walk").expect("bash");
    let mut said = String::from_utf8_lossy(&output.stdout).into_owned();
    for (shown, port) in &ports {
        said = said.replace(&port.to_string(), shown);
    }
    said = said.replace(&folder.display().to_string(), FOLDER);
    let log = std::fs::read_to_string(folder.join("log")).unwrap_or_default();
    let mut printed = said.split(END);
    for step in &steps {
        let printed = printed.next().unwrap_or("(nothing: the shell had ended)");
        assert!(
            fits(step.expected.trim(), printed.trim()),
            "{page}: {}\n--- the page says:\n{}\n--- it printed:\n{printed}\n--- the server's log:\n{log}",
            step.command,
            step.expected
        );
    }
}

#[tokio::test]
#[ignore = "needs curl"]
async fn the_examples_of_the_readme_are_real() {
    walk("README.md").await;
}

#[tokio::test]
#[ignore = "needs curl"]
async fn the_examples_of_the_manual_are_real() {
    for page in ["command-line", "admin-api", "console", "tls", "wire"] {
        walk(&format!("docs/{page}.md")).await;
    }
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn the_users_and_rights_of_the_readme_suffice_in_the_order_given() {
    let text = std::fs::read_to_string(root().join("README.md")).unwrap();
    let (_, rest) = text.split_once("```sql\n").unwrap();
    let (sql, rest) = rest.split_once("```").unwrap();
    let database = OwnDatabase::start(Flavour::MariaDb, &[]).await;
    let administrator = connect(&database.url()).await;
    for statement in sql.split(';').map(str::trim).filter(|sql| !sql.is_empty()) {
        let done = administrator.execute_unprepared(statement).await;
        done.unwrap_or_else(|error| panic!("{statement}: {error}"));
    }
    let urls: Vec<String> = rest
        .split('\'')
        .filter(|text| text.starts_with("mysql://"))
        .map(|url| url.replace("db.internal:3306", &database.address()))
        .collect();
    let [owner, user] = urls.as_slice() else {
        panic!("{urls:?}");
    };
    cli(owner, &["migrate", "up"]).await;
    cli(user, &["tag", "create", "order", "--step", "1000"]).await;
    cli(user, &["migrate", "status"]).await;
    let server = Server::on(user).await;
    assert_eq!(server.get("/alloc?biz_tag=order").await.ids(), [1]);
    let guard = cli(user, &["guard", "status"]).await;
    assert!(guard.contains("guard     on"), "{guard}");
}

#[test]
fn a_page_that_says_something_else_is_noticed() {
    let page = "```console\n$ a \\\n  b\none\ntwo\n$ c\n```\n```sh\n$ d\n```\n";
    let steps = steps(page);
    let commands: Vec<_> = steps.iter().map(|step| step.command.as_str()).collect();
    assert_eq!(commands, ["a \\\n  b", "c"]);
    assert_eq!(steps[0].expected, "one\ntwo\n");
    for (pattern, text) in [
        ("a…c", "abbc"),
        ("…", ""),
        ("a", "a"),
        ("a\n…", "a\nb\nc"),
        ("…b…", "abc"),
    ] {
        assert!(fits(pattern, text), "{pattern:?} {text:?}");
    }
    for (pattern, text) in [
        ("a…c", "abd"),
        ("a", "ab"),
        ("", "a"),
        ("…b", "abc"),
        ("a…b…c", "acb"),
    ] {
        assert!(!fits(pattern, text), "{pattern:?} {text:?}");
    }
}

/// The Markdown files of the project, below a folder.
fn pages(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir()
            && !name.starts_with('.')
            && !["target", "data", "node_modules"].contains(&&*name)
        {
            pages(&path, found);
        } else if name.ends_with(".md") {
            found.push(path);
        }
    }
}

/// The anchors of a page: its headings, as GitHub makes them.
fn anchors(text: &str) -> Vec<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let anchor = |line: &str| {
        let words = line.trim_start_matches('#').trim().to_lowercase();
        let kept = words
            .chars()
            .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    headings.map(anchor).collect()
}

#[test]
fn every_link_between_pages_leads_somewhere() {
    let mut all = Vec::new();
    pages(root(), &mut all);
    let mut links = 0;
    for page in all {
        let text = std::fs::read_to_string(&page).unwrap();
        for rest in text.split("](").skip(1) {
            let target = rest.split([')', ' ']).next().unwrap_or_default();
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let path = match file {
                "" => page.clone(),
                file => page.parent().unwrap().join(file),
            };
            assert!(path.exists(), "{}: {target}", page.display());
            if !anchor.is_empty() && path.extension().is_some_and(|end| end == "md") {
                let there = anchors(&std::fs::read_to_string(&path).unwrap());
                assert!(
                    there.iter().any(|it| it == anchor),
                    "{}: {target}",
                    page.display()
                );
            }
            links += 1;
        }
    }
    assert!(links > 50, "{links}");
}

#[test]
fn the_readme_stays_short() {
    let text = std::fs::read_to_string(root().join("README.md")).unwrap();
    let words = text.split_whitespace().count();
    assert!(
        words < 2000,
        "README.md has {words} words; the manual is in docs/"
    );
}
