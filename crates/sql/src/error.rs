use std::{error::Error, fmt, io, time::Duration};

use tollgate_quota::bank::calendar::CalendarError;

/// Why a database did not do what it was asked to. It names no address and no password.
#[derive(Debug)]
#[non_exhaustive]
pub enum SqlError {
    /// The address is none of a database that is known here.
    Address(&'static str),
    /// The database could not be reached yet. See [`Database::attach`](crate::Database::attach).
    Away,
    /// The database answered with an error, or not at all.
    Database(sqlx::Error),
    /// A file beside the database could not be read or written.
    File(io::Error),
    /// There was no answer in this time: it may have been done, or not.
    Late(Duration),
    /// An amount is below zero.
    Negative,
    /// The database was set up by a later version of this crate.
    Newer,
    /// A row is not what this crate has written.
    Spoilt(&'static str),
    /// A budget's calendar names no window now.
    Calendar(CalendarError),
    /// The database's memory is older than what it has granted, so that nobody knows what was spent in this window. See
    /// [`SqlAuthority::restate`](crate::SqlAuthority::restate).
    Restored,
}

impl SqlError {
    /// Whether it is no fault of the address or the database: it may answer later.
    pub(crate) fn is_away(&self) -> bool {
        match self {
            Self::Away | Self::Late(_) => true,
            Self::Database(sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut) => true,
            Self::Database(sqlx::Error::Database(error)) => {
                let code = error.code();
                let passes = code.is_some_and(|code| PASSES.contains(&&*code));
                passes || error.is_transient_in_connect_phase()
            }
            _ => false,
        }
    }
}

impl fmt::Display for SqlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(why) => f.write_str(why),
            Self::Away => f.write_str("the database could not be reached yet"),
            Self::Database(_) => f.write_str("the database failed"),
            Self::File(_) => f.write_str("the database's file failed"),
            Self::Late(after) => write!(f, "the database did not answer in {after:?}"),
            Self::Negative => f.write_str("an amount is below zero"),
            Self::Calendar(_) => f.write_str("the budget's calendar names no window"),
            Self::Newer => f.write_str("the database belongs to a later version"),
            Self::Spoilt(what) => write!(f, "the database holds {what} that cannot be read"),
            Self::Restored => {
                f.write_str("the database was restored: it has to be stated what was spent")
            }
        }
    }
}

impl Error for SqlError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Database(error) => Some(error),
            Self::File(error) => Some(error),
            Self::Calendar(error) => Some(error),
            _ => None,
        }
    }
}

impl From<sqlx::Error> for SqlError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

impl From<io::Error> for SqlError {
    fn from(error: io::Error) -> Self {
        Self::File(error)
    }
}

/// What Postgres says while it is stopped or has crashed, and a standby until it takes over.
const PASSES: [&str; 3] = ["57P01", "57P02", "25006"];
