use std::time::Duration;

/// What a provider says went wrong, in no dialect.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Fault {
    pub(crate) kind: Kind,
    /// The provider's own code, such as `context_length_exceeded`; empty if it has none.
    pub(crate) code: String,
    /// For the caller.
    pub(crate) message: String,
    /// The field at fault, if the provider says so.
    pub(crate) param: Option<String>,
    /// How long to wait.
    pub(crate) retry_after: Option<Duration>,
}

/// What kind of fault it is; each dialect has a status and a word for it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    InvalidRequest,
    /// The conversation is longer than the model takes.
    ContextLength,
    ContentFilter,
    Authentication,
    Permission,
    NotFound,
    TooLarge,
    /// Too much at the moment: worth another try.
    RateLimited,
    /// The account has nothing left: not worth another try.
    QuotaExhausted,
    Timeout,
    Overloaded,
    Internal,
}
