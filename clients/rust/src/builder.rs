//! `Builder`: the options of a client.

use crate::{
    Client, IdAllocError, Metrics,
    core::{Clock, Core},
    server::{Manner, Server},
    tls::Tls,
};
use hyper::header::HeaderValue;
use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::runtime::Handle;

/// The longest range that can be wanted, 2^40 ids.
const LARGEST_RANGE: u64 = 1 << 40;

/// Options of a [`Client`], made by [`Client::builder`]. Only [`server`](Self::server) is needed.
#[must_use = "nothing happens before `build`"]
pub struct Builder {
    servers: Vec<String>,
    token: Option<String>,
    range_duration: Duration,
    max_range: u64,
    deadline: Duration,
    runtime: Option<Handle>,
    metrics: Arc<dyn Metrics>,
    clock: Clock,
}

impl Builder {
    pub(crate) fn new() -> Self {
        Self {
            servers: Vec::new(),
            token: None,
            range_duration: Duration::from_secs(10),
            max_range: 10_000_000,
            deadline: Duration::from_secs(10),
            runtime: None,
            metrics: Arc::new(()),
            clock: Arc::new(|| tokio::time::Instant::now().into_std()),
        }
    }

    /// Adds the base address of a server, such as `http://10.0.0.1:8880`. The first is asked until it fails, then the next
    /// one at once. Let processes list them in different orders, so that each server has its share.
    pub fn server(mut self, address: impl Into<String>) -> Self {
        self.servers.push(address.into());
        self
    }

    /// Adds several servers.
    pub fn servers(mut self, addresses: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.servers.extend(addresses.into_iter().map(Into::into));
        self
    }

    /// Sent as `Authorization: Bearer TOKEN`. None unless set.
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// How long one range should last at the current rate (10 s). Longer survives longer outages; up to twice as much is
    /// lost when the process ends.
    pub fn range_duration(mut self, duration: Duration) -> Self {
        self.range_duration = duration;
        self
    }

    /// Bounds a range, in ids (10,000,000, as `limits.max_range` of the server does). 1 for next to no gaps.
    pub fn max_range(mut self, ids: u64) -> Self {
        self.max_range = ids;
        self
    }

    /// Bounds how long a call waits for ids when none are in memory (10 s). One attempt at one server takes at most a
    /// quarter of it.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// The tokio runtime on which ranges are fetched for calls from outside of any; the one in which
    /// [`build`](Self::build) is called unless set. It needs I/O and time (`enable_all`).
    pub fn runtime(mut self, runtime: Handle) -> Self {
        self.runtime = Some(runtime);
        self
    }

    /// Tells `metrics` what the client does.
    pub fn metrics(mut self, metrics: impl Metrics) -> Self {
        self.metrics = Arc::new(metrics);
        self
    }

    /// Another clock for the rate, for the conformance suite.
    #[doc(hidden)]
    pub fn clock(mut self, clock: impl Fn() -> Instant + Send + Sync + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Makes the client. It sends nothing until ids are wanted.
    ///
    /// # Errors
    /// [`IdAllocError::Options`] where an option cannot be meant, or there is no tokio runtime.
    pub fn build(self) -> Result<Client, IdAllocError> {
        let check = |is_good, wanted: &str| match is_good {
            true => Ok(()),
            false => Err(IdAllocError::Options(wanted.to_owned())),
        };
        check(
            !self.servers.is_empty(),
            "no server: name at least one, such as http://127.0.0.1:8880",
        )?;
        check(
            !self.range_duration.is_zero(),
            "range_duration is 0; it has to be longer",
        )?;
        check(
            !self.deadline.is_zero(),
            "deadline is 0; it has to be longer",
        )?;
        check(
            (1..=LARGEST_RANGE).contains(&self.max_range),
            "max_range has to be between 1 and 2^40",
        )?;
        let is_token = |token: &str| token.bytes().all(|byte| byte.is_ascii_graphic());
        check(
            self.token.as_deref().is_none_or(is_token),
            "token has a character that no token has, such as a line end",
        )?;
        let authorization = self.token.filter(|token| !token.is_empty()).map(|token| {
            let mut value = HeaderValue::try_from(format!("Bearer {token}"))
                .map_err(|error| IdAllocError::Options(format!("token: {error}")))?;
            value.set_sensitive(true);
            Ok(value)
        });
        let servers = self
            .servers
            .iter()
            .map(|address| Server::parse(address))
            .collect::<Result<Arc<[Server]>, _>>()?;
        let runtime = self.runtime.or_else(|| Handle::try_current().ok());
        Ok(Client::new(Core {
            manner: Manner {
                authorization: authorization.transpose()?,
                tls: Tls::for_servers(&servers)?,
                patience: self.deadline / 4,
            },
            servers,
            range_duration: self.range_duration,
            max_range: i64::try_from(self.max_range).unwrap_or(i64::MAX),
            deadline: self.deadline,
            runtime: runtime.ok_or_else(|| {
                IdAllocError::Options(
                    "there is no tokio runtime here; call `build` within one, or name one with `runtime`".to_owned(),
                )
            })?,
            metrics: self.metrics,
            clock: self.clock,
        }))
    }
}

impl fmt::Debug for Builder {
    /// Without the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("servers", &self.servers)
            .field("range_duration", &self.range_duration)
            .field("max_range", &self.max_range)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}
