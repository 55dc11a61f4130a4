#![doc = include_str!("../README.md")]
#![cfg_attr(
    not(any(feature = "sqlite", feature = "postgres")),
    allow(unused, unreachable_code, reason = "there is no database to open")
)]

mod authority;
mod database;
mod error;
mod keys;
mod news;
mod usage;

pub use self::{
    authority::{SqlAuthority, WindowStatement},
    database::Database,
    error::SqlError,
    keys::SqlKeys,
    usage::SqlUsage,
};
