//! The DSN of go-sql-driver, as go-id-alloc's `alloc.json` holds it, made into a `mysql://` URL:
//! `[user[:password]@][net[(address)]]/database[?parameters]`.
//!
//! It is taken apart as the driver does: the last '/' begins the database, the last '@' before it ends
//! the credentials, their first ':' ends the user. Nothing here is percent-encoded but the database's
//! name and the parameters. No error or warning quotes a part that may be a piece of the password.

use std::num::NonZeroU16;

use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::config::database_url::{DatabaseUrl, DatabaseUrlError, refuse};

/// Parameters that only concern the Go driver, or that this program sets itself.
const HARMLESS: [&str; 20] = [
    "allowallfiles",
    "allownativepasswords",
    "charset",
    "checkconnliveness",
    "clientfoundrows",
    "collation",
    "columnswithalias",
    "compress",
    "connectionattributes",
    "interpolateparams",
    "loc",
    "maxallowedpacket",
    "multistatements",
    "parsetime",
    "readtimeout",
    "rejectreadonly",
    "strict",
    "timeout",
    "timetruncate",
    "writetimeout",
];

/// The URL, and a line for each parameter that was not taken over.
pub(super) fn parse(dsn: &str) -> Result<(DatabaseUrl, Vec<String>), DatabaseUrlError> {
    let Some((left, right)) = dsn.rsplit_once('/') else {
        return refuse(
            "has no '/' before the database's name; write user:password@tcp(host:port)/database",
        );
    };
    let (credentials, address) = match left.rsplit_once('@') {
        Some((credentials, address)) => (Some(credentials), address),
        None => (None, left),
    };
    let (database, query) = right.split_once('?').unwrap_or((right, ""));
    // The driver unescapes it since 1.8; a '%' that escapes nothing is itself.
    let database = percent_decode_str(database).decode_utf8_lossy();
    if database.is_empty() {
        return refuse("names no database after the last '/'");
    }
    let (host, socket) = host_and_socket(address)?;
    let (tls, warnings) = parameters(query)?;
    let mut url = "mysql://".to_owned();
    if let Some(credentials) = credentials {
        match credentials.split_once(':') {
            Some((user, password)) => url += &format!("{}:{}@", encode(user), encode(password)),
            None => url += &format!("{}@", encode(credentials)),
        }
    }
    url += &format!("{host}/{}?ssl-mode={tls}", encode(&database));
    if let Some(socket) = socket {
        url += &format!("&socket={}", encode(socket));
    }
    Ok((url.parse()?, warnings))
}

