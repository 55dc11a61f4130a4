#![doc = include_str!("../README.md")]

mod error;
mod key;
mod link;
mod rates;
mod redis;
mod reserve;
mod script;
mod server;

pub use self::{error::RedisError, rates::RedisRates, redis::Redis, reserve::RedisReserve};
