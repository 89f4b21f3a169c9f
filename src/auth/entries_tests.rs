//! Tests of `entries.rs`.

use super::*;
use crate::auth::generate;

#[test]
fn a_new_token_is_known_by_the_hash_that_is_printed_with_it() {
    let token = generate().unwrap();
    assert_eq!(token.len(), 4 + 64);
    assert_ne!(token, generate().unwrap());
    let hash = TokenHash::of(&token);
    let text = format!("[[token]]\nname = \"a\"\nscopes = [\"read\"]\nhash = \"{hash}\"\n");
    let tokens: Vec<AdminToken> = parse(&text).unwrap();
    assert_eq!(tokens[0].hash, hash);
    assert_eq!(tokens[0].scopes, [Scope::Read]);
}

#[test]
fn mistakes_are_named_and_nothing_of_the_file_is_quoted() {
    let hash = TokenHash::of("x");
    for (entry, part) in [
        (
            "name = \"a\"\nscopes = [\"read\"]\nhash = \"hunter2\"".to_owned(),
            "sha256:",
        ),
        (
            format!("name = \"a\"\nscopes = [\"hunter2\"]\nhash = \"{hash}\""),
            "`read` or `write`",
        ),
        (
            format!("name = \"a\"\nscopes = \"hunter2\"\nhash = \"{hash}\""),
            "sequence",
        ),
        (
            format!("name = \"a\"\nscopes = []\nhash = \"{hash}\""),
            "scopes is empty",
        ),
        (
            format!("name = \"a\"\nscope = \"hunter2\"\nhash = \"{hash}\""),
            "scope",
        ),
        ("name = \"a\"\nscopes = [\"read\"]".to_owned(), "hash"),
        ("name = \"hunter2\nscopes".to_owned(), "line"),
    ] {
        let problem = parse::<AdminToken>(&format!("[[token]]\n{entry}\n")).unwrap_err();
        assert!(problem.contains(part), "{entry}: {problem}");
        assert!(!problem.contains("hunter2"), "{problem}");
    }
}

#[test]
fn a_file_without_entries_is_told_what_it_needs() {
    let token = generate().unwrap();
    for text in [
        token.clone(),
        format!("token = \"{token}\""),
        format!("[[tokens]]\nname = \"{token}\""),
        "[server]\nport = 1".to_owned(),
    ] {
        let problem = parse::<AllocToken>(&text).unwrap_err();
        let said = "it needs the [[token]] entries that `id-alloc token new` prints";
        assert!(problem.contains(said), "{problem}");
        assert!(!problem.contains(&token), "{problem}");
    }
}

#[test]
fn a_beginning_with_a_star_allows_all_names_that_begin_so() {
    let token = AllocToken {
        ids_per_second: None,
        ids_per_day: None,
        name: "a".into(),
        tags: vec!["order".into(), "shop.*".into()],
        hash: TokenHash::of("x"),
    };
    for (tag, allowed) in [
        ("order", true),
        ("orders", false),
        ("shop.a", true),
        ("shop", false),
    ] {
        assert_eq!(token.allows(tag), allowed, "{tag}");
    }
}

#[test]
fn an_empty_file_is_no_list_of_tokens_and_a_comment_alone_is_one_without_any() {
    for text in ["", " \n\n"] {
        let problem = parse::<AllocToken>(text).unwrap_err();
        assert!(problem.contains("is empty"), "{problem}");
    }
    assert_eq!(parse::<AllocToken>("# nobody\n").unwrap(), []);
}
