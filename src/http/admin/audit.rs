//! One log line per change, and per change that was refused: who, what, of which tag, from what to what,
//! under which request id, and what became of it. Texts of callers stand there quoted and escaped.

use super::figures::Caller;
use crate::{
    http::{refusal::Refused, span},
    storage::TagRow,
};
use actix_web::{HttpMessage as _, HttpRequest};

/// The target of the lines, for filters.
const TARGET: &str = "id_alloc::audit";

/// What a change is about.
pub(super) struct Audit<'a> {
    request: &'a HttpRequest,
    action: &'static str,
    tag: String,
    before: Option<String>,
}

impl<'a> Audit<'a> {
    pub(super) fn of(request: &'a HttpRequest, action: &'static str, tag: &str) -> Self {
        Self {
            request,
            action,
            tag: tag.to_owned(),
            before: None,
        }
    }

    /// What the row said before.
    pub(super) fn before(&mut self, row: Option<&TagRow>) {
        self.before = row.map(said);
    }

    /// Writes the line and hands the result on.
    pub(super) fn ended<T>(
        self,
        result: Result<T, Refused>,
        after: impl FnOnce(&T) -> String,
    ) -> Result<T, Refused> {
        let (outcome, after) = match &result {
            Ok(done) => ("ok", after(done)),
            Err(refused) => (refused.kind().code(), String::new()),
        };
        let before = self.before.as_deref().unwrap_or("none");
        write(
            self.request,
            self.action,
            &self.tag,
            before,
            &after,
            outcome,
        );
        result
    }
}

/// A call that its token does not allow.
pub(super) fn refused(request: &HttpRequest, refused: &Refused) {
    let path = request.uri().path();
    write(
        request,
        request.method().as_str(),
        path,
        "",
        "",
        refused.kind().code(),
    );
}

/// A row, as it stands in the log.
pub(super) fn said(row: &TagRow) -> String {
    let limit = row.id_limit.unwrap_or(0);
    format!(
        "max_id={} step={} description={:?} id_limit={limit} retired={}",
        row.max_id, row.step, row.description, row.retired
    )
}

fn write(request: &HttpRequest, action: &str, tag: &str, before: &str, after: &str, outcome: &str) {
    let extensions = request.extensions();
    let token = extensions.get::<Caller>().map_or("", |caller| &caller.name);
    let id = span::sent_id(request.headers());
    let request_id = id.and_then(|id| id.to_str().ok()).unwrap_or_default();
    tracing::info!(
        target: TARGET, token, action, biz_tag = ?tag, before, after, request_id, outcome,
        "admin"
    );
}
