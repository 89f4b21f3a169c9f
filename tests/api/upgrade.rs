//! Callers that offer to speak another protocol, as Java's `HttpClient` does with every request, get plain HTTP/1.1 on
//! a connection that stays open.

use crate::support::admin::TokenFile;
use crate::support::local::Local;
use crate::support::raw::{connect, exchange, response, status};
use crate::support::tls::Certificates;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};

/// What Java 17 sends, as it was captured, but for the path.
const JAVA: &str = "Connection: Upgrade, HTTP2-Settings\r\nContent-Length: 0\r\nHost: 127.0.0.1\r\n\
    HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA\r\nUpgrade: h2c\r\nUser-Agent: Java-http-client/17.0.15\r\n";

const OFFERS: [&str; 4] = [
    JAVA,
    "Host: a\r\nconnection: keep-alive, upgrade\r\nupgrade: websocket\r\n",
    "Host: a\r\nUpgrade: h2c,websocket\r\nConnection: keep-alive\r\nConnection: HTTP2-Settings,UPGRADE\r\n",
    "Host: a\r\nConnection: upgrade\r\nUpgrade: TLS/1.0\r\nTransfer-Encoding: chunked\r\n",
];

/// A stream on which nothing but plain, kept-alive answers come.
async fn answers_stay_plain(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) {
    for (method, headers) in ["GET", "POST"]
        .into_iter()
        .cycle()
        .zip(OFFERS)
        .cycle()
        .take(40)
    {
        let body = if headers.contains("chunked") {
            "0\r\n\r\n"
        } else {
            ""
        };
        let request = format!("{method} /alloc?biz_tag=test HTTP/1.1\r\n{headers}\r\n{body}");
        stream
            .write_all(request.as_bytes())
            .await
            .expect("an open connection");
        let said = response(stream).await.to_lowercase();
        assert_eq!(status(&said.to_uppercase()), 200, "{said}");
        assert!(
            !said.contains("upgrade") && !said.contains("connection:"),
            "{said}"
        );
    }
}

#[tokio::test]
async fn an_offer_to_upgrade_is_overlooked_and_the_connection_stays_open() {
    let server = Local::start(&[]).await;
    let mut stream = connect(&server).await;
    answers_stay_plain(&mut stream).await;
    // Who wants it closed gets that, also beside an offer.
    let close =
        "GET /livez HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, close\r\nUpgrade: h2c\r\n\r\n";
    let said = exchange(&server, close.as_bytes(), false).await;
    assert!(said.contains("\r\nconnection: close\r\n"), "{said}");
    server.unharmed().await;
}

#[tokio::test]
async fn an_offer_under_tls_is_overlooked_too() {
    let certificates = Certificates::new();
    let server = certificates.server(&[]).await;
    answers_stay_plain(&mut certificates.connect(&server).await.unwrap()).await;
    certificates.unharmed(&server).await;
}

#[tokio::test]
async fn what_a_body_says_of_offers_is_left_as_it_is() {
    let tokens = TokenFile::new().await;
    let server = Local::start(&[("admin.tokens_file", &tokens.text())]).await;
    let text = "Connection: upgrade, Upgrade: h2c";
    let body = format!("{{\"step\":10,\"description\":\"{text}\"}}");
    let (first, rest) = body.split_at(body.find("Connection").unwrap());
    // The chunk begins as a header would.
    let request = format!(
        "PUT /admin/v1/tags/order HTTP/1.1\r\n{}Authorization: Bearer {}\r\nContent-Type: application/json\r\n\
         Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{first}\r\n{:x}\r\n{rest}\r\n0\r\n\r\n",
        JAVA.replace("Content-Length: 0\r\n", ""),
        tokens.both,
        first.len(),
        rest.len(),
    );
    let mut stream = connect(&server).await;
    stream.write_all(request.as_bytes()).await.unwrap();
    let said = response(&mut stream).await;
    assert_eq!(status(&said), 201, "{said}");
    assert!(said.contains(text), "{said}");
    answers_stay_plain(&mut stream).await;
}
