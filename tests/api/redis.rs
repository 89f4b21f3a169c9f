//! Redis' clients (`wire.redis.bind`): every command that is served. What is refused is in `redis_refusals.rs`, tokens and
//! TLS in `redis_access.rs`, what is slow or too much in `redis_limits.rs`. Real clients are tried by `scripts/redis-test`.

use crate::support::checks::assert_distinct;
use crate::support::local::Local;
use crate::support::redis::{Redis, Said, address, request};

/// A server, and where Redis' clients find it.
pub(super) async fn server(settings: &[(&str, &str)]) -> (Local, String) {
    let address = address();
    let own = [("wire.redis.bind", address.as_str())];
    let server = Local::start(&[&own, settings].concat()).await;
    (server, address)
}

pub(super) fn ok() -> Said {
    Said::Simple("OK".to_owned())
}

#[tokio::test]
async fn ids_come_one_by_one_and_in_ranges_without_a_gap_above_all_that_came_before() {
    let (server, address) = server(&[]).await;
    let mut redis = Redis::connect(&address).await;
    let mut last = 0;
    for count in [1, 2, 999, 1000, 1001, 5_000, 123_456, 1_000_000, 1] {
        let id = redis.id("INCR test").await;
        assert!(id > last, "{id} after {last}");
        let end = redis.id(&format!("INCRBY test {count}")).await;
        // All of them lie above what was answered before.
        assert!(end - count >= id, "{count} up to {end} after {id}");
        last = server.ids("test", 1).await[0];
        assert!(last > end, "{last} after {end}");
    }
    let ids = r#"id_alloc_ids_answered_total{interface="redis"}"#;
    assert_eq!(server.metric(ids).await, Some(1_131_469.0));
    let commands = r#"id_alloc_redis_commands_total{command="incr"}"#;
    assert_eq!(server.metric(commands).await, Some(9.0));
    let open = server.metric("id_alloc_redis_connections").await;
    assert_eq!(open, Some(1.0));
}

#[tokio::test]
async fn a_pipeline_is_answered_in_order_however_it_is_cut() {
    let (server, address) = server(&[]).await;
    for piece in [1, 7, 1000, 100_000] {
        let mut redis = Redis::connect(&address).await;
        let count = if piece == 1 { 50 } else { 5000 };
        let mut bytes = Vec::new();
        for number in 0..count {
            bytes.extend(match number % 3 {
                0 => request("INCR test"),
                1 => request(&format!("ECHO {number}")),
                _ => b"incr test\r\n".to_vec(),
            });
        }
        for bytes in bytes.chunks(piece) {
            redis.send(bytes).await;
        }
        redis.ends().await;
        let mut last = 0;
        for number in 0..count {
            match redis.said().await {
                Said::Integer(id) if number % 3 != 1 => {
                    assert!(id > last, "{id} after {last}");
                    last = id;
                }
                said => assert_eq!(said, Said::Text(number.to_string())),
            }
        }
        redis.is_closed().await;
    }
    server.unharmed().await;
}

#[tokio::test]
async fn no_id_comes_twice_over_many_connections_and_protocols() {
    let (server, address) = server(&[]).await;
    let callers = (0..24_i64).map(|number| {
        let (server, address) = (&server, &address);
        async move {
            let mut redis = Redis::connect(address).await;
            let mut ids = Vec::new();
            for round in 1..40 {
                match number % 3 {
                    0 => ids.push(redis.id("INCR test").await),
                    1 => {
                        let count = round * number % 700 + 1;
                        let last = redis.id(&format!("INCRBY test {count}")).await;
                        ids.extend(last - count + 1..=last);
                    }
                    _ => ids.extend(server.ids("test", 7).await),
                }
            }
            ids
        }
    });
    let ids = futures_util::future::join_all(callers).await.concat();
    assert_distinct(&ids);
}

