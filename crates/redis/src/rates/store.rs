use std::{sync::Arc, time::Duration};

use tokio::{runtime::Handle, sync::Semaphore};

use super::gcra::Gcra;
use crate::{Redis, RedisError, script::Script};

/// The rates as the server has them.
#[derive(Debug)]
pub(crate) struct Store {
    redis: Redis,
    take: Script,
    correct: Script,
    /// For corrections on their way.
    room: Arc<Semaphore>,
}

impl Store {
    pub(crate) fn new(redis: Redis) -> Self {
        const ACCOUNT: &str = include_str!("account.lua");
        Self {
            redis,
            take: Script::new(ACCOUNT, include_str!("take.lua")),
            correct: Script::new(ACCOUNT, include_str!("correct.lua")),
            room: Arc::new(Semaphore::new(CORRECTIONS)),
        }
    }

    /// Takes all of them or none. In a cluster the tenants are asked one after the other, and what the first have given is
    /// undone if a later one refuses.
    pub(crate) async fn decide(self: &Arc<Self>, asks: &[Ask]) -> Result<Decision, RedisError> {
        if !self.redis.is_cluster() {
            return Ok(self.take(asks.iter()).await?.decision);
        }
        let mut granted = vec![Grant::default(); asks.len()];
        let mut done = vec![None; asks.len()];
        while let Some(next) = done.iter().position(Option::is_none) {
            let tenant = &asks[next].tenant;
            let group: Vec<_> = (0..asks.len())
                .filter(|&i| asks[i].tenant == *tenant)
                .collect();
            let failed = match self.take(group.iter().map(|&i| &asks[i])).await {
                Ok(Reply {
                    now,
                    decision: Decision::Granted(of),
                }) => {
                    for (&i, grant) in group.iter().zip(of) {
                        granted[i] = grant;
                        done[i] = Some(now);
                    }
                    continue;
                }
                Ok(Reply {
                    decision: Decision::Short { index, debt, wait },
                    ..
                }) => Ok(Decision::Short {
                    index: group.get(index).copied().unwrap_or(next),
                    debt,
                    wait,
                }),
                Err(error) => Err(error),
            };
            let undo = asks.iter().zip(&granted).zip(&done);
            let undo = undo.filter_map(|((ask, grant), now)| {
                Some(Change {
                    tenant: Arc::clone(&ask.tenant),
                    key: ask.key.clone(),
                    gcra: ask.gcra,
                    more: 0_i64.saturating_sub_unsigned(grant.got),
                    taken_at: (*now)?,
                })
            });
            self.change(undo.collect());
            return failed;
        }
        Ok(Decision::Granted(granted))
    }

    /// In the background. While too many are on their way, this one is lost.
    pub(crate) fn change(self: &Arc<Self>, changes: Vec<Change>) {
        let changes: Vec<_> = changes
            .into_iter()
            .filter(|change| change.more != 0)
            .collect();
        if changes.is_empty() {
            return;
        }
        let room = Arc::clone(&self.room).try_acquire_owned();
        let (Ok(room), Ok(runtime)) = (room, Handle::try_current()) else {
            tracing::warn!(changes = changes.len(), "a correction of rates is lost");
            return;
        };
        let store = Arc::clone(self);
        runtime.spawn(async move {
            let _room = room;
            if let Err(error) = store.send(changes).await {
                tracing::warn!(%error, "a correction of rates is lost");
            }
        });
    }

    async fn take(&self, asks: impl Iterator<Item = &Ask>) -> Result<Reply, RedisError> {
        let (mut keys, mut arguments) = (Vec::new(), Vec::new());
        for ask in asks {
            keys.push(ask.key.clone());
            let Gcra {
                speed, capacity, ..
            } = ask.gcra;
            arguments
                .extend([speed, ask.least, ask.wish, capacity].map(|number| number.to_string()));
        }
        let reply: Vec<u64> = self.redis.run(&self.take, &keys, &arguments).await?;
        Reply::read(&reply, keys.len()).ok_or(RedisError::strange("to other takes than these"))
    }

    async fn send(&self, mut changes: Vec<Change>) -> Result<(), RedisError> {
        let mut sent = Ok(());
        while let Some(first) = changes.first() {
            let tenant = Arc::clone(&first.tenant);
            let apart = self.redis.is_cluster();
            let (now, later) = changes
                .into_iter()
                .partition(|change| !apart || change.tenant == tenant);
            changes = later;
            let now: Vec<Change> = now;
            let arguments: Vec<_> = now.iter().flat_map(Change::arguments).collect();
            let keys: Vec<_> = now.into_iter().map(|change| change.key).collect();
            let done = self.redis.run::<u64>(&self.correct, &keys, &arguments);
            sent = sent.and(done.await.map(drop));
        }
        sent
    }
}

