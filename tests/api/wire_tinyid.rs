//! tinyid's callers: what its Java client sends, byte for byte, and what it was seen to accept; every path by query and
//! form; refusals with 200.

use crate::support::admin::write;
use crate::support::checks::assert_distinct;
use crate::support::local::Local;
use crate::support::raw::{connect, response};
use id_alloc::auth::TokenHash;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

const ON: (&str, &str) = ("wire.tinyid", "true");

/// As `tinyid-client` sends it, captured from `HttpURLConnection` of Java 17.
fn captured(token: &str, tag: &str) -> String {
    format!(
        "POST /tinyid/id/nextSegmentIdSimple?token={token}&bizType={tag} HTTP/1.1\r\n\
         Cache-Control: no-cache\r\nPragma: no-cache\r\nUser-Agent: Java/17.0.15\r\nHost: 127.0.0.1:9999\r\n\
         Accept: text/html, image/gif, image/jpeg, */*; q=0.2\r\nConnection: keep-alive\r\n\
         Content-type: application/x-www-form-urlencoded\r\nContent-Length: 0\r\n\r\n"
    )
}

/// A segment as its client reads it: five numbers, and nothing that it stumbles over.
fn segment(said: &str) -> [i64; 5] {
    assert!(said.starts_with("HTTP/1.1 200"), "{said}");
    let (_, body) = said.split_once("\r\n\r\n").unwrap();
    let fields: Vec<i64> = body
        .split(',')
        .map(|field| field.parse().expect(body))
        .collect();
    let fields: [i64; 5] = fields.try_into().expect(body);
    let [current, loading, last, delta, remainder] = fields;
    assert!(current <= loading && loading <= last, "{body}");
    assert!((0..delta).contains(&remainder), "{body}");
    fields
}

/// The ids that its client hands out of a segment.
fn ids([current, _, last, delta, remainder]: [i64; 5]) -> impl Iterator<Item = i64> {
    (current + 1..=last).filter(move |id| id % delta == remainder)
}

async fn ask(stream: &mut TcpStream, request: &str) -> String {
    stream.write_all(request.as_bytes()).await.unwrap();
    response(stream).await
}

#[tokio::test]
async fn segments_of_its_java_client_and_single_ids_of_others_are_distinct() {
    let server = Local::start(&[ON]).await;
    let (mut one, mut other) = (connect(&server).await, connect(&server).await);
    let mut taken = Vec::new();
    for _ in 0..5 {
        for stream in [&mut one, &mut other] {
            let segment = segment(&ask(stream, &captured("any", "test")).await);
            assert_eq!(ids(segment).count(), 100_000, "as large as the row's step");
            assert_eq!(
                segment[1],
                segment[0] + 20_000,
                "its client asks again a fifth in"
            );
            taken.extend(ids(segment));
        }
        taken.extend(server.ids("test", 7).await);
        let answer = server
            .get("/tinyid/id/nextIdSimple?bizType=test&batchSize=3")
            .await;
        taken.extend(answer.body.split(',').map(|id| id.parse::<i64>().unwrap()));
    }
    assert_eq!(taken[0], 1);
    assert_distinct(&taken);
    let answered = server
        .metric("id_alloc_ids_answered_total{interface=\"tinyid\"}")
        .await;
    assert_eq!(answered, Some(1_000_015.0));
}

