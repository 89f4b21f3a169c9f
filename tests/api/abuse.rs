//! Bytes that are hardly HTTP, and HTTP that is hardly a request: each gets an answer or a closed
//! connection, none costs anyone else anything.

use crate::support::PATIENCE;
use crate::support::database::TestDatabase;
use crate::support::local::Local;
use crate::support::raw::{exchange, status};
use crate::support::server::prepare;
use futures_util::StreamExt as _;
use futures_util::stream;

/// What is kept open is closed soon, so that each exchange ends; what is sent is waited for, however slow the machine.
const PATIENT: [(&str, &str); 2] = [
    ("server.header_timeout", "60s"),
    ("server.keep_alive", "1s"),
];
/// What is not sent to its end is given up soon. A slow machine may get 408 for what was.
const IMPATIENT: [(&str, &str); 2] = [("server.header_timeout", "2s"), ("server.keep_alive", "1s")];

/// Sends each of `all` on a connection of its own, some at a time; gives what was said to each.
async fn exchange_all(server: &Local, all: &[Vec<u8>], ends: bool) -> Vec<String> {
    stream::iter(all)
        .map(|bytes| exchange(server, bytes, ends))
        .buffered(64)
        .collect()
        .await
}

/// A request with a head of these lines and this body.
fn request(lines: &[&str], body: &str) -> Vec<u8> {
    format!("{}\r\n\r\n{body}", lines.join("\r\n")).into_bytes()
}

#[tokio::test]
async fn whatever_bytes_come_there_is_an_answer_or_a_closed_connection() {
    let server = Local::start(&PATIENT).await;
    let mut random = fastrand::Rng::with_seed(7);
    let noise = |random: &mut fastrand::Rng| -> Vec<u8> {
        let length = random.usize(..2000);
        (0..length).map(|_| random.u8(..)).collect()
    };
    let count = if crate::support::full() { 20_000 } else { 500 };
    let templates = [
        request(&["GET /alloc?biz_tag=test&count=3 HTTP/1.1", "Host: a"], ""),
        request(&["HEAD /health?biz_tag=test HTTP/1.1", "Host: a"], ""),
        request(
            &[
                "POST /alloc HTTP/1.1",
                "Host: a",
                "Content-Type: application/x-www-form-urlencoded",
                "Content-Length: 12",
            ],
            "biz_tag=test",
        ),
        request(
            &[
                "POST /alloc HTTP/1.1",
                "Host: a",
                "Transfer-Encoding: chunked",
            ],
            "c\r\nbiz_tag=test\r\n0\r\n\r\n",
        ),
    ];
    let mut all = Vec::new();
    for _ in 0..count {
        all.push(noise(&mut random));
        // A real request, or two, with some bytes changed, cut out or doubled.
        let mut bytes = random.choice(&templates).unwrap().clone();
        bytes.extend_from_slice(random.choice(&templates).unwrap());
        for _ in 0..random.usize(1..6) {
            let at = random.usize(..bytes.len());
            match random.u8(..4) {
                0 => bytes[at] = random.u8(..),
                1 => bytes.truncate(at + 1),
                2 => bytes.insert(at, *random.choice(b"\0\r\n \t:%&=/\xff").unwrap()),
                _ => bytes.extend_from_within(at..),
            }
        }
        all.push(bytes);
    }
    let said = exchange_all(&server, &all, true).await;
    assert!(said.iter().any(|said| status(said) == 200));
    assert!(said.iter().any(|said| status(said) == 400));
    let strange: Vec<_> = all
        .iter()
        .zip(&said)
        .filter(|(_, said)| status(said) >= 500 || (!said.is_empty() && status(said) == 0))
        .map(|(bytes, said)| (String::from_utf8_lossy(bytes), said))
        .collect();
    assert!(strange.is_empty(), "{strange:#?}");
    server.unharmed().await;
    // Without the end of the stream, the timeouts have to end it.
    let server = Local::start(&IMPATIENT).await;
    let noise: Vec<_> = (0..64).map(|_| noise(&mut random)).collect();
    exchange_all(&server, &noise, false).await;
    server.unharmed().await;
}

