//! Which refusals the OpenAPI document tells of; `problem.rs` says which of them it is.

use super::problem::ProblemBody;

/// What any call may be refused with.
#[derive(utoipa::IntoResponses)]
#[allow(dead_code, reason = "it describes what Problem answers")]
pub(in crate::http) enum Refusals {
    /// The call cannot be understood, or asks for what the rules do not allow.
    #[response(status = 400, content_type = "application/problem+json")]
    BadRequest(ProblemBody),
    /// No token, or none that is known.
    #[response(status = 401, content_type = "application/problem+json")]
    Unauthorized(ProblemBody),
    /// The token has not the scope.
    #[response(status = 403, content_type = "application/problem+json")]
    Forbidden(ProblemBody),
    /// No such tag, or path.
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(ProblemBody),
    /// Not a method of this path.
    #[response(status = 405, content_type = "application/problem+json")]
    MethodNotAllowed(ProblemBody),
    /// An internal error, or a row that cannot be used.
    #[response(status = 500, content_type = "application/problem+json")]
    Internal(ProblemBody),
    /// The database does not answer, or its table cannot serve.
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(ProblemBody),
}

/// What a change may be refused with besides.
#[derive(utoipa::IntoResponses)]
#[allow(dead_code, reason = "it describes what Problem answers")]
pub(in crate::http) enum ChangeRefusals {
    /// The body did not arrive in time.
    #[response(status = 408, content_type = "application/problem+json")]
    Slow(ProblemBody),
    /// It exists already, or its name was used up to a higher id.
    #[response(status = 409, content_type = "application/problem+json")]
    Conflict(ProblemBody),
    /// `If-Match` or `If-None-Match` does not hold.
    #[response(status = 412, content_type = "application/problem+json")]
    Precondition(ProblemBody),
    /// The body is longer than `limits.max_body`.
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(ProblemBody),
    /// The body is not JSON.
    #[response(status = 415, content_type = "application/problem+json")]
    MediaType(ProblemBody),
}
