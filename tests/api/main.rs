//! Black-box tests: the real binary, spoken to over HTTP, on the embedded SQLite and on each MySQL or
//! MariaDB of the run. `./scripts/test` starts the database; see `tests/support`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a helper of tests fails by panicking"
)]

#[path = "../support/mod.rs"]
mod support;

mod abuse;
mod admin;
mod admin_access;
mod admin_calls;
mod admin_servers;
mod alloc;
mod balancer;
mod balancer_nginx;
mod ceilings;
mod cli;
mod cli_failures;
mod cli_health;
mod cli_import;
mod cli_json;
mod cli_mistakes;
mod cli_newcomer;
mod cli_remote;
mod cli_remote_refused;
mod cli_shell;
mod cold;
mod connections;
mod console;
mod console_fleet;
mod console_many;
mod console_page;
mod console_refusals;
mod crashes;
mod deploy;
mod doctor;
mod documents;
mod drain;
mod drills;
mod everything_at_once;
mod failover;
mod faults;
mod fleet;
mod full_disk;
mod galera;
mod health;
mod honest_health;
mod limits;
mod links;
mod logs;
mod moves;
mod moves_import;
mod numbers;
mod observability;
mod openapi;
mod outages;
mod pairs;
mod pollers;
mod quotas;
mod range;
mod redis;
mod redis_access;
mod redis_limits;
mod redis_outages;
mod redis_refusals;
mod rows;
mod shutdown;
mod start;
mod stress;
mod tls;
mod tls_reload;
mod traces;
mod unread_log;
mod upgrade;
mod waiting;
mod wire_cosid;
mod wire_leaf;
mod wire_mixed;
mod wire_tinyid;
