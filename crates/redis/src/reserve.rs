use std::{fmt, sync::Arc};

use tollgate_quota::bank::{Answering, Demand, Holder, Message, Reply, Reserve, Window};

use crate::{Redis, RedisError, key::Keys, script::Script};

/// Blocks of hard budgets, lent by Redis in place of the authority.
///
/// It may lose its memory at any time, in whole or in part, and nothing is spent twice: a memory has a name, and what was
/// granted for one name is worth nothing under another. A memory ends with the server's process or its role, when a key is
/// missing, when an asker has seen more of it than it remembers, and when there are too many askers to remember.
///
/// ```no_run
/// use secrecy::SecretString;
/// use tollgate_quota::bank::{Authority, Bank};
/// use tollgate_redis::{Redis, RedisReserve};
///
/// fn bank(authority: impl Authority) -> Result<Bank, tollgate_redis::RedisError> {
///     let redis = Redis::open(&SecretString::from("redis://127.0.0.1"))?;
///     Ok(Bank::new(authority).with_reserve(RedisReserve::new(redis)))
/// }
/// ```
#[derive(Clone)]
pub struct RedisReserve(Arc<Inner>);

impl RedisReserve {
    /// Keeps it here.
    #[must_use]
    pub fn new(redis: Redis) -> Self {
        const MEMORY: &str = include_str!("reserve/memory.lua");
        Self(Arc::new(Inner {
            redis,
            keys: Keys::default(),
            lease: Script::new(MEMORY, include_str!("reserve/lease.lua")),
            book: Script::new(MEMORY, include_str!("reserve/book.lua")),
        }))
    }

    /// Sets what the names of all keys begin with; `tollgate` by default.
    ///
    /// # Panics
    /// When the prefix has braces.
    #[must_use]
    pub fn prefix(self, prefix: impl Into<Arc<str>>) -> Self {
        let fresh = Self::new(self.0.redis.clone());
        Self(Arc::new(Inner {
            keys: Keys::new(prefix),
            ..Arc::into_inner(fresh.0).expect("it is new")
        }))
    }
}

impl Reserve for RedisReserve {
    fn ask(&self, message: Message<Demand>) -> Answering<Reply> {
        let inner = Arc::clone(&self.0);
        Box::pin(async move { Ok(inner.ask(&message).await?) })
    }
}

impl fmt::Debug for RedisReserve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RedisReserve").field(&self.0.redis).finish()
    }
}

struct Inner {
    redis: Redis,
    keys: Keys,
    lease: Script,
    book: Script,
}

impl Inner {
    async fn ask(&self, message: &Message<Demand>) -> Result<Reply, RedisError> {
        let asker = name(message.asker.0);
        let number = exact(message.number, "the number of a message")?;
        let (script, window, arguments) = match message.ask {
            Demand::Lease {
                window,
                holder,
                seen,
                nonce,
                least,
                wish,
            } => {
                let least = amount(least)?;
                let arguments = vec![
                    asker,
                    number,
                    holder.map_or_else(String::new, |holder| name(holder.0)),
                    exact(seen, "what was seen of a holder")?,
                    name(nonce),
                    least,
                    // A wish is not a claim.
                    wish.clamp(0, EXACT).to_string(),
                    expires_at(window).to_string(),
                ];
                (&self.lease, window, arguments)
            }
            // Both make something free of what this holder, and no other, has.
            Demand::Fund {
                holder,
                window,
                amount: free,
            }
            | Demand::GiveBack {
                holder,
                window,
                amount: free,
            } => {
                let arguments = vec![asker, number, name(holder.0), amount(free)?];
                (&self.book, window, arguments)
            }
        };
        let key = self.keys.budget(&message.account, window.number);
        let reply = self.redis.run(script, &[key], &arguments).await?;
        read(reply).ok_or(RedisError::strange("what no reserve says"))
    }
}

fn read((kind, holder, seq, amount, scarce): (String, String, u64, i64, u8)) -> Option<Reply> {
    let holder = || u128::from_str_radix(&holder, 16).ok().map(Holder);
    Some(match kind.as_str() {
        "L" => Reply::Leased {
            holder: holder()?,
            seq,
            amount,
            scarce: scarce > 0,
        },
        "U" => Reply::Unfunded {
            holder: holder()?,
            seq,
        },
        "B" => Reply::Booked,
        "S" => Reply::Stale,
        "O" => Reply::Old,
        _ => return None,
    })
}

/// Late messages find another holder or none, so that a key may go at any time. A day's grace is for clocks that differ.
fn expires_at(window: Window) -> i64 {
    match window.ends_at {
        i64::MAX => 0,
        ends_at => ends_at.saturating_add(DAY).clamp(1, EXACT),
    }
}

fn name(number: u128) -> String {
    format!("{number:032x}")
}

fn exact(number: u64, what: &'static str) -> Result<String, RedisError> {
    if number > EXACT.unsigned_abs() {
        return Err(RedisError::too_large(what));
    }
    Ok(number.to_string())
}

fn amount(nanos: i64) -> Result<String, RedisError> {
    if !(0..=EXACT).contains(&nanos) {
        return Err(RedisError::too_large("an amount"));
    }
    Ok(nanos.to_string())
}

/// A script's doubles are exact up to here: about nine million dollars.
const EXACT: i64 = (1 << 53) - 1;
/// In milliseconds.
const DAY: i64 = 24 * 60 * 60 * 1000;