#[tokio::test]
async fn what_is_not_http_gets_400_and_a_closed_connection() {
    let server = Local::start(&PATIENT).await;
    let post = ["POST /alloc?biz_tag=test HTTP/1.1", "Host: a"];
    let with = |more: &[&str], body: &str| request(&[&post[..], more].concat(), body);
    let chunked = "Transfer-Encoding: chunked";
    let all = [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".to_vec(), // TLS
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        request(&["GET"], ""),
        request(&["GET /livez"], ""),
        request(&["GET /livez HTTP/9.9", "Host: a"], ""),
        request(&["G@T[ /livez HTTP/1.1", "Host: a"], ""),
        request(&["GET /livez HTTP/1.1", "Ho st: a"], ""),
        request(&["GET /livez HTTP/1.1", "Host: a", "X: \0"], ""),
        b"GET /alloc?biz_tag=\xff\xfe HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(),
        // Ambiguous lengths are how requests are smuggled past a proxy.
        with(&["Content-Length: 5", chunked], "0\r\n\r\n"),
        with(&[chunked, "Content-Length: 5"], "0\r\n\r\n"),
        with(&["Content-Length: 5", "Content-Length: 6"], "hello!"),
        with(&["Content-Length: -1"], ""),
        with(&["Content-Length: +5"], "hello"),
        with(&["Content-Length: 5, 5"], "hello"),
        with(&["Content-Length: 18446744073709551616"], ""),
        with(&[chunked, chunked], "0\r\n\r\n"),
        with(&[chunked], "zz\r\n\r\n"),
        with(&[chunked], "fffffffffffffffff\r\n\r\n"),
    ];
    for (bytes, said) in all.iter().zip(exchange_all(&server, &all, false).await) {
        let sent = String::from_utf8_lossy(bytes);
        assert_eq!(status(&said), 400, "{sent:?}: {said}");
        assert!(said.matches("HTTP/1.1 ").count() == 1, "{sent:?}: {said}");
    }
    assert_eq!(
        server.get("/alloc?biz_tag=test").await.ids(),
        [1],
        "none of them cost an id"
    );
    server.unharmed().await;
}

#[tokio::test]
async fn a_megabyte_of_head_is_refused_and_a_body_of_the_wrong_length_costs_no_id() {
    let server = Local::start(&PATIENT).await;
    let impatient = Local::start(&IMPATIENT).await;
    let long = "a".repeat(1_000_000);
    let many: Vec<String> = (0..2000).map(|number| format!("X{number}: a")).collect();
    let many = format!("GET /livez HTTP/1.1\r\nHost: a\r\n{}", many.join("\r\n"));
    let query = format!("GET /alloc?biz_tag=test&x={} HTTP/1.1", &long[..60_000]);
    let form = "Content-Type: application/x-www-form-urlencoded";
    let post = ["POST /alloc HTTP/1.1", "Host: a", form];
    let body = |length: &str| request(&[&post[..], &[length]].concat(), "biz_tag=test");
    let all = [
        (request(&[&query, "Host: a"], ""), 413),
        (
            request(&[&format!("GET /alloc?{long} HTTP/1.1"), "Host: a"], ""),
            431,
        ),
        (
            request(&["GET /livez HTTP/1.1", &format!("X: {long}")], ""),
            431,
        ),
        (request(&[&many], ""), 431),
        (body("Content-Length: 13"), 408),
        (body("Content-Length: 1000000"), 408),
    ];
    for (bytes, expected) in all {
        let asked = if expected == 408 { &impatient } else { &server };
        let said = exchange(asked, &bytes, false).await;
        // The server may reset a connection on which more comes than it reads.
        let big = bytes.len() > 100_000;
        let start = String::from_utf8_lossy(&bytes[..60]);
        let right = status(&said) == expected || (big && said.is_empty());
        assert!(right, "{start}: {expected} expected: {said}");
    }
    // What lies past the stated length is the next request, and none.
    let said = exchange(&server, &body("Content-Length: 7"), true).await;
    assert!(said.contains("missing_biz_tag"), "{said}");
    assert_eq!(server.get("/alloc?biz_tag=test").await.ids(), [1]);
    server.unharmed().await;
    let ids = impatient.until("/alloc?biz_tag=test", 200, PATIENCE).await;
    assert_eq!(ids.ids(), [1], "a body that did not come costs no id");
    impatient.unharmed().await;
}

