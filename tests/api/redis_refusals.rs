//! What Redis' clients ask for and do not get: commands that would change a counter, wrong keys, wrong numbers.

use super::redis::server;
use crate::support::redis::{Redis, Said};

#[tokio::test]
async fn what_would_change_a_counter_is_refused_in_words_and_changes_nothing() {
    let (server, address) = server(&[]).await;
    let mut redis = Redis::connect(&address).await;
    let id = redis.id("INCR test").await;
    for command in [
        "SET test 5",
        "SETNX test 5",
        "GETSET test 5",
        "DECR test",
        "DECRBY test 5",
        "DEL test",
        "UNLINK test",
        "EXPIRE test 5",
        "RENAME test other",
        "FLUSHALL",
        "EVAL return 0",
        "INCRBYFLOAT test 1.5",
        "MSET test 5",
    ] {
        let name = command.split(' ').next().unwrap();
        let error = redis.error(command).await;
        let expected = format!("ERR {name} is refused: ids only go up");
        assert!(error.starts_with(&expected), "{command}: {error}");
    }
    for (command, expected) in [
        (
            "CLUSTER INFO",
            "ERR This instance has cluster support disabled",
        ),
        ("NOSUCH a b", "ERR unknown command 'NOSUCH'"),
        ("SELECT 1", "ERR there is one database, 0"),
        (
            "CONFIG SET save 1",
            "ERR unknown subcommand or option 'SET' of CONFIG",
        ),
        (
            "CLIENT KILL all",
            "ERR unknown subcommand or option 'KILL' of CLIENT",
        ),
        ("HELLO 4", "NOPROTO unsupported protocol version"),
        (
            "HELLO 3 NOSUCH",
            "ERR unknown subcommand or option 'NOSUCH' of HELLO",
        ),
        ("INCR", "ERR wrong number of arguments for 'incr' command"),
        (
            "incr a b",
            "ERR wrong number of arguments for 'incr' command",
        ),
        (
            "INCRBY test",
            "ERR wrong number of arguments for 'incrby' command",
        ),
    ] {
        let error = redis.error(command).await;
        assert!(error.starts_with(expected), "{command}: {error}");
    }
    assert_eq!(redis.id("INCR test").await, id + 1);
    let rejected = r#"id_alloc_requests_rejected_total{code="method_not_allowed"}"#;
    assert_eq!(server.metric(rejected).await, Some(15.0));
}

#[tokio::test]
async fn wrong_keys_and_numbers_say_what_is_wrong() {
    let (server, address) = server(&[]).await;
    let mut redis = Redis::connect(&address).await;
    let id = redis.id("INCR test").await;
    let long = format!("INCR {}", "x".repeat(129));
    for (command, expected, code) in [
        (
            "INCR nosuch",
            "ERR unknown biz_tag; create it",
            "unknown_tag",
        ),
        (
            "INCRBY nosuch 5",
            "ERR unknown biz_tag; create it",
            "unknown_tag",
        ),
        (
            "INCR _other",
            "ERR a biz_tag may not begin with '_'",
            "invalid_biz_tag",
        ),
        ("INCR ", "ERR need biz_tag param", "missing_biz_tag"),
        (&long, "ERR biz_tag is longer", "invalid_biz_tag"),
        (
            "INCR \u{1}",
            "ERR biz_tag holds a control character",
            "invalid_biz_tag",
        ),
    ] {
        let error = redis.error(command).await;
        assert!(error.starts_with(expected), "{command:?}: {error}");
        assert!(
            error.ends_with(&format!("({code})")),
            "{command:?}: {error}"
        );
    }
    redis.send(b"*2\r\n$4\r\nINCR\r\n$2\r\n\xff\xfe\r\n").await;
    let said = redis.said().await;
    assert_eq!(
        said,
        Said::Error("ERR biz_tag is not valid UTF-8 (invalid_biz_tag)".to_owned())
    );
    for number in [
        "9223372036854775808",
        "-9223372036854775809",
        "many",
        "1.5",
        "",
    ] {
        let error = redis.error(&format!("INCRBY test {number}")).await;
        assert_eq!(
            error, "ERR value is not an integer or out of range",
            "{number}"
        );
    }
    for number in ["0", "-1", "10000001", "9223372036854775807"] {
        let error = redis.error(&format!("INCRBY test {number}")).await;
        let expected =
            "ERR an id is never taken back or repeated: give INCRBY a number from 1 to 10000000";
        assert!(error.starts_with(expected), "{number}: {error}");
    }
    assert_eq!(redis.id("INCR test").await, id + 1);
    server.unharmed().await;
}
