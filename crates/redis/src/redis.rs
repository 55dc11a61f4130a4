use std::{fmt, sync::Arc, time::Duration};

use redis::{FromRedisValue, ServerErrorKind, Value};
use secrecy::SecretString;
use tokio::time::{Instant, timeout_at};

use crate::{RedisError, link::Link, script::Script, server::Server};

/// A Redis server, or a cluster. It need not be there yet: the connection is made when something is asked, and anew when it
/// is lost. Clones share it.
///
/// ```
/// use std::time::Duration;
///
/// use secrecy::SecretString;
/// use tollgate_redis::Redis;
///
/// let url = SecretString::from("redis://user:secret@127.0.0.1:6379/0");
/// let redis = Redis::open(&url)?.deadline(Duration::from_millis(20));
/// assert!(!format!("{redis:?}").contains("secret"));
/// # Ok::<(), tollgate_redis::RedisError>(())
/// ```
#[derive(Clone)]
pub struct Redis {
    link: Arc<Link>,
    deadline: Duration,
}

impl Redis {
    /// For this URL: `redis://` or, with the feature `tls`, `rediss://`; `unix://` too.
    ///
    /// # Errors
    /// When it is not the URL of a Redis server, or needs a feature that is not there.
    pub fn open(url: &SecretString) -> Result<Self, RedisError> {
        let server = Server::single(url).map_err(RedisError::url)?;
        Ok(Self::to(server))
    }

    /// For the cluster that these nodes belong to.
    ///
    /// # Errors
    /// When one is not the URL of a Redis server, or there is none, or they have different passwords.
    #[cfg(feature = "cluster")]
    pub fn cluster(urls: &[SecretString]) -> Result<Self, RedisError> {
        let server = Server::cluster(urls).map_err(RedisError::url)?;
        Ok(Self::to(server))
    }

    fn to(server: Server) -> Self {
        Self {
            link: Link::new(server),
            deadline: Duration::from_millis(50),
        }
    }

    /// Sets in which time each call is answered or has failed; 50 ms by default.
    #[must_use]
    pub fn deadline(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// Trusts this certificate authority, in PEM, in place of the public ones.
    ///
    /// # Errors
    /// When it is not a certificate.
    #[cfg(feature = "tls")]
    pub fn ca(self, pem: impl Into<Vec<u8>>) -> Result<Self, RedisError> {
        let server = self.link.server().clone().ca(pem.into());
        Ok(Self {
            link: Link::new(server.map_err(RedisError::url)?),
            ..self
        })
    }

    pub(crate) fn is_cluster(&self) -> bool {
        self.link.server().is_cluster()
    }

    /// Runs a script by the deadline. Without an answer it may have run, or may yet.
    pub(crate) async fn run<T: FromRedisValue>(
        &self,
        script: &Script,
        keys: &[String],
        arguments: &[String],
    ) -> Result<T, RedisError> {
        let by = Instant::now() + self.deadline;
        let late = || RedisError::late(self.deadline);
        let connection = timeout_at(by, self.link.connection());
        let (mut connection, number) = connection
            .await
            .map_err(|_| late())?
            .map_err(RedisError::away)?;
        let mends_itself = connection.mends_itself();

        let ran = timeout_at(by, async {
            let by_digest = script.by_digest(keys, arguments);
            match connection.send(&by_digest).await {
                Err(error) if is(&error, ServerErrorKind::NoScript) => {
                    connection.send(&script.by_code(keys, arguments)).await
                }
                other => other,
            }
        });
        let failed = match ran.await {
            Ok(Ok(reply)) => return read(reply),
            Ok(Err(error)) if !is_lost(&error) => return Err(RedisError::refused(error)),
            Ok(Err(error)) => Some(error),
            Err(_) => None,
        };
        // What hangs may hang for long: the next call had better use another connection.
        if !mends_itself {
            self.link.retire(number, failed.clone());
        }
        Err(failed.map_or_else(late, RedisError::away))
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis")
            .field("servers", &self.link)
            .field("deadline", &self.deadline)
            .finish()
    }
}

fn read<T: FromRedisValue>(reply: Value) -> Result<T, RedisError> {
    T::from_redis_value(reply).map_err(|_| RedisError::strange("what its script does not say"))
}

/// Whether another connection is needed. A server that may only be read was a primary once: its address may lead to
/// another one by now.
fn is_lost(error: &redis::RedisError) -> bool {
    error.is_unrecoverable_error()
        || error.is_io_error()
        || is(error, ServerErrorKind::ReadOnly)
        || is(error, ServerErrorKind::MasterDown)
}

fn is(error: &redis::RedisError, kind: ServerErrorKind) -> bool {
    error.kind() == redis::ErrorKind::Server(kind)
}
