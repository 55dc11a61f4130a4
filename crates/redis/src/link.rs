use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use redis::{ErrorKind, RedisResult};
use tokio::time::{Instant, timeout};

use crate::server::{Connection, Server};

/// The connection to a server: made when it is asked for, and anew when it was retired.
pub(crate) struct Link {
    server: Server,
    state: Mutex<State>,
}

impl Link {
    pub(crate) fn new(server: Server) -> Arc<Self> {
        Arc::new(Self {
            server,
            state: Mutex::new(State::Down {
                again_at: Instant::now(),
                why: None,
            }),
        })
    }

    pub(crate) fn server(&self) -> &Server {
        &self.server
    }

    /// The connection, and its number. While there is none, one attempt serves all who wait; between two of them there is a
    /// pause, in which nobody waits.
    pub(crate) async fn connection(self: &Arc<Self>) -> RedisResult<(Connection, u64)> {
        let attempt = {
            let mut state = self.state();
            match &*state {
                State::Up(connection, number) => return Ok((connection.clone(), *number)),
                State::Connecting(attempt) => attempt.clone(),
                State::Down { again_at, why } if Instant::now() < *again_at => {
                    return Err(why.clone().unwrap_or_else(retired));
                }
                State::Down { .. } => {
                    let attempt = self.attempt();
                    *state = State::Connecting(attempt.clone());
                    attempt
                }
            }
        };
        attempt.await
    }

    /// Gives this connection to nobody any more. Those who have it may finish on it.
    pub(crate) fn retire(&self, number: u64, why: Option<redis::RedisError>) {
        let mut state = self.state();
        if matches!(&*state, State::Up(_, up) if *up == number) {
            tracing::warn!(server = ?self.server, "the connection to Redis is given up");
            *state = State::down(why);
        }
    }

    /// Runs by itself, so that it goes on if those who wait for it leave.
    fn attempt(self: &Arc<Self>) -> Attempt {
        let link = Arc::clone(self);
        let task = tokio::spawn(async move {
            let connected = timeout(CONNECT, link.server.connect()).await;
            let connected = connected.unwrap_or_else(|_| Err(no_answer()));
            let mut state = link.state();
            match connected {
                Ok(connection) => {
                    let number = NUMBERS.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    *state = State::Up(connection.clone(), number);
                    Ok((connection, number))
                }
                Err(error) => {
                    *state = State::down(Some(error.clone()));
                    Err(error)
                }
            }
        });
        let link = Arc::clone(self);
        let attempt = task.map(move |ended| {
            ended.unwrap_or_else(|_| {
                // Its runtime has ended.
                *link.state() = State::down(None);
                Err(retired())
            })
        });
        attempt.boxed().shared()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.server.fmt(f)
    }
}

enum State {
    Down {
        again_at: Instant,
        why: Option<redis::RedisError>,
    },
    Connecting(Attempt),
    Up(Connection, u64),
}

impl State {
    fn down(why: Option<redis::RedisError>) -> Self {
        Self::Down {
            again_at: Instant::now() + PAUSE,
            why,
        }
    }
}

type Attempt = Shared<BoxFuture<'static, RedisResult<(Connection, u64)>>>;

fn retired() -> redis::RedisError {
    (ErrorKind::Io, "the connection was given up").into()
}

fn no_answer() -> redis::RedisError {
    (ErrorKind::Io, "connecting took too long").into()
}

/// An attempt; callers wait for it no longer than their own deadline.
const CONNECT: Duration = Duration::from_secs(1);
/// Between a connection that failed and the next attempt.
const PAUSE: Duration = Duration::from_millis(100);
static NUMBERS: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
