//! `server …`: the state of a running server, over its admin API.

use super::{
    Exit, arguments,
    named::parse,
    output::{Output, counted, name_width, plain},
    remote::Remote,
};
use crate::{
    config::Config,
    http::model::{LoadedPage, LoadedTag, Server},
};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use std::{fmt::Write as _, time::Duration};

/// Tags per call where all are listed.
const PAGE: u32 = 1000;

pub(super) fn run(
    command: &arguments::Server,
    config: impl FnOnce() -> Result<Config, Exit>,
    output: Output,
) -> Result<(), Exit> {
    match command {
        arguments::Server::Status { reach } => {
            let remote = Remote::new(reach, config, true)?;
            let body = remote.get("/admin/v1/server")?;
            let server: Server = remote.read(&body)?;
            output.say(&server, || status(&server))
        }
        arguments::Server::Tags {
            tag: Some(name),
            reach,
            ..
        } => {
            let tag = parse(name)?;
            let remote = Remote::new(reach, config, true)?;
            let name = utf8_percent_encode(tag.as_str(), NON_ALPHANUMERIC);
            let body = remote.get(&format!("/admin/v1/server/tags/{name}"))?;
            let tag: LoadedTag = remote.read(&body)?;
            output.say(&tag, || buffer(&tag))
        }
        arguments::Server::Tags { prefix, reach, .. } => {
            let remote = Remote::new(reach, config, true)?;
            let page = all(&remote, prefix.as_deref().unwrap_or_default())?;
            output.say(&page, || table(&page.tags))
        }
    }
}

fn all(remote: &Remote, prefix: &str) -> Result<LoadedPage, Exit> {
    let mut tags: Vec<LoadedTag> = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("limit", &PAGE.to_string());
        query.append_pair("prefix", prefix);
        if let Some(after) = &after {
            query.append_pair("after", after);
        }
        let body = remote.get(&format!("/admin/v1/server/tags?{}", query.finish()))?;
        let page: LoadedPage = remote.read(&body)?;
        tags.extend(page.tags);
        after = page.next;
        if after.is_none() {
            let total = tags.len();
            return Ok(LoadedPage {
                tags,
                next: None,
                total,
            });
        }
    }
}

fn status(server: &Server) -> String {
    let database = &server.database;
    let up = Duration::from_secs_f64(server.uptime_seconds.clamp(0.0, 1e12).trunc());
    let guard = match database.guard_active {
        Some(true) => "on",
        Some(false) => "off",
        None => "not known yet",
    };
    let mut text = format!(
        "version      {}\nup for       {}\ndraining     {}\ndatabase     {}",
        server.version,
        humantime::format_duration(up),
        if server.draining { "yes" } else { "no" },
        database.status,
    );
    for part in [&database.error, &database.description]
        .into_iter()
        .flatten()
    {
        let _ = write!(text, ", {}", plain(part));
    }
    let tags = database
        .tags
        .map_or("?".to_owned(), |tags| tags.to_string());
    let _ = write!(
        text,
        "\nguard        {guard}\ntags         {tags}, {} in memory\nwaiting      {}\n\
         connections  {} idle, {} in use",
        server.tags_loaded,
        counted(server.waiting_requests, "request"),
        database.connections_idle,
        database.connections_in_use
    );
    for warning in &database.warnings {
        let _ = write!(text, "\nwarning      {}", plain(warning));
    }
    text
}

/// How long the ids in memory last.
fn supply(tag: &LoadedTag) -> String {
    match tag.supply_seconds {
        Some(seconds) => format!("{seconds:.0}s"),
        None => "-".to_owned(),
    }
}

fn buffer(tag: &LoadedTag) -> String {
    let mut text = format!(
        "biz_tag        {}\nleft           {}\nrate           {:.1}/s\nsupply         {}\n\
         step in force  {}\nclaimed to     {}",
        plain(&tag.biz_tag),
        tag.left,
        tag.rate,
        supply(tag),
        tag.step_in_force,
        tag.claimed_to
    );
    for part in &tag.segments {
        let _ = write!(
            text,
            "\nsegment        {} to {}, next {}, {} of {} left",
            part.first,
            part.end.saturating_sub(1),
            part.next,
            part.left,
            part.size
        );
    }
    let loading = if tag.loading { "yes" } else { "no" };
    let _ = write!(
        text,
        "\nclaiming       {loading}\nrestarts       {}",
        tag.restarts
    );
    if let Some(error) = &tag.last_error {
        let _ = write!(text, "\nlast error     {}", plain(error));
    }
    if !tag.responding {
        text.push_str("\nits actor did not answer: segments and what follows them are not known");
    }
    text
}

fn table(tags: &[LoadedTag]) -> String {
    let width = name_width(tags.iter().map(|tag| tag.biz_tag.as_str()));
    let mut text = format!(
        "{:<width$}  {:>19}  {:>10}  {:>10}  {:>12}  {:>19}  {:>8}  last error",
        "biz_tag", "left", "rate/s", "supply", "step", "claimed_to", "restarts"
    );
    for tag in tags {
        let _ = write!(
            text,
            "\n{:<width$}  {:>19}  {:>10.1}  {:>10}  {:>12}  {:>19}  {:>8}  {}",
            plain(&tag.biz_tag),
            tag.left,
            tag.rate,
            supply(tag),
            tag.step_in_force,
            tag.claimed_to,
            tag.restarts,
            plain(tag.last_error.as_deref().unwrap_or("-"))
        );
    }
    text
}
