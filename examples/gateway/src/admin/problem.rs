use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::json;
use tollgate::auth::KeysError;

/// What an operator is told when something does not go.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    code: String,
    why: String,
}

impl Problem {
    pub(super) fn new(status: StatusCode, code: &str, why: impl Into<String>) -> Self {
        Self {
            status,
            code: code.into(),
            why: why.into(),
        }
    }

    pub(super) fn malformed(why: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", why)
    }

    pub(super) fn not_for_pages(why: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, "not_for_pages", why)
    }
}

impl From<KeysError> for Problem {
    fn from(error: KeysError) -> Self {
        let (status, code) = match &error {
            KeysError::NotFound => (StatusCode::NOT_FOUND, "not_found"),
            KeysError::Conflict => (StatusCode::CONFLICT, "conflict"),
            KeysError::Invalid(_) => (StatusCode::BAD_REQUEST, "invalid_request"),
            KeysError::Refused(_) => (StatusCode::FORBIDDEN, "permission_denied"),
            _ => {
                tracing::warn!(
                    error = crate::chain(&error),
                    "keys cannot be read or written"
                );
                (StatusCode::SERVICE_UNAVAILABLE, "keys_unavailable")
            }
        };
        Self::new(status, code, error.to_string())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let error = json!({ "error": { "code": self.code, "message": self.why } });
        (self.status, axum::Json(error)).into_response()
    }
}
