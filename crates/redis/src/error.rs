use std::{error::Error, fmt, time::Duration};

use tollgate_quota::bank::BankError;

/// Why Redis gave no answer. It never tells a password.
#[derive(Clone, Debug)]
pub struct RedisError(Kind);

impl RedisError {
    pub(crate) fn url(source: redis::RedisError) -> Self {
        Self(Kind::Url(source))
    }

    pub(crate) fn away(source: redis::RedisError) -> Self {
        Self(Kind::Away(source))
    }

    pub(crate) fn late(deadline: Duration) -> Self {
        Self(Kind::Late(deadline))
    }

    pub(crate) fn refused(source: redis::RedisError) -> Self {
        Self(Kind::Refused(source))
    }

    pub(crate) fn too_large(what: &'static str) -> Self {
        Self(Kind::TooLarge(what))
    }

    pub(crate) fn strange(what: &'static str) -> Self {
        Self(Kind::Strange(what))
    }
}

impl Error for RedisError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0 {
            Kind::Url(source) | Kind::Away(source) | Kind::Refused(source) => Some(source),
            Kind::Late(_) | Kind::TooLarge(_) | Kind::Strange(_) => None,
        }
    }
}

impl fmt::Display for RedisError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Url(_) => f.write_str("this is no address of a Redis server"),
            Kind::Away(_) => f.write_str("there is no connection to Redis"),
            Kind::Late(deadline) => write!(f, "Redis did not answer within {deadline:?}"),
            Kind::Refused(_) => f.write_str("Redis refused a script"),
            Kind::TooLarge(what) => write!(f, "{what} is more than Redis can count exactly"),
            Kind::Strange(what) => write!(f, "Redis answered {what}"),
        }
    }
}

impl From<RedisError> for BankError {
    fn from(error: RedisError) -> Self {
        Self::new(error)
    }
}

#[derive(Clone, Debug)]
enum Kind {
    Url(redis::RedisError),
    Away(redis::RedisError),
    Late(Duration),
    Refused(redis::RedisError),
    TooLarge(&'static str),
    Strange(&'static str),
}
