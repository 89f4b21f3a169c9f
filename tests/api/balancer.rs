//! Behind a load balancer: real HAProxy with `deploy/haproxy.cfg`, three servers on one table, each with
//! a link of its own to the database. A caller notices nothing of what happens to one of them.

use crate::support::callers::Callers;
use crate::support::database::TestDatabase;
use crate::support::haproxy::{HaProxy, NAMES};
use crate::support::http::{Response, send};
use crate::support::member::Member;
use crate::support::proxy::Link;
use crate::support::server::prepare;
use crate::support::{PATIENCE, eventually, full, raw};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

const TAGS: &[&str] = &["order", "invoice"];
const CALLERS: usize = 8;
/// Claims of this size whatever the load is, so that ids can be used up.
const SMALL_CLAIMS: [(&str, &str); 2] = [
    ("allocation.max_step", "100"),
    ("allocation.outage_budget", "100ms"),
];
/// Checks follow each other fast, so that the tests are quick. In full: as shipped.
const FAST: &[(&str, &str)] = &[("ID_ALLOC_CHECK", "100ms")];

/// Three servers and HAProxy in front of them.
async fn balanced(
    database: &TestDatabase,
    settings: &[(&str, &str)],
    balancer: &[(&str, &str)],
) -> ([Member; 3], HaProxy) {
    let members = [
        Member::start(database, settings).await,
        Member::start(database, settings).await,
        Member::start(database, settings).await,
    ];
    let bases = members.each_ref().map(|member| member.server.base.as_str());
    let haproxy = HaProxy::before(bases, balancer).await;
    (members, haproxy)
}

async fn get(base: &str, path: &str) -> Response {
    let client = reqwest::Client::new();
    send(&client, base, "GET", path, None).await.expect(path)
}

#[tokio::test]
#[ignore = "needs HAProxy"]
async fn a_server_without_ids_and_database_leaves_after_two_checks_and_comes_back() {
    let database = TestDatabase::on_mariadb().await;
    prepare(&database.url(), &[("order", 0, 100), ("invoice", 0, 100)]).await;
    // Checks as shipped: once a second.
    let (members, haproxy) = balanced(&database, &SMALL_CLAIMS, &[]).await;
    let callers = Callers::start(&haproxy.base, TAGS, CALLERS);
    callers.more(100).await;
    let [member, ..] = &members;
    let before = haproxy.look("id_alloc", NAMES[0]).await;

    for tag in TAGS {
        member.use_up(tag).await;
    }
    member.server.until("/health", 503, PATIENCE).await;
    let consents = member.checks(200).await;
    let down = haproxy.until("id_alloc", NAMES[0], "DOWN").await;
    let failed = down.count("chkfail") - before.count("chkfail");
    assert_eq!(failed, 2, "checks that failed until it left");
    assert_eq!(member.checks(200).await, consents, "it never consented");

    // Callers, who were served all the while, are served by the others.
    let sessions = haproxy.look("id_alloc", NAMES[0]).await.count("stot");
    callers.more(200).await;
    let now = haproxy.look("id_alloc", NAMES[0]).await;
    assert_eq!((now.status(), now.count("stot")), ("DOWN", sessions));
    for other in &NAMES[1..] {
        let look = haproxy.look("id_alloc", other).await;
        assert_eq!((look.status(), look.count("chkdown")), ("UP", 0), "{other}");
    }

    member.link.set(Link::Up);
    haproxy.until("id_alloc", NAMES[0], "UP").await;
    eventually("requests to it", PATIENCE, async || {
        let look = haproxy.look("id_alloc", NAMES[0]).await;
        (look.count("stot") > sessions).then_some(())
    })
    .await;
    callers.more(100).await;
    callers.end().await;
}

