//! Tests of `upgrade.rs`.

use super::*;
use proptest::prelude::*;

fn masked(bytes: &[u8], pieces: usize) -> String {
    let (mut offers, mut bytes) = (Offers::default(), bytes.to_owned());
    for piece in bytes.chunks_mut(pieces) {
        offers.mask(piece);
    }
    String::from_utf8(bytes).unwrap()
}

const HEAD: &str = "GET /a:b HTTP/1.1\r\nHost: upgrade\r\n";

#[test]
fn offers_are_masked_and_nothing_else() {
    for (sent, seen) in [
        (
            "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n",
            "Connection: Upgradx, HTTP2-Settings\r\nUpgrade: x2c\r\n",
        ),
        (
            "upgrade:websocket\r\nconnection:keep-alive,\tUPGRADE\r\n",
            "upgrade:xebsocket\r\nconnection:keep-alive,\tUPGRADx\r\n",
        ),
        (
            "Connection: close\r\nConnection:  upgrade \r\n",
            "Connection: close\r\nConnection:  upgradx \r\n",
        ),
        (
            "Connection: no-upgrade\r\nUpgrade-Insecure-Requests: 1\r\nX: Connection: upgrade\r\n",
            "Connection: no-upgrade\r\nUpgrade-Insecure-Requests: 1\r\nX: Connection: upgrade\r\n",
        ),
        ("Connection:\r\nUpgrade:\r\n", "Connection:\r\nUpgrade:\r\n"),
    ] {
        for pieces in [1, 2, 7, 1000] {
            // Twice on one connection, with the empty line in between that some clients send.
            let sent = format!("{HEAD}{sent}\r\n\r\n").repeat(2);
            let seen = format!("{HEAD}{seen}\r\n\r\n").repeat(2);
            assert_eq!(masked(sent.as_bytes(), pieces), seen);
        }
    }
}

#[test]
fn bodies_are_not_changed_and_what_follows_them_is_looked_at() {
    let text = "x\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n";
    let size = text.len();
    for body in [
        format!("Content-Length: {size}\r\n\r\n{text}"),
        format!(
            "Transfer-Encoding: chunked\r\n\r\n{size:X};a=1\r\n{text}\r\n{size:x}\r\n{text}\r\n\
             0\r\nConnection: upgrade\r\n\r\n"
        ),
    ] {
        for pieces in [1, 3, 1000] {
            let sent = format!("POST / HTTP/1.1\r\n{body}{HEAD}Connection: upgrade\r\n\r\n");
            let seen = format!("POST / HTTP/1.1\r\n{body}{HEAD}Connection: upgradx\r\n\r\n");
            assert_eq!(masked(sent.as_bytes(), pieces), seen);
        }
    }
}

proptest! {
    #[test]
    fn how_the_bytes_arrive_makes_no_difference(
        parts in prop::collection::vec(prop::sample::select(vec![
            "GET / HTTP/1.1\r\n", "Connection: ", "upgrade", ", ", "Upgrade: ", "h2c", "\r\n", "\r\n\r\n", "\n",
            "Content-Length: 9", "Transfer-Encoding: chunked", "5\r\nabcde\r\n", "0\r\n\r\n", "x", ":", " ",
        ]), 0..40),
        pieces in 1_usize..20,
    ) {
        let sent = parts.concat();
        let seen = masked(sent.as_bytes(), usize::MAX);
        prop_assert_eq!(masked(sent.as_bytes(), pieces), seen.clone());
        prop_assert_eq!(seen.len(), sent.len());
    }
}