#[tokio::test]
async fn old_and_chunked_http_is_served_and_strange_methods_cost_no_id() {
    let server = Local::start(&PATIENT).await;
    for method in ["get", "FOO", "TRACE", "CONNECT", "PROPFIND"] {
        let line = format!("{method} /alloc?biz_tag=test HTTP/1.1");
        let bytes = request(&[&line, "Host: a", "Connection: close"], "");
        let said = exchange(&server, &bytes, false).await;
        // CONNECT names an authority, no path.
        let expected = if method == "CONNECT" { 400 } else { 405 };
        assert!([expected, 405].contains(&status(&said)), "{method}: {said}");
    }
    let old = request(&["GET /alloc?biz_tag=test HTTP/1.0"], "");
    assert!(exchange(&server, &old, false).await.contains("\"id\":1}"));
    let chunked = request(
        &[
            "POST /alloc HTTP/1.1",
            "Host: a",
            "Content-Type: application/x-www-form-urlencoded",
            "Transfer-Encoding: chunked",
            "Connection: close",
        ],
        "7\r\nbiz_tag\r\n5\r\n=test\r\n0\r\n\r\n",
    );
    assert!(
        exchange(&server, &chunked, false)
            .await
            .contains("\"id\":2}")
    );
    server.unharmed().await;
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn each_encoding_and_number_means_one_thing() {
    let database = TestDatabase::on_mariadb().await;
    prepare(&database.url(), &[("test", 0, 1000), ("a b", 0, 1000)]).await;
    let url = database.url();
    let settings = [&[("database.url", &*url)], &PATIENT[..]].concat();
    let server = Local::start(&settings).await;
    let refused = [
        ("biz_tag=%zz", 404, "unknown_tag"),
        ("biz_tag=%", 404, "unknown_tag"),
        ("biz_tag=test%20", 404, "unknown_tag"),
        ("biz_tag=TEST", 404, "unknown_tag"),
        ("biz_tag=t%C3%A9st", 404, "unknown_tag"),
        ("biz_tag=%00", 400, "invalid_biz_tag"),
        ("biz_tag=test%0D%0Ax:y", 400, "invalid_biz_tag"),
        ("biz_tag=%ff%fe", 400, "invalid_biz_tag"),
        ("biz_tag=%ed%a0%80", 400, "invalid_biz_tag"),
        ("biz_tag=%c0%af", 400, "invalid_biz_tag"),
        ("biz_tag", 400, "missing_biz_tag"),
        ("biz_tag=&biz_tag=test", 400, "missing_biz_tag"),
        ("BIZ_TAG=test", 400, "missing_biz_tag"),
        ("biz_tag=test&count=", 400, "invalid_count"),
        ("biz_tag=test&count=0", 400, "invalid_count"),
        ("biz_tag=test&count=-1", 400, "invalid_count"),
        ("biz_tag=test&count=%2B1", 400, "invalid_count"),
        ("biz_tag=test&count=1.5", 400, "invalid_count"),
        ("biz_tag=test&count=1e3", 400, "invalid_count"),
        ("biz_tag=test&count=0x10", 400, "invalid_count"),
        ("biz_tag=test&count=+1", 400, "invalid_count"),
        ("biz_tag=test&count=1%00", 400, "invalid_count"),
        ("biz_tag=test&count=%D9%A1", 400, "invalid_count"),
        ("biz_tag=test&count=4294967297", 400, "invalid_count"),
        (
            "biz_tag=test&count=99999999999999999999999999",
            400,
            "invalid_count",
        ),
        ("biz_tag=test&count=x&count=1", 400, "invalid_count"),
    ];
    for (query, status, code) in refused {
        let line = format!("GET /alloc?{query} HTTP/1.1");
        let bytes = request(&[&line, "Host: a", "Connection: close"], "");
        let said = exchange(&server, &bytes, false).await;
        assert_eq!(
            crate::support::raw::status(&said),
            status,
            "{query}: {said}"
        );
        assert!(said.contains(code), "{query}: {said}");
    }
    for (query, id) in [
        ("biz_tag=a%20b", 1),
        ("biz_tag=a+b&biz_tag=test", 2),
        ("%62iz_tag=a+b&count=%31", 3),
        ("&&&=&biz_tag=a%20b&count=1&count=7", 4),
    ] {
        let answer = server.get(&format!("/alloc?{query}")).await;
        assert_eq!(answer.ids(), [id], "{query}");
    }
    assert_eq!(server.get("/alloc?biz_tag=test").await.ids(), [1]);
    server.unharmed().await;
}
