//! A provider that speaks OpenAI's dialect over a real socket, for tests and first steps.
//!
//! It answers every model with a text about the question, word by word, and counts what it has served. The name of a
//! model can ask for a fault:
//!
//! | model | what it does |
//! |---|---|
//! | `…error-429` | answers with this status, and `Retry-After: 1`; any status goes |
//! | `…cut` | breaks its connection off in the middle of the answer |
//! | `…stall` | falls silent in the middle of the answer |
//! | `…slow` | waits ten paces before it begins |
//! | `…nonsense` | answers with a page of HTML |
//! | `…no-usage` | never says what was used |
//!
//! `GET /stats` tells what it has counted; it needs no key.

mod answer;
mod server;
mod stats;
mod stream;

pub use self::{
    server::Simulated,
    stats::{Billed, Stats},
};
