//! Starts and stops the programs that the tests drive: the gateway, a scripted upstream, a script of an SDK's.

mod answer;
mod disk;
mod faketime;
mod gateway;
mod node;
mod postgres;
mod program;
mod provider;
mod python;
mod redis;
mod server;
mod upstream;

pub use self::{
    answer::{Answer, Events},
    disk::ForgetfulDisk,
    faketime::{HoursEnd, faketime},
    gateway::Gateway,
    node::node,
    postgres::Postgres,
    program::{Ran, run},
    provider::Provider,
    python::{python, run_script},
    redis::Redis,
    upstream::{Behaviour, Upstream},
};

use std::{future::Future, time::Duration};

use serde_json::{Value, json};

/// Waits for something that takes no time, but on a busy machine.
///
/// # Panics
///
/// When it takes longer than that.
pub async fn soon<F: Future>(what: &str, future: F) -> F::Output {
    match tokio::time::timeout(SOON, future).await {
        Ok(output) => output,
        Err(_) => panic!("{what} took longer than {SOON:?}"),
    }
}

/// Asks until there is an answer.
///
/// # Panics
///
/// When there is none for long.
pub async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    soon(what, async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
}

/// The body of a small request for a chat completion.
#[must_use]
pub fn hello(model: &str) -> Value {
    json!({ "model": model, "messages": [{ "role": "user", "content": "hello" }] })
}

const SOON: Duration = Duration::from_secs(30);

/// The example in the project's readme, so that it is compiled.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
