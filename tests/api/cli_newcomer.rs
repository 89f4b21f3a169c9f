//! What a newcomer tries first: a tag in an empty folder, a token in a file.

use crate::support::admin::Client;
use crate::support::server::{Output, Server, run};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;

async fn call(folder: &Path, arguments: &[&str]) -> Output {
    run(folder, &[], arguments).await
}

async fn done(folder: &Path, arguments: &[&str]) -> Output {
    let output = call(folder, arguments).await;
    assert_eq!(output.code, Some(0), "{arguments:?}: {}", output.stderr);
    output
}

#[tokio::test]
async fn a_tag_is_made_in_an_empty_folder_and_each_change_says_where_it_was_written() {
    let folder = Arc::new(TempDir::new().unwrap());
    let path = folder.path().canonicalize().unwrap();
    let file = path.join("data/id-alloc.db");
    let place = format!("written to table segments of sqlite://{}\n", file.display());
    let created = done(&path, &["tag", "create", "order", "--step", "100"]).await;
    assert_eq!(
        created.stdout,
        "created order: the first id is 1, step 100\n"
    );
    assert_eq!(created.stderr, place);
    for change in [
        &["tag", "set", "order", "--step", "50"][..],
        &["tag", "advance", "order", "--by", "10"],
        &["tag", "delete", "order", "--confirm", "order"],
    ] {
        assert_eq!(done(&path, change).await.stderr, place, "{change:?}");
    }
    for look in [
        &["tag", "list"][..],
        &["tag", "show", "order"],
        &["migrate", "up"],
    ] {
        assert_eq!(done(&path, look).await.stderr, "", "{look:?}");
    }
    std::fs::write(path.join("tags.csv"), "biz_tag,step\nshop,10\n").unwrap();
    let imported = done(&path, &["tag", "import", "tags.csv"]).await;
    assert!(imported.stderr.ends_with(&place), "{}", imported.stderr);
    let again = done(&path, &["tag", "import", "tags.csv"]).await;
    assert!(!again.stderr.contains("written"), "{}", again.stderr);
    // A server finds them there, and adds none of its own.
    let server = Server::start_in(folder, &[]).await;
    assert_eq!(server.get("/alloc?biz_tag=shop").await.ids(), [1]);
    assert_eq!(
        server.get("/alloc?biz_tag=test").await.code(),
        "unknown_tag"
    );
}

#[tokio::test]
async fn an_import_into_an_empty_folder_makes_what_it_needs_and_a_dry_run_nothing() {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("tags.csv"), "biz_tag,step\nshop,10\n").unwrap();
    let import = ["tag", "import", "tags.csv", "--dry-run"];
    call(folder.path(), &import).await;
    assert!(!folder.path().join("data").exists());
    done(folder.path(), &import[..3]).await;
    let shown = done(folder.path(), &["tag", "show", "shop"]).await;
    assert!(shown.stdout.contains("step         10"), "{}", shown.stdout);
}

#[tokio::test]
async fn a_token_is_written_to_a_file_of_its_own_and_its_entry_is_one_to_append() {
    let folder = Arc::new(TempDir::new().unwrap());
    let new = ["token", "new", "ops", "--scope", "read", "--write", "token"];
    let output = done(folder.path(), &new).await;
    let file = folder.path().join("token");
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let token = std::fs::read_to_string(&file).unwrap();
    let token = token.trim();
    assert!(token.starts_with("ida_"), "{token}");
    for said in [&output.stdout, &output.stderr] {
        assert!(!said.contains(token), "the token is shown");
    }
    // Two entries, one after the other, are a file of tokens.
    let second = [
        "token", "new", "dev", "--scope", "read", "--write", "second",
    ];
    let entries = format!(
        "{}{}",
        output.stdout,
        done(folder.path(), &second).await.stdout
    );
    std::fs::write(folder.path().join("tokens.toml"), entries).unwrap();
    let again = call(folder.path(), &new).await;
    assert_eq!(again.code, Some(64));
    assert!(again.stderr.contains("exists already"), "{}", again.stderr);
    assert_eq!(std::fs::read_to_string(&file).unwrap().trim(), token);

    let server = Server::start_in(folder, &[("admin.tokens_file", "tokens.toml")]).await;
    let admin = Client::new(&server.base, token);
    admin.done(200, "GET", "/admin/v1/tags", None).await;
}
