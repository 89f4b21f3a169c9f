//! One log line per change, and per change that was refused: who, what, of which tag, from what to what,
//! under which request id, and what became of it. Texts of callers stand there quoted and escaped.

use super::figures::Caller;
use crate::{
    http::{refusal::Refused, span},
    storage::TagRow,
};
use actix_web::{HttpMessage as _, HttpRequest};

const TARGET: &str = "id_alloc::audit";

pub(super) struct Audit<'a> {
    request: &'a HttpRequest,
    action: &'a str,
    tag: &'a str,
    before: String,
}

impl<'a> Audit<'a> {
    pub(super) fn of(request: &'a HttpRequest, action: &'a str, tag: &'a str) -> Self {
        Self {
            request,
            action,
            tag,
            before: "none".to_owned(),
        }
    }

    pub(super) fn before(&mut self, row: &TagRow) {
        self.before = said(row);
    }

    /// Writes the line and hands the result on.
    pub(super) fn ended<T>(
        self,
        result: Result<T, Refused>,
        after: impl FnOnce(&T) -> String,
    ) -> Result<T, Refused> {
        match &result {
            Ok(done) => self.write(&after(done), "ok"),
            Err(refused) => self.write("", refused.kind().code()),
        }
        result
    }

    fn write(&self, after: &str, outcome: &str) {
        let extensions = self.request.extensions();
        let token = extensions.get::<Caller>().map_or("", |caller| &caller.name);
        let id = span::sent_id(self.request.headers());
        let request_id = id.and_then(|id| id.to_str().ok()).unwrap_or_default();
        let Self {
            action,
            tag,
            before,
            ..
        } = self;
        tracing::info!(
            target: TARGET, token, action, biz_tag = ?tag, before, after, request_id, outcome,
            "admin"
        );
    }
}

/// A call that its token does not allow.
pub(super) fn refused(request: &HttpRequest, refused: &Refused) {
    let mut call = Audit::of(request, request.method().as_str(), request.uri().path());
    call.before.clear();
    call.write("", refused.kind().code());
}

/// A row, as it stands in the log.
pub(super) fn said(row: &TagRow) -> String {
    let limit = row.id_limit.unwrap_or(0);
    format!(
        "max_id={} step={} description={:?} id_limit={limit} retired={}",
        row.max_id, row.step, row.description, row.retired
    )
}
