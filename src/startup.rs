//! Builds the server from a configuration, runs it, and drains it.
//!
//! Everything that can be wrong is found before the port is bound: an `Application` that was built
//! listens. A database that does not answer is no mistake: the server starts and retries.

mod address;
mod admin;
mod drain;
mod error;
mod gate;
mod heartbeat;
mod listen;
mod open_files;
mod redis;
mod tls;

pub use drain::Stop;
pub use error::StartError;

use crate::{
    actors::Allocation,
    config::{Config, DatabaseKind, Preload},
    http,
    metrics::Metrics,
    storage::{
        Instance, SegmentStore, StoreError, StoreReport, TagAdministration as _, Unusable,
        sql::SqlStore,
    },
};
use actix_web::dev::Server;
use drain::Listener;
use gate::Gate;
use listen::{Setup, bind_host, bracketed, serve, serve_metrics};
use std::{sync::Arc, time::Duration};
use tokio::task::JoinHandle;

/// Tags loaded at start where `allocation.preload` is `"recent"`.
const RECENT: u64 = 1000;

/// A server that listens.
pub struct Application {
    /// The API, and what `wire.redis.bind` names: they are drained.
    listeners: Vec<Listener>,
    /// What `telemetry.metrics_bind` and `admin.bind` name.
    beside: Vec<Server>,
    port: u16,
    metrics: Arc<Metrics>,
    allocation: Allocation,
    store: Arc<SqlStore>,
    /// Renews the heartbeat; aborted at the end.
    heartbeat: JoinHandle<()>,
    /// As it is written down beside the table.
    me: Instance,
    start_line: String,
    drain_delay: Duration,
    grace_period: Duration,
}

/// Looks at the files of `server.tls` without listening.
///
/// # Errors
/// [`StartError::Config`] where a server would refuse to start with them.
pub fn check_tls(config: &Config) -> Result<(), StartError> {
    tls::read(&config.server.tls).map(drop)
}

/// The store that the configuration names.
///
/// # Errors
/// [`StoreError`] where its URL cannot be used. Nothing is connected to yet.
pub fn store(config: &Config) -> Result<SqlStore, StoreError> {
    SqlStore::new(config.database.clone(), &config.allocation)
}

impl Application {
    /// Prepares the store, starts the actors and binds the port.
    ///
    /// # Errors
    /// [`StartError`] says what to change.
    pub async fn build(config: Config) -> Result<Self, StartError> {
        let tls = tls::read(&config.server.tls)?;
        let store = Arc::new(store(&config)?);
        if matches!(config.database.url.kind(), DatabaseKind::Sqlite { .. }) {
            store.prepare_embedded().await?;
        }
        let first_look = first_look(&*store).await?;
        let (max_tag_series, id_limit) =
            (config.telemetry.max_tag_series, config.allocation.id_limit);
        let metrics = Metrics::new(max_tag_series, id_limit)
            .map(Arc::new)
            .map_err(|error| StartError::Internal(error.to_string()))?;
        metrics.http.know_codes(http::CODES);
        let statuses = ["200", "400", "404", "500", "503"];
        metrics
            .http
            .know_answers("/alloc", &["GET", "POST"], &statuses);
        let workers = config.server.worker_threads();
        let listener = bind_host(&config.server.host, config.server.port)?;
        let internal = |error: std::io::Error| StartError::Internal(error.to_string());
        let port = listener.local_addr().map_err(internal)?.port();
        let allocation =
            Allocation::start((&config).into(), store.clone(), metrics.clone(), workers);
        allocation.note_check(first_look.as_ref());
        let shared = Arc::new(http::Shared::new(&config, metrics.clone()));
        start_preload(&config, allocation.clone(), store.clone(), shared.clone());
        let setup = Setup {
            config: &config,
            tls: tls.as_ref(),
            files: rlimit::Resource::NOFILE.get_soft().ok(),
        };
        let me = heartbeat::myself(&config.server.host, port);
        store.introduce(me.clone());
        let metrics_server = serve_metrics(&setup, allocation.clone(), shared.clone())?;
        let (options, apart) = admin::options(&config, &allocation, store.clone(), &shared, &me)?;
        let admin_server =
            admin::serve_admin(&setup, apart, options.alloc_tokens.clone(), shared.clone())?;
        let redis = redis::listen(
            &setup,
            workers,
            &allocation,
            shared.clone(),
            options.alloc_tokens.clone(),
        )?;
        let gate = Gate::new(&listener, tls.is_some()).map_err(internal)?;
        let server = serve(
            &setup,
            workers,
            listener,
            &gate,
            allocation.clone(),
            shared,
            options,
        )?;
        let scheme = if tls.is_some() { "https" } else { "http" };
        if let Some(tls) = tls {
            actix_web::rt::spawn(tls.watch());
        }
        let (database, tags) = match &first_look {
            Ok(report) => (
                report.description.clone(),
                counted(report.tags, report.more_tags),
            ),
            Err(_) => (
                format!("{} (not usable yet)", config.database.url),
                counted(0, false),
            ),
        };
        Ok(Self {
            start_line: format!(
                "id-alloc {} listening on {scheme}://{}:{port}, database {database}, {tags}",
                env!("CARGO_PKG_VERSION"),
                bracketed(&config.server.host),
            ),
            listeners: [Some(Listener { server, gate }), redis]
                .into_iter()
                .flatten()
                .collect(),
            beside: [metrics_server, admin_server]
                .into_iter()
                .flatten()
                .collect(),
            port,
            heartbeat: actix_web::rt::spawn(heartbeat::keep(
                store.clone(),
                me.clone(),
                allocation.clone(),
                address::of(config.clone(), port),
            )),
            metrics,
            allocation,
            me,
            store,
            drain_delay: config.server.drain_delay,
            grace_period: config.server.grace_period,
        })
    }