#[tokio::test]
async fn every_path_answers_as_tinyid_does_by_query_and_form_get_and_post() {
    let server = Local::start(&[ON]).await;
    let json = "application/json;charset=UTF-8";
    let answer = server.get("/tinyid/id/nextId?bizType=test&token=t").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, json));
    assert_eq!(answer.body, r#"{"data":[1],"code":200,"message":""}"#);
    let answer = server
        .post("/tinyid/id/nextId", "bizType=test&token=t&batchSize=2")
        .await;
    assert_eq!(answer.body, r#"{"data":[2,3],"code":200,"message":""}"#);
    let answer = server
        .post("/tinyid/id/nextIdSimple?bizType=test", "token=t")
        .await;
    assert_eq!(answer.header("content-type"), "text/plain;charset=UTF-8");
    assert_eq!(answer.body, "4");
    let answer = server
        .get("/tinyid/id/nextIdSimple?bizType=test&batchSize=3")
        .await;
    assert_eq!(answer.body, "5,6,7");
    let answer = server
        .get("/tinyid/id/nextIdSimple?bizType=test&batchSize=")
        .await;
    assert_eq!(answer.body, "8");
    let answer = server.get("/tinyid/id/nextSegmentId?bizType=test").await;
    let body = answer.json();
    let data = &body["data"];
    assert_eq!((&body["code"], &body["message"]), (&json!(200), &json!("")));
    assert_eq!((&data["delta"], &data["remainder"]), (&json!(1), &json!(0)));
    let [current, loading, last] =
        ["currentId", "loadingId", "maxId"].map(|field| data[field].as_i64().unwrap());
    assert!(current >= 8, "{body}");
    assert_eq!((loading, last), (current + 20_000, current + 100_000));
    let order = format!(
        r#"{{"data":{{"maxId":{last},"loadingId":{loading},"currentId":{current},"delta":1,"remainder":0}},"code":200,"message":""}}"#
    );
    assert_eq!(answer.body, order);
}

#[tokio::test]
async fn refusals_are_200_with_its_codes_and_empty_where_simple_with_the_reason_in_a_header() {
    let server = Local::start(&[ON, ("limits.max_count", "100")]).await;
    for (query, code, why) in [
        ("bizType=nosuch", 5, "unknown_tag: "),
        ("bizType=Test", 5, "unknown_tag: "),
        ("bizType=_x", 5, "invalid_biz_tag: "),
        ("bizType=", 5, "missing_biz_tag: "),
        ("token=t", 5, "missing_biz_tag: "),
    ] {
        for path in ["nextId", "nextSegmentId"] {
            let answer = server.get(&format!("/tinyid/id/{path}?{query}")).await;
            assert_eq!(answer.status, 200, "{query}");
            assert_eq!(
                answer.json(),
                json!({"data": null, "code": code, "message": "token is error"}),
                "{query}"
            );
            let answer = server
                .get(&format!("/tinyid/id/{path}Simple?{query}"))
                .await;
            assert_eq!((answer.status, answer.body.as_str()), (200, ""), "{query}");
            assert_eq!(answer.header("content-length"), "0");
            assert!(
                answer.header("x-id-alloc-error").starts_with(why),
                "{query}"
            );
        }
    }
    for none in ["0", "-1"] {
        let query = format!("bizType=test&batchSize={none}");
        let answer = server.get(&format!("/tinyid/id/nextId?{query}")).await;
        assert_eq!(answer.body, r#"{"data":[],"code":200,"message":""}"#);
        let answer = server
            .get(&format!("/tinyid/id/nextIdSimple?{query}"))
            .await;
        assert_eq!((answer.status, answer.body.as_str()), (200, ""));
    }
    for text in ["x", "1.5", "9223372036854775808"] {
        let answer = server
            .get(&format!("/tinyid/id/nextId?bizType=test&batchSize={text}"))
            .await;
        assert_eq!(
            (answer.status, &answer.json()["status"]),
            (400, &json!(400))
        );
    }
    let answer = server
        .get("/tinyid/id/nextId?bizType=test&batchSize=101")
        .await;
    assert_eq!((answer.status, &answer.json()["code"]), (200, &json!(6)));
    let rejected = server
        .metric("id_alloc_requests_rejected_total{code=\"unknown_tag\"}")
        .await;
    assert_eq!(rejected, Some(8.0));
    assert_eq!(server.ids("test", 1).await, [1], "nothing was lost");
}

#[tokio::test]
async fn up_to_a_hundred_thousand_ids_come_where_the_limit_lets_them() {
    let server = Local::start(&[ON, ("limits.max_count", "1000000")]).await;
    let answer = server
        .get("/tinyid/id/nextId?bizType=test&batchSize=2147483647")
        .await;
    let ids: Vec<i64> = serde_json::from_value(answer.json()["data"].clone()).unwrap();
    assert_eq!(ids.len(), 100_000);
    assert_distinct(&ids);
}

#[tokio::test]
async fn its_tokens_are_those_of_the_file_in_query_form_or_header() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("tokens.toml");
    // As tinyid has them, which are not made by id-alloc.
    let token = "0f673adf80504e2eaa552f5d791b644c";
    write(
        &file,
        &format!(
            "[[token]]\nname = \"shop\"\ntags = [\"test\"]\nhash = \"{}\"\n",
            TokenHash::of(token)
        ),
    );
    let file = file.display().to_string();
    let server = Local::start(&[ON, ("alloc.tokens_file", &file)]).await;
    let mut stream = connect(&server).await;
    segment(&ask(&mut stream, &captured(token, "test")).await);
    let refused = ask(&mut stream, &captured("wrong", "test")).await;
    assert!(
        refused.starts_with("HTTP/1.1 200") && refused.ends_with("\r\n\r\n"),
        "{refused}"
    );
    segment(&ask(&mut stream, &captured(token, "test")).await);
    let body = server
        .post("/tinyid/id/nextId", &format!("bizType=test&token={token}"))
        .await
        .json();
    assert_eq!(body["code"], 200, "{body}");
    for query in [
        "bizType=test",
        "bizType=test&token=",
        "bizType=test&token=x",
        &format!("bizType=other&token={token}"),
    ] {
        let body: Value = server
            .get(&format!("/tinyid/id/nextId?{query}"))
            .await
            .json();
        assert_eq!(
            body,
            json!({"data": null, "code": 5, "message": "token is error"}),
            "{query}"
        );
    }
}
