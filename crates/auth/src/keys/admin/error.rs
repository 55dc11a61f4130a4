use std::{error::Error, fmt};

use crate::KeyStoreError;

/// Keys could not be made or changed.
#[derive(Debug)]
#[non_exhaustive]
pub enum KeysError {
    /// There is no such key or group.
    NotFound,
    /// Somebody else has changed it in the meantime.
    Conflict,
    /// It cannot be, for this reason.
    Invalid(&'static str),
    /// The caller may not do this, for this reason.
    Refused(&'static str),
    /// The store fails.
    Store(KeyStoreError),
}

impl From<KeyStoreError> for KeysError {
    fn from(error: KeyStoreError) -> Self {
        match error {
            KeyStoreError::Conflict => Self::Conflict,
            error => Self::Store(error),
        }
    }
}

impl fmt::Display for KeysError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound => f.write_str("there is no such key or group"),
            Self::Conflict => f.write_str("it was changed by somebody else"),
            Self::Invalid(why) => write!(f, "it is not valid: {why}"),
            Self::Refused(why) => write!(f, "it is not permitted: {why}"),
            Self::Store(_) => f.write_str("keys cannot be read or written"),
        }
    }
}

impl Error for KeysError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Store(error) => Some(error),
            _ => None,
        }
    }
}