#[tokio::test]
#[ignore = "needs HAProxy"]
async fn one_broken_tag_and_one_that_is_used_up_take_no_server_out() {
    let database = TestDatabase::on_mariadb().await;
    let names = ["order", "invoice", "broken", "last"];
    prepare(&database.url(), &names.map(|name| (name, 0, 100))).await;
    let rows = [
        "UPDATE segments SET step = 0 WHERE biz_tag = 'broken'",
        "UPDATE segments SET max_id = 9223372036854775807 WHERE biz_tag = 'last'",
    ];
    database.execute(&rows).await;
    let (members, haproxy) = balanced(&database, &[], FAST).await;
    let callers = Callers::start(&haproxy.base, TAGS, CALLERS);

    let mut since = Vec::new();
    for member in &members {
        since.push(member.checks(200).await);
    }
    let seen = async |member: &Member, since: u64| member.checks(200).await >= since + 10;
    // As many checks as would take each server out five times.
    for (member, since) in members.iter().zip(since) {
        while !seen(member, since).await {
            let cases = [
                ("/alloc?biz_tag=broken", 500, "tag_misconfigured"),
                ("/alloc?biz_tag=last", 503, "tag_exhausted"),
                ("/alloc?biz_tag=nobody", 404, "unknown_tag"),
            ];
            for (path, status, code) in cases {
                let answer = get(&haproxy.base, path).await;
                assert_eq!((answer.status, answer.code()), (status, code.to_owned()));
            }
        }
    }
    callers.more(100).await;
    callers.end().await;
    for name in NAMES {
        let look = haproxy.look("id_alloc", name).await;
        assert_eq!(look.status(), "UP", "{name}");
        assert_eq!((look.count("chkfail"), look.count("chkdown")), (0, 0));
    }
}

