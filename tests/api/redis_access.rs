//! Which of Redis' clients are let in: by a token, as over HTTP, and over TLS where HTTP is.

use super::redis::{ok, server};
use crate::support::PATIENCE;
use crate::support::admin::{new_token, write};
use crate::support::redis::{Redis, Said, address, request};
use crate::support::tls::{Certificates, open};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

#[tokio::test]
async fn a_token_is_needed_where_http_needs_one_and_allows_the_same_tags() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("tokens.toml");
    let (token, entry) = new_token(&["shop", "--tags", "test"]).await;
    let (other, other_entry) = new_token(&["other", "--tags", "order"]).await;
    write(&file, &format!("{entry}\n{other_entry}"));
    let (server, address) = server(&[("alloc.tokens_file", &file.display().to_string())]).await;
    let mut redis = Redis::connect(&address).await;
    for command in [
        "INCR test",
        "INCR _no",
        "GET test",
        "EXISTS test",
        "EXISTS _no",
        "PING",
        "INFO",
        "SET test 1",
        "NOSUCH",
    ] {
        let error = redis.error(command).await;
        assert!(
            error.starts_with("NOAUTH Authentication required"),
            "{command}: {error}"
        );
    }
    assert!(
        redis
            .error("HELLO 3")
            .await
            .starts_with("NOAUTH HELLO must be called")
    );
    for wrong in [
        "AUTH nosuch".to_owned(),
        format!("AUTH other {token}"),
        "AUTH shop nosuch".to_owned(),
    ] {
        let error = redis.error(&wrong).await;
        assert!(
            error.starts_with("WRONGPASS invalid username-password pair"),
            "{wrong}: {error}"
        );
        assert!(redis.error("INCR test").await.starts_with("NOAUTH"));
    }
    assert_eq!(redis.ask(&format!("AUTH shop {token}")).await, ok());
    assert_eq!(redis.id("INCR test").await, 1);
    let denied = "NOPERM not allowed with this token: it is for other biz_tags (forbidden)";
    for command in ["INCR order", "INCRBY order 5", "GET order", "EXISTS order"] {
        assert_eq!(redis.error(command).await, denied, "{command}");
    }
    // A token alone, as in a URL without a user, and with the handshake of RESP3.
    for call in [format!("AUTH {token}"), format!("AUTH default {token}")] {
        let mut redis = Redis::connect(&address).await;
        assert_eq!(redis.ask(&call).await, ok());
        redis.id("INCR test").await;
    }
    let mut third = Redis::connect(&address).await;
    let hello = third.ask(&format!("HELLO 3 AUTH default {token}")).await;
    assert!(matches!(hello, Said::Map(_)), "{hello:?}");
    third.id("INCR test").await;
    // Another may log in on the same connection; RESET forgets both.
    assert_eq!(third.ask(&format!("AUTH {other}")).await, ok());
    assert_eq!(third.error("INCR test").await, denied);
    third.ask("RESET").await;
    assert!(third.error("PING").await.starts_with("NOAUTH"));
    // A token that is taken out of the file is worth nothing, on an open connection too.
    write(&file, &other_entry);
    let gone = |said: &Said| matches!(said, Said::Error(text) if text.starts_with("WRONGPASS"));
    redis.until("INCR test", gone).await;
    let denied = r#"id_alloc_requests_rejected_total{code="unauthorized"}"#;
    assert!(server.metric(denied).await.unwrap() > 15.0);
}

#[tokio::test]
async fn redis_clients_are_served_over_tls_where_http_is() {
    let (certificates, address) = (Certificates::new(), address());
    let server = certificates.server(&[("wire.redis.bind", &address)]).await;
    let connector = certificates.connector(&[]);
    let mut redis = Redis::over(open(&connector, &address).await.unwrap());
    assert_eq!(redis.id("INCR test").await, 1);
    for _ in 0..20 {
        redis.send(&request("INCR test").repeat(1000)).await;
        for _ in 0..1000 {
            assert!(matches!(redis.said().await, Said::Integer(_)));
        }
    }
    assert_eq!(redis.ask("QUIT").await, ok());
    redis.is_closed().await;
    let strange = Certificates::new().connector(&[]);
    open(&strange, &address).await.unwrap_err();
    // Who does not speak TLS gets no answer.
    let (mut plain, mut said) = (TcpStream::connect(&address).await.unwrap(), Vec::new());
    plain.write_all(b"PING\r\n").await.unwrap();
    let reading = plain.read_to_end(&mut said);
    let _ = tokio::time::timeout(PATIENCE, reading)
        .await
        .expect("closed");
    assert!(!said.starts_with(b"+"), "{said:?}");
    certificates.unharmed(&server).await;
}
