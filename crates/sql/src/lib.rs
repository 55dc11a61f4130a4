#![doc = include_str!("../README.md")]

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