#[tokio::test]
#[ignore = "needs HAProxy"]
async fn a_check_of_one_tag_takes_a_server_out_for_that_tag_alone() {
    let database = TestDatabase::on_mariadb().await;
    prepare(&database.url(), &[("order", 0, 100), ("invoice", 0, 100)]).await;
    let vital = [FAST, &[("ID_ALLOC_VITAL_TAG", "order")]].concat();
    let (members, haproxy) = balanced(&database, &SMALL_CLAIMS, &vital).await;
    for name in NAMES {
        haproxy.until("id_alloc_vital", name, "UP").await;
    }
    let [member, ..] = &members;
    // Invoices are left in its memory.
    member.server.ids("invoice", 1).await;
    member.use_up("order").await;
    haproxy.until("id_alloc_vital", NAMES[0], "DOWN").await;

    let sessions = async |backend| haproxy.look(backend, NAMES[0]).await.count("stot");
    let before = sessions("id_alloc_vital").await;
    let callers = Callers::start(&haproxy.base, &["order"], 4);
    callers.more(100).await;
    callers.end().await;
    assert_eq!(sessions("id_alloc_vital").await, before);

    // For other tags it is well, and asked.
    let before = sessions("id_alloc").await;
    for _ in 0..9 {
        let answer = get(&haproxy.base, "/alloc?biz_tag=invoice").await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    assert!(sessions("id_alloc").await >= before + 3);
    let look = haproxy.look("id_alloc", NAMES[0]).await;
    assert_eq!((look.status(), look.count("chkfail")), ("UP", 0));

    member.link.set(Link::Up);
    haproxy.until("id_alloc_vital", NAMES[0], "UP").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs HAProxy"]
async fn a_rolling_restart_under_load_loses_no_request() {
    let database = TestDatabase::on_mariadb().await;
    prepare(&database.url(), &[("order", 0, 100), ("invoice", 0, 100)]).await;
    // In full: with the default values of both.
    let settings: &[_] = if full() {
        &[]
    } else {
        &[("server.drain_delay", "1s")]
    };
    let checks = if full() { &[] } else { FAST };
    let (mut members, haproxy) = balanced(&database, settings, checks).await;
    let callers = Callers::start(&haproxy.base, TAGS, CALLERS);
    for (member, name) in members.iter_mut().zip(NAMES) {
        callers.more(100).await;
        member.server.signal("TERM");
        let status = member.server.ended().await;
        assert_eq!(status.code(), Some(0), "{}", member.server.stderr());
        member.again(settings).await;
        // Only now may the next one go.
        let look = haproxy.until("id_alloc", name, "UP").await;
        assert_eq!(look.count("chkdown"), 1, "{name} was taken out once");
    }
    callers.more(100).await;
    let answers = callers.end().await;
    assert!(answers.len() >= 400);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs HAProxy"]
async fn servers_that_crash_under_load_cost_no_request() {
    let database = TestDatabase::on_mariadb().await;
    prepare(&database.url(), &[("order", 0, 100), ("invoice", 0, 100)]).await;
    let (mut members, haproxy) = balanced(&database, &[], FAST).await;
    let callers = Callers::start(&haproxy.base, TAGS, CALLERS);
    let tried_again = async || haproxy.look("id_alloc", "BACKEND").await.count("wredis");
    for _ in 0..if full() { 10 } else { 2 } {
        for (member, name) in members.iter_mut().zip(NAMES) {
            callers.more(100).await;
            let before = tried_again().await;
            member.server.signal("KILL");
            member.server.ended().await;
            haproxy.until("id_alloc", name, "DOWN").await;
            callers.more(100).await;
            member.again(&[]).await;
            haproxy.until("id_alloc", name, "UP").await;
            let again = tried_again().await - before;
            assert!(again > 0, "no request met the crash, so nothing was shown");
        }
    }
    callers.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs HAProxy"]
async fn a_server_that_hangs_costs_time_and_no_request_and_what_was_sent_twice_no_id_twice() {
    let database = TestDatabase::on_mariadb().await;
    prepare(&database.url(), &[("order", 0, 100), ("invoice", 0, 100)]).await;
    let (members, haproxy) = balanced(&database, &[], FAST).await;
    let callers = Callers::start(&haproxy.base, TAGS, CALLERS);
    callers.more(100).await;
    members[0].server.freeze().await;
    haproxy.until("id_alloc", NAMES[0], "DOWN").await;
    callers.more(100).await;
    // It wakes and carries out what was asked of it long ago.
    members[0].server.signal("CONT");
    haproxy.until("id_alloc", NAMES[0], "UP").await;
    callers.more(100).await;
    callers.end().await;
    let again = haproxy.look("id_alloc", "BACKEND").await.count("wredis");
    assert!(again > 0, "no request met the server that hung");
}

/// Only what HAProxy holds as a whole can be sent again.
#[tokio::test]
#[ignore = "needs HAProxy"]
async fn a_post_whose_body_comes_late_is_tried_again_too() {
    let database = TestDatabase::on_mariadb().await;
    prepare(&database.url(), &[("order", 0, 100), ("invoice", 0, 100)]).await;
    let (members, haproxy) = balanced(&database, &SMALL_CLAIMS, FAST).await;
    // One server stays in, with invoices left, and refuses every order.
    members[0].server.ids("invoice", 1).await;
    members[0].use_up("order").await;
    let address = haproxy.base.trim_start_matches("http://");
    for _ in NAMES {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = "POST /alloc HTTP/1.1\r\nhost: test\r\nexpect: 100-continue\r\n\
                    content-type: application/x-www-form-urlencoded\r\ncontent-length: 13\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        let told = raw::response(&mut stream).await;
        assert_eq!(raw::status(&told), 100, "{told}");
        stream.write_all(b"biz_tag=order").await.unwrap();
        let answer = raw::response(&mut stream).await;
        assert_eq!(raw::status(&answer), 200, "{answer}");
    }
    let again = haproxy.look("id_alloc", "BACKEND").await.count("wredis");
    assert!(again > 0, "no request met the server without ids");
}

#[tokio::test]
#[ignore = "needs HAProxy"]
async fn without_any_server_callers_get_a_refusal_that_they_can_read() {
    let database = TestDatabase::on_mariadb().await;
    prepare(&database.url(), &[("order", 0, 100)]).await;
    let (members, haproxy) = balanced(&database, &[], FAST).await;
    for path in [
        "/metrics",
        "/livez",
        "/readyz",
        "/console",
        "/console/app.js",
        "/admin/v1/tags",
        // As the servers read them, the same.
        "/m%65trics",
        "/%63onsole",
        "/%61dmin/v1/tags",
    ] {
        // HAProxy's own answer: no server was asked.
        let answer = get(&haproxy.base, path).await;
        assert_eq!(answer.status, 404, "{path}");
        let own = "<h1>404 Not Found</h1>";
        assert!(answer.body.contains(own), "{path}: {}", answer.body);
    }
    let statistics = get(&haproxy.statistics, "/metrics").await.body;
    assert!(statistics.contains("haproxy_server_status"));
    for (member, name) in members.iter().zip(NAMES) {
        member.server.signal("KILL");
        haproxy.until("id_alloc", name, "DOWN").await;
    }
    let answer = get(&haproxy.base, "/alloc?biz_tag=order").await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.code(), "no_available_id");
    assert_ne!(answer.header("retry-after"), "");
    assert_eq!(answer.header("cache-control"), "no-store");
}