/// Something to be taken of an account, in ticks.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) tenant: Arc<str>,
    pub(crate) key: String,
    pub(crate) gcra: Gcra,
    pub(crate) least: u64,
    pub(crate) wish: u64,
}

/// More (or less) to be owed by an account, in ticks.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) tenant: Arc<str>,
    pub(crate) key: String,
    pub(crate) gcra: Gcra,
    pub(crate) more: i64,
    /// What is undone, by the server's clock; zero if nothing is.
    pub(crate) taken_at: u64,
}

impl Change {
    fn arguments(&self) -> [String; 3] {
        [
            self.gcra.speed.to_string(),
            self.more.to_string(),
            self.taken_at.to_string(),
        ]
    }
}

#[derive(Debug)]
pub(crate) enum Decision {
    /// In the order of what was asked.
    Granted(Vec<Grant>),
    Short {
        index: usize,
        debt: u64,
        wait: Duration,
    },
}

/// What was taken of an account, in ticks.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Grant {
    /// What it owes now,
    pub(crate) debt: u64,
    /// and how much of that was taken now.
    pub(crate) got: u64,
}

#[derive(Debug)]
struct Reply {
    /// The server's time, in microseconds since 1970.
    now: u64,
    decision: Decision,
}

impl Reply {
    fn read(reply: &[u64], asked: usize) -> Option<Self> {
        let (now, decision) = match *reply {
            [1, now, ref rest @ ..] if rest.len() == 2 * asked => {
                let (pairs, _) = rest.as_chunks();
                let granted = pairs.iter().map(|&[debt, got]| Grant { debt, got });
                (now, Decision::Granted(granted.collect()))
            }
            [0, now, index, debt, wait] => {
                let index = usize::try_from(index).ok()?.checked_sub(1)?;
                let wait = Duration::from_micros(wait);
                (now, Decision::Short { index, debt, wait })
            }
            _ => return None,
        };
        match decision {
            Decision::Short { index, .. } if index >= asked => None,
            decision => Some(Self { now, decision }),
        }
    }
}

/// More on their way than this are not worth their memory: the server is too slow, or away.
const CORRECTIONS: usize = 256;

#[cfg(test)]
#[path = "../../tests/support/server.rs"]
mod server;

#[cfg(test)]
mod tests {
    use proptest::{prelude::*, test_runner::TestRunner};
    use tollgate_quota::Rate;

    use super::{server::Server, *};

    #[test]
    fn a_decision_is_that_of_exact_arithmetic() {
        let Some(server) = Server::start(&[]) else {
            return;
        };
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let redis = Redis::open(&server.url())
            .unwrap()
            .deadline(Duration::from_secs(10));
        let store = Store::new(redis);
        let config = proptest::test_runner::Config::with_cases(100);
        // Short windows, so that much comes back between two calls.
        let rate = (1..50_u64, 100..20_000_u64, 1..50_u64);
        let cases = (rate, prop::collection::vec(0..12_u64, 1..30));
        TestRunner::new(config)
            .run(&cases, |((limit, micros, burst), costs)| {
                server.command(&["FLUSHALL"]);
                let window = Duration::from_micros(micros);
                let rate = Rate {
                    limit,
                    window,
                    burst,
                };
                runtime.block_on(compare(&store, rate, &costs))
            })
            .unwrap();
    }

    /// The model counts in parts of microseconds of which a unit is `window`, and one is `limit`.
    async fn compare(store: &Store, rate: Rate, costs: &[u64]) -> Result<(), TestCaseError> {
        let gcra = Gcra::new(rate).unwrap();
        let (limit, window) = (u128::from(rate.limit), rate.window.as_micros());
        let capacity = u128::from(rate.burst) * window;
        let mut tat = 0;
        for &cost in costs {
            let cost = cost.min(rate.burst);
            let ask = Ask {
                tenant: "".into(),
                key: "a".into(),
                gcra,
                least: gcra.ticks(cost).unwrap(),
                wish: gcra.ticks(cost).unwrap(),
            };
            let reply = store.take([ask].iter()).await.unwrap();
            let now = u128::from(reply.now) * limit;
            let owed = u128::max(tat, now) - now;
            let wanted = owed + u128::from(cost) * window;
            match reply.decision {
                Decision::Granted(granted) => {
                    prop_assert!(wanted <= capacity, "too much was taken");
                    let share = u128::from(granted[0].debt) * capacity;
                    prop_assert_eq!(share, wanted * u128::from(gcra.capacity));
                    tat = now + wanted;
                }
                Decision::Short { wait, .. } => {
                    prop_assert!(wanted > capacity, "there was enough");
                    prop_assert_eq!(wait.as_micros(), (wanted - capacity).div_ceil(limit));
                }
            }
        }
        Ok(())
    }
}
