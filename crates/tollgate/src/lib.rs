#![doc = include_str!("../README.md")]

#[cfg(feature = "audit")]
pub use tollgate_audit as audit;
#[cfg(feature = "auth")]
pub use tollgate_auth as auth;
#[cfg(feature = "balance")]
pub use tollgate_balance as balance;
#[cfg(feature = "breaker")]
pub use tollgate_breaker as breaker;
#[cfg(feature = "cache")]
pub use tollgate_cache as cache;
pub use tollgate_core as core;
#[cfg(feature = "llm")]
pub use tollgate_llm as llm;
#[cfg(feature = "observe")]
pub use tollgate_observe as observe;
#[cfg(feature = "quota")]
pub use tollgate_quota as quota;
#[cfg(feature = "redis")]
pub use tollgate_redis as redis;
#[cfg(feature = "sql")]
pub use tollgate_sql as sql;
