#![doc = include_str!("../README.md")]

mod layer;
mod pool;
mod retry_budget;
mod service;
mod status;
mod verdict;

pub use self::{
    layer::BalanceLayer,
    pool::{Pool, Strategy},
    retry_budget::RetryBudget,
    service::{BalanceFuture, BalanceService},
    status::Busy,
};