#[tokio::test]
async fn what_libraries_send_when_they_connect_is_answered() {
    let (_server, address) = server(&[]).await;
    let mut redis = Redis::connect(&address).await;
    let Said::List(hello) = redis.ask("HELLO").await else {
        panic!("no list in RESP2")
    };
    let two = [Said::Text("proto".to_owned()), Said::Integer(2)];
    assert!(hello.chunks(2).any(|pair| pair == two), "{hello:?}");
    assert_eq!(redis.ask("GET nosuch").await, Said::Null);
    let Said::Map(hello) = redis.ask("HELLO 3 SETNAME worker-1").await else {
        panic!("no map in RESP3")
    };
    let three = (Said::Text("proto".to_owned()), Said::Integer(3));
    assert!(hello.contains(&three), "{hello:?}");
    let name = redis.ask("CLIENT GETNAME").await;
    assert_eq!(name, Said::Text("worker-1".to_owned()));
    for command in [
        "CLIENT SETNAME other",
        "CLIENT SETINFO LIB-NAME redis-py",
        "CLIENT NO-EVICT on",
        "SELECT 0",
        "AUTH anything",
        "AUTH name anything",
    ] {
        assert_eq!(redis.ask(command).await, ok(), "{command}");
    }
    assert!(matches!(redis.ask("CLIENT ID").await, Said::Integer(1..)));
    assert!(matches!(
        redis.ask("COMMAND COUNT").await,
        Said::Integer(10..)
    ));
    assert!(matches!(redis.ask("COMMAND").await, Said::List(all) if all.len() >= 10));
    let described = redis.ask("COMMAND INFO incr nosuch").await;
    assert!(matches!(described, Said::List(two) if two.len() == 2 && two[1] == Said::Null));
    assert_eq!(redis.ask("COMMAND DOCS").await, Said::Map(vec![]));
    assert_eq!(redis.ask("CONFIG GET nosuch").await, Said::Map(vec![]));
    let save = (Said::Text("save".to_owned()), Said::Text(String::new()));
    assert_eq!(redis.ask("CONFIG GET SAVE").await, Said::Map(vec![save]));
    let Said::Text(info) = redis.ask("INFO").await else {
        panic!("no text")
    };
    for line in [
        "redis_version:7",
        "loading:0",
        "role:master",
        "redis_mode:standalone",
    ] {
        assert!(info.contains(line), "{line} is not in {info}");
    }
    let Said::Text(info) = redis.ask("info replication").await else {
        panic!("no text")
    };
    assert!(
        info.contains("role:master") && !info.contains("loading"),
        "{info}"
    );
    assert_eq!(redis.ask("PING").await, Said::Simple("PONG".to_owned()));
    assert_eq!(redis.ask("PING hi").await, Said::Text("hi".to_owned()));
    // As when it began: RESP2, no name.
    let reset = redis.ask("RESET").await;
    assert_eq!(reset, Said::Simple("RESET".to_owned()));
    assert_eq!(redis.ask("CLIENT GETNAME").await, Said::Null);
    assert!(matches!(redis.ask("CONFIG GET save").await, Said::List(_)));
    // What follows QUIT is not carried out.
    redis.send(b"QUIT\r\nINCR test\r\n").await;
    assert_eq!(redis.said().await, ok());
    redis.is_closed().await;
    let mut redis = Redis::connect(&address).await;
    assert_eq!(redis.id("INCR test").await, 1);
}

#[tokio::test]
async fn get_tells_the_newest_id_and_takes_none() {
    let (_server, address) = server(&[]).await;
    let mut redis = Redis::connect(&address).await;
    assert_eq!(redis.ask("GET test").await, Said::Null);
    let id = redis.id("INCR test").await;
    for _ in 0..3 {
        assert_eq!(redis.ask("GET test").await, Said::Text(id.to_string()));
    }
    assert_eq!(
        redis.ask("EXISTS test nosuch _no test").await,
        Said::Integer(2)
    );
    assert_eq!(redis.id("INCR test").await, id + 1);
    let last = redis.id("INCRBY test 50").await;
    assert_eq!(redis.ask("GET test").await, Said::Text(last.to_string()));
    // What cannot be a tag is not there, as any other key: .NET's client asks for this one.
    assert_eq!(redis.ask("GET __Booksleeve_TieBreak").await, Said::Null);
}

#[tokio::test]
async fn what_is_sent_between_multi_and_exec_is_carried_out_together_or_not_at_all() {
    let (_server, address) = server(&[]).await;
    let mut redis = Redis::connect(&address).await;
    let queued = Said::Simple("QUEUED".to_owned());
    let id = redis.id("INCR test").await;
    assert_eq!(redis.ask("MULTI").await, ok());
    for command in ["INCR test", "INCRBY test 5", "INCR nosuch", "PING"] {
        assert_eq!(redis.ask(command).await, queued, "{command}");
    }
    let Said::List(answers) = redis.ask("EXEC").await else {
        panic!("no list")
    };
    assert_eq!(answers.len(), 4);
    assert_eq!(answers[..2], [Said::Integer(id + 1), Said::Integer(id + 6)]);
    assert!(matches!(&answers[2], Said::Error(text) if text.contains("unknown biz_tag")));
    assert_eq!(answers[3], Said::Simple("PONG".to_owned()));
    // One that is refused at once takes the others with it, and so does DISCARD.
    assert_eq!(redis.ask("MULTI").await, ok());
    assert_eq!(redis.ask("INCR test").await, queued);
    assert_eq!(
        redis.error("MULTI").await,
        "ERR MULTI calls can not be nested"
    );
    assert!(
        redis
            .error("SET test 1")
            .await
            .starts_with("ERR SET is refused")
    );
    let aborted = "EXECABORT Transaction discarded because of previous errors.";
    assert_eq!(redis.error("EXEC").await, aborted);
    assert_eq!(redis.error("EXEC").await, "ERR EXEC without MULTI");
    assert_eq!(redis.error("DISCARD").await, "ERR DISCARD without MULTI");
    assert_eq!(redis.ask("MULTI").await, ok());
    assert_eq!(redis.ask("INCR test").await, queued);
    assert_eq!(redis.ask("DISCARD").await, ok());
    // So many commands are not kept.
    assert_eq!(redis.ask("MULTI").await, ok());
    let mut said = queued.clone();
    while said == queued {
        said = redis.ask("INCR test").await;
    }
    assert!(matches!(said, Said::Error(text) if text.contains("longer than 65536 bytes")));
    assert_eq!(redis.error("EXEC").await, aborted);
    assert_eq!(redis.id("INCR test").await, id + 7);
}
