//! `health`: whether a running server can serve, for health checks of containers and for scripts.

use super::{
    Exit,
    arguments::Health,
    named::parse,
    output::{Output, counted},
    remote::Remote,
};
use crate::config::Config;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

/// A success of `/health`.
#[derive(Deserialize)]
struct Healthy {
    left: u64,
}

pub(super) fn run(
    call: &Health,
    config: impl FnOnce() -> Result<Config, Exit>,
    output: Output,
) -> Result<(), Exit> {
    let path = match &call.tag {
        Some(name) => {
            let tag = parse(name)?;
            let name = utf8_percent_encode(tag.as_str(), NON_ALPHANUMERIC);
            format!("/health?biz_tag={name}")
        }
        None => "/health".to_owned(),
    };
    let remote = Remote::probe(&call.reach, config)?;
    let body = remote.get(&path)?;
    if output.is_json() {
        return output.line(body.trim_end());
    }
    let healthy: Healthy = remote.read(&body)?;
    output.line(&format!("healthy, {} left", counted(healthy.left, "id")))
}
