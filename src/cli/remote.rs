//! Calls of a running server over HTTP: where it is, who calls, and what its refusals mean to the shell.

use super::{Exit, arguments::Reach};
use crate::config::{Config, base_url};
use serde::{Deserialize, de::DeserializeOwned};
use std::{io::ErrorKind, net::IpAddr, path::Path, sync::Arc, time::Duration};
use ureq::{
    Agent, RequestBuilder,
    tls::{Certificate, PemItem, RootCerts, TlsConfig},
};

/// Where a token may stand besides `--token-file`. No configuration key begins so.
const TOKEN: &str = "IDA_TOKEN";

/// How long a connection may take to make.
const CONNECT: Duration = Duration::from_secs(5);

/// How long a call may take in all: longer than `limits.request_deadline` can be.
const PATIENCE: Duration = Duration::from_secs(75);

type Answer = ureq::http::Response<ureq::Body>;

/// A server, and who calls it.
pub(super) struct Remote {
    agent: Agent,
    /// Without the slash at its end.
    base: String,
    token: Option<String>,
}

/// A refusal: that of `/alloc` says `msg`, that of the admin API `detail`.
#[derive(Deserialize)]
struct Refusal {
    code: String,
    #[serde(alias = "msg")]
    detail: String,
}

impl Remote {
    /// The configuration is read only where `--server` does not say where the server is.
    pub(super) fn new(
        reach: &Reach,
        config: impl FnOnce() -> Result<Config, Exit>,
        admin: bool,
    ) -> Result<Self, Exit> {
        Self::calling(reach, config, admin, false)
    }

    /// For `/health`, which asks for no token. The server that the configuration describes is asked at
    /// an address that its certificate need not name (a container asks itself), so that certificate is not
    /// checked, unless the call names its authority.
    pub(super) fn probe(
        reach: &Reach,
        config: impl FnOnce() -> Result<Config, Exit>,
    ) -> Result<Self, Exit> {
        let itself = reach.server.is_none() && reach.ca_file.is_none();
        Self::calling(reach, config, false, itself)
    }

    fn calling(
        reach: &Reach,
        config: impl FnOnce() -> Result<Config, Exit>,
        admin: bool,
        itself: bool,
    ) -> Result<Self, Exit> {
        let base = match &reach.server {
            Some(url) => given(url)?,
            None => listening(&config()?, admin)?,
        };
        let mut tls = TlsConfig::builder().disable_verification(itself);
        if base.starts_with("https:") && !itself {
            let roots = roots(reach.ca_file.as_deref())?;
            tls = tls.root_certs(RootCerts::Specific(Arc::new(roots)));
        }
        let token = match itself {
            true => None,
            false => token(reach.token_file.as_deref())?,
        };
        let agent = Agent::config_builder()
            .tls_config(tls.build())
            .http_status_as_error(false)
            // A token goes to the server that was named, and nowhere else.
            .max_redirects(0)
            .proxy(None)
            .timeout_resolve(Some(CONNECT))
            .timeout_connect(Some(CONNECT))
            .timeout_global(Some(PATIENCE))
            .user_agent(concat!("id-alloc/", env!("CARGO_PKG_VERSION")))
            .build();
        Ok(Self {
            agent: agent.into(),
            base,
            token,
        })
    }

    /// `GET`: the body of a success.
    pub(super) fn get(&self, path: &str) -> Result<String, Exit> {
        let request = self.agent.get(format!("{}{path}", self.base));
        self.answered(self.authorized(request).call())
    }

    /// `POST` of a form: the body of a success.
    pub(super) fn post(&self, path: &str, form: &[(&str, &str)]) -> Result<String, Exit> {
        let request = self.agent.post(format!("{}{path}", self.base));
        let request = self.authorized(request);
        self.answered(request.send_form(form.iter().copied()))
    }

    fn authorized<B>(&self, request: RequestBuilder<B>) -> RequestBuilder<B> {
        match &self.token {
            Some(token) => request.header("authorization", format!("Bearer {token}")),
            None => request,
        }
    }

    /// A body as what it should be.
    pub(super) fn read<T: DeserializeOwned>(&self, body: &str) -> Result<T, Exit> {
        serde_json::from_str(body).map_err(|_| self.no_id_alloc("it answered something else"))
    }

    fn answered(&self, answer: Result<Answer, ureq::Error>) -> Result<String, Exit> {
        let unreachable = |error: ureq::Error| {
            let (text, hint) = told(&error);
            Exit::unavailable(format!("cannot reach {}: {text}{hint}", self.base))
        };
        let mut answer = answer.map_err(unreachable)?;
        let status = answer.status();
        let body = answer.body_mut().read_to_string().map_err(unreachable)?;
        if status.is_success() {
            return Ok(body);
        }
        let Ok(refusal) = serde_json::from_str::<Refusal>(&body) else {
            return Err(match status.as_u16() {
                502..=504 => Exit::unavailable(format!("{} answered {status}", self.base)),
                _ => self.no_id_alloc(&format!("it answered {status}")),
            });
        };
        let hint = match refusal.code.as_str() {
            "unauthorized" => {
                " (give one with --token-file FILE or the environment variable IDA_TOKEN)"
            }
            "unknown_tag" => {
                " (if `id-alloc tag list` shows it, the server uses another database: compare its database.url with what \
                 `id-alloc config check` says)"
            }
            _ => "",
        };
        let text = format!("{}: {}{hint}", self.base, refusal.detail);
        Err(Exit::refused(status.as_u16(), &refusal.code, text))
    }