fn encode(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

const NETWORK: &str = "has a network other than tcp(host:port) and unix(/path)";

/// `host:port` for the URL, and the path of a socket.
fn host_and_socket(address: &str) -> Result<(String, Option<&str>), DatabaseUrlError> {
    let (net, inside) = match address.split_once('(') {
        Some((net, rest)) => match rest.strip_suffix(')') {
            Some(inside) => (net, inside),
            None => return refuse("has an address that does not end in ')'; write tcp(host:port)"),
        },
        None => (address, ""),
    };
    match net {
        "" | "tcp" | "tcp4" | "tcp6" => Ok((host_and_port(inside)?, None)),
        "unix" if inside.is_empty() => Ok(("localhost".to_owned(), Some("/tmp/mysql.sock"))),
        "unix" => Ok(("localhost".to_owned(), Some(inside))),
        _ => refuse(NETWORK),
    }
}

fn host_and_port(address: &str) -> Result<String, DatabaseUrlError> {
    let (host, port) = match address.rsplit_once(':') {
        _ if address.ends_with(']') => (address, "3306"),
        // More than one ':' without brackets: an IPv6 address alone.
        Some((host, _)) if host.contains(':') && !host.ends_with(']') => (address, "3306"),
        Some((host, port)) => (host, port),
        None => (address, "3306"),
    };
    let Ok(port) = port.parse::<NonZeroU16>() else {
        return refuse("has a port that is not a number from 1 to 65535");
    };
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    match bare {
        "" => Ok(format!("127.0.0.1:{port}")),
        _ if bare.contains(':') => Ok(format!("[{bare}]:{port}")),
        // Anything else would change how the URL is cut.
        _ if bare.contains(['/', '?', '#', '@', '\\']) => refuse(NETWORK),
        _ => Ok(format!("{bare}:{port}")),
    }
}

/// The ssl-mode, and what was not taken over.
fn parameters(query: &str) -> Result<(&'static str, Vec<String>), DatabaseUrlError> {
    let mut mode = "DISABLED";
    let mut warnings = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        match key.to_ascii_lowercase().as_str() {
            "tls" => {
                mode = match value.to_ascii_lowercase().as_str() {
                    "true" | "1" => "VERIFY_IDENTITY",
                    "skip-verify" => "REQUIRED",
                    "preferred" => "PREFERRED",
                    "false" | "0" => "DISABLED",
                    // A name registered in the Go program; going on without TLS would be worse.
                    _ => {
                        return refuse(
                            "has tls=NAME of a configuration inside a Go program; it can be true, false, skip-verify \
                             or preferred",
                        );
                    }
                };
            }
            known if HARMLESS.contains(&known) => {}
            _ => {
                let plain =
                    key.len() <= 64 && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
                let key = if plain { key } else { "one that is no word" };
                warnings.push(format!(
                    "the parameter {key} is ignored: it has no counterpart here"
                ));
            }
        }
    }
    Ok((mode, warnings))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(dsn: &str) -> String {
        parse(dsn).unwrap().0.expose().to_owned()
    }

    #[test]
    fn each_form_of_address_is_understood() {
        for (dsn, host) in [
            ("u:p@tcp(db:3307)/d", "db:3307"),
            ("u:p@tcp(db)/d", "db:3306"),
            ("u:p@tcp/d", "127.0.0.1:3306"),
            ("u:p@/d", "127.0.0.1:3306"),
            ("u:p@tcp([::1])/d", "[::1]:3306"),
            ("u:p@tcp([::1]:3307)/d", "[::1]:3307"),
            ("u:p@tcp(::1)/d", "[::1]:3306"),
            ("u:p@(10.0.0.1:99)/d", "10.0.0.1:99"),
        ] {
            assert_eq!(
                url(dsn),
                format!("mysql://u:p@{host}/d?ssl-mode=DISABLED"),
                "{dsn}"
            );
        }
        assert_eq!(url("/d"), "mysql://127.0.0.1:3306/d?ssl-mode=DISABLED");
        assert_eq!(url("u@/d"), "mysql://u@127.0.0.1:3306/d?ssl-mode=DISABLED");
        assert_eq!(
            url("u:p@unix(/run/my.sock)/d"),
            "mysql://u:p@localhost/d?ssl-mode=DISABLED&socket=%2Frun%2Fmy%2Esock"
        );
    }

    #[test]
    fn tls_means_what_it_means_to_the_go_driver() {
        for (tls, mode) in [
            ("true", "VERIFY_IDENTITY"),
            ("skip-verify", "REQUIRED"),
            ("preferred", "PREFERRED"),
            ("false", "DISABLED"),
        ] {
            assert!(
                url(&format!("u:p@/d?charset=utf8&tls={tls}"))
                    .ends_with(&format!("ssl-mode={mode}"))
            );
        }
        let error = parse("u:p@/d?tls=custom").unwrap_err().to_string();
        assert!(error.contains("skip-verify or preferred"), "{error}");
    }

    #[test]
    fn only_parameters_that_matter_are_warned_about() {
        let dsn = "u:p@/d?charset=utf8mb4,utf8&parseTime=True&loc=Local&timeout=2s&autocommit=0";
        assert_eq!(
            parse(dsn).unwrap().1,
            ["the parameter autocommit is ignored: it has no counterpart here"]
        );
    }

    #[test]
    fn what_is_wrong_is_said_without_the_password() {
        for dsn in [
            "secret",
            "u:secret@tcp(h:1)",
            "u:secret@tcp(h:1)/",
            "u:secret@tcp(h:x)/d",
            "u:secret@tcp(h/d",
            "u:secret@secret/d",
            "u:sec/secret@tcp(h:1)",
            "u:secret@tcp(h secret)/d",
        ] {
            let error = parse(dsn).unwrap_err().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn a_password_may_hold_separators() {
        let (url, _) = parse("us:p@:/w(#?@tcp(h:1)/d").unwrap();
        assert_eq!(
            url.expose(),
            "mysql://us:p%40%3A%2Fw%28%23%3F@h:1/d?ssl-mode=DISABLED"
        );
        assert_eq!(url.to_string(), "mysql://us:***@h:1/d?ssl-mode=DISABLED");
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(dsn in ".{0,60}", like in "[a-z:@/()?&=%\\[\\]0-9]{0,40}") {
            let _ = parse(&dsn);
            let _ = parse(&like);
        }

        #[test]
        fn every_password_comes_out_as_it_went_in(password in "(?s).{0,40}") {
            let (url, _) = parse(&format!("user:{password}@tcp(db:1)/name")).unwrap();
            let url = url::Url::parse(url.expose()).unwrap();
            let found = percent_decode_str(url.password().unwrap_or_default()).decode_utf8().unwrap();
            proptest::prop_assert_eq!(found, password);
            proptest::prop_assert_eq!(url.host_str(), Some("db"));
        }

        #[test]
        fn the_parts_that_went_in_come_out(
            user in "(?s)[^:]{0,20}",
            password in proptest::option::of("(?s).{0,20}"),
            (host, shown) in proptest::sample::select(vec![
                ("db", "db"), ("10.0.0.1", "10.0.0.1"), ("[::1]", "[::1]"), ("a-b.example", "a-b.example"),
            ]),
            port in 1_u16..,
            database in "(?s)[^/?%]{1,20}",
        ) {
            // A path of dots is no database but the folder itself.
            proptest::prop_assume!(![".", ".."].contains(&&*database));
            let password_part = password.as_ref().map_or(String::new(), |text| format!(":{text}"));
            let dsn = format!("{user}{password_part}@tcp({host}:{port})/{database}?charset=utf8mb4");
            let url = url::Url::parse(parse(&dsn).unwrap().0.expose()).unwrap();
            let decoded = |text: &str| percent_decode_str(text).decode_utf8().unwrap().into_owned();
            proptest::prop_assert_eq!(decoded(url.username()), user);
            let found = url.password().map(decoded).unwrap_or_default();
            proptest::prop_assert_eq!(found, password.unwrap_or_default());
            proptest::prop_assert_eq!(url.host_str(), Some(shown));
            proptest::prop_assert_eq!(url.port(), Some(port));
            proptest::prop_assert_eq!(decoded(&url.path()[1..]), database);
        }

        #[test]
        fn the_path_of_a_socket_comes_out(path in "/[^()@]{1,30}") {
            let dsn = format!("u:p@unix({path})/name");
            let url = url::Url::parse(parse(&dsn).unwrap().0.expose()).unwrap();
            let found = url.query_pairs().find(|(key, _)| key == "socket").unwrap().1.into_owned();
            proptest::prop_assert_eq!(found, path);
        }
    }
}