    /// The port it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// One line: address, database without password, number of tags.
    #[must_use]
    pub fn start_line(&self) -> &str {
        &self.start_line
    }

    /// Its actors, for programs that make them panic.
    #[cfg(feature = "fault-injection")]
    #[must_use]
    pub fn allocation(&self) -> &Allocation {
        &self.allocation
    }

    /// Counts log lines that were dropped.
    pub fn log_lines_dropped(&self) -> impl Fn(u64) + Send + Sync + 'static {
        let dropped = self.metrics.log_lines_dropped.clone();
        move |lines| dropped.inc_by(lines)
    }
}

/// A look at the store before anything is started. The inner error is one that may pass: the server
/// starts and retries.
async fn first_look(
    store: &dyn SegmentStore,
) -> Result<Result<StoreReport, StoreError>, StartError> {
    let result = store.check().await;
    match &result {
        Err(StoreError::Unusable(Unusable::TableMissing(reason))) => {
            tracing::warn!("{reason}; until then requests get `table_missing`");
        }
        Err(error @ StoreError::NoConnection(_)) => {
            tracing::warn!(%error, "starting, and waiting for a connection to the database");
        }
        Err(error) if error.is_transient() => {
            tracing::error!(%error, "the database does not answer; starting without it, and trying again");
        }
        Err(error) => return Err(error.clone().into()),
        Ok(_) => {}
    }
    Ok(result)
}

fn start_preload(
    config: &Config,
    allocation: Allocation,
    store: Arc<SqlStore>,
    shared: Arc<http::Shared>,
) {
    let preload = config.allocation.preload.clone();
    actix_web::rt::spawn(async move {
        // Else each tag would fail, and `/readyz` would turn green without them.
        allocation.store_is_up().await;
        let tags = match preload {
            Preload::Tags(tags) => tags,
            Preload::Recent => store.recent(RECENT).await.unwrap_or_else(|error| {
                tracing::warn!(%error, "cannot preload tags");
                Vec::new()
            }),
        };
        allocation.preload(tags).await;
        shared.note_preloaded();
    });
}

fn counted(tags: u64, more: bool) -> String {
    let plural = if tags == 1 { "" } else { "s" };
    let or_more = if more { " or more" } else { "" };
    format!("{tags} tag{plural}{or_more}")
}