    fn no_id_alloc(&self, what: &str) -> Exit {
        Exit::unavailable(format!("{} is not an id-alloc server: {what}", self.base))
    }
}

/// Why a server cannot be reached, and what helps.
fn told(error: &ureq::Error) -> (String, &'static str) {
    let text = match error {
        ureq::Error::Io(error) => error.to_string(),
        error => error.to_string(),
    };
    let is_running = " (is it running? --server URL names another)";
    let hint = match error {
        ureq::Error::Io(error) if error.kind() == ErrorKind::ConnectionRefused => is_running,
        ureq::Error::HostNotFound | ureq::Error::Timeout(_) | ureq::Error::ConnectionFailed => {
            is_running
        }
        _ => tls_hint(&text),
    };
    (text, hint)
}

/// What helps against the usual failures of TLS.
fn tls_hint(text: &str) -> &'static str {
    let strange = [
        "UnknownIssuer",
        "BadSignature",
        "UnsupportedSignatureAlgorithm",
    ];
    if strange.iter().any(|name| text.contains(name)) {
        " (give the authority that signed its certificate by --ca-file FILE)"
    } else if text.contains("CaUsedAsEndEntity") {
        " (its certificate is an authority's; make one with basicConstraints CA:FALSE)"
    } else if text.contains("InvalidContentType") {
        " (does it speak plain HTTP?)"
    } else {
        ""
    }
}

/// The URL of `--server`.
fn given(text: &str) -> Result<String, Exit> {
    match base_url(text) {
        Some(url) => Ok(url.as_str().trim_end_matches('/').to_owned()),
        None => Err(Exit::usage(
            "--server takes a URL such as http://127.0.0.1:8880 or https://ids.internal",
        )),
    }
}

/// Where a server with this configuration listens, as seen from this machine.
fn listening(config: &Config, admin: bool) -> Result<String, Exit> {
    let scheme = if config.server.tls.is_on() {
        "https"
    } else {
        "http"
    };
    let (host, port) = match config.admin.bind.filter(|_| admin) {
        Some(bind) => (bind.ip().to_string(), bind.port()),
        None => (config.server.host.clone(), config.server.port),
    };
    if port == 0 {
        return Err(Exit::usage(
            "the configuration lets the server take any free port: give --server URL",
        ));
    }
    let host = match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(ip)) if ip.is_unspecified() => "127.0.0.1".to_owned(),
        Ok(IpAddr::V6(ip)) if ip.is_unspecified() => "[::1]".to_owned(),
        Ok(IpAddr::V6(ip)) => format!("[{ip}]"),
        _ => host,
    };
    Ok(format!("{scheme}://{host}:{port}"))
}

/// The token of the file, else of the environment. It is never shown.
fn token(file: Option<&Path>) -> Result<Option<String>, Exit> {
    let (from, text) = match file {
        Some(file) => {
            let from = format!("--token-file {}", file.display());
            let text = std::fs::read_to_string(file)
                .map_err(|reason| Exit::usage(format!("{from}: {reason}")))?;
            (from, text)
        }
        None => match std::env::var(TOKEN) {
            Ok(text) => (format!("the environment variable {TOKEN}"), text),
            Err(std::env::VarError::NotPresent) => return Ok(None),
            Err(error) => return Err(Exit::usage(format!("{TOKEN}: {error}"))),
        },
    };
    let token = text.trim();
    let plain = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
    match plain {
        true => Ok(Some(token.to_owned())),
        false => Err(Exit::usage(format!(
            "{from} must contain one token, as `id-alloc token new` prints it, and nothing else"
        ))),
    }
}

/// The authorities whose certificates are trusted: those of a file, else the system's.
fn roots(file: Option<&Path>) -> Result<Vec<Certificate<'static>>, Exit> {
    let Some(file) = file else {
        let found = rustls_native_certs::load_native_certs();
        if found.certs.is_empty() {
            return Err(Exit::usage(
                "this system has no trusted certificate authorities: give --ca-file FILE",
            ));
        }
        let certs = found.certs.iter();
        return Ok(certs
            .map(|der| Certificate::from_der(der).to_owned())
            .collect());
    };
    let wrong = |reason: String| Exit::usage(format!("--ca-file {}: {reason}", file.display()));
    let text = std::fs::read(file).map_err(|reason| wrong(reason.to_string()))?;
    let mut certs = Vec::new();
    for item in ureq::tls::parse_pem(&text) {
        match item {
            Ok(PemItem::Certificate(cert)) => certs.push(cert),
            Ok(_) => {}
            Err(error) => return Err(wrong(error.to_string())),
        }
    }
    match certs.is_empty() {
        true => Err(wrong("holds no certificate in PEM form".to_owned())),
        false => Ok(certs),
    }
}
