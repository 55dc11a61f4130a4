pub(crate) mod account;
pub(crate) mod pool;
mod sizing;
