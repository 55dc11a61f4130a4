//! A provider that speaks OpenAI's, Anthropic's and Gemini's dialects over a real socket, for tests and first steps.
//!
//! It is the other side: it shares nothing with what the rest of this crate reads and writes, so that a mistake on one
//! side is seen on the other. It refuses what the providers refuse, in their words, and keeps a meter of its own.
//!
//! | dialect | paths |
//! |---|---|
//! | OpenAI | `/v1/chat/completions`, `/v1/completions`, `/v1/responses`, `/v1/embeddings`, `/v1/models`, all of them also below `/openai` |
//! | Azure | `/openai/deployments/{deployment}/…?api-version=…` |
//! | Anthropic | `/v1/messages`, `/v1/messages/count_tokens`, and `/v1/models` with Anthropic's headers |
//! | Gemini | `/v1/models/{model}:…` and `/v1beta/models/{model}:…`, for content, its stream, its tokens and embeddings |
//!
//! # What the model does
//!
//! The same request is always answered alike.
//!
//! - Text: `This is a simulated answer to: `, the first 60 characters of the last message, and what media it saw. A
//!   word is a token. Stop sequences and limits are kept to.
//! - Tools: it calls those that the question names, or else the first; two where the question says `both`. Arguments
//!   are what the schema requires. Where the question says `aloud`, it says something first. Given results, it
//!   says `The tools said: ` and cites them.
//! - JSON: the simplest instance of the schema.
//! - Reasoning, where it is asked for: `Thinking about: ` and the question.
//! - A model whose name contains `echo` answers with a JSON text of all that it understood: `system`, `messages`, `tools`,
//!   `params` and more, by the same names in all dialects.
//! - Prompts are kept: what stands before Anthropic's marks; and what stands before the messages from 1024 tokens on, where
//!   OpenAI lets the first request pay for that only if it names a `prompt_cache_key`.
//! - Models whose names contain `gemini-3` want their signatures back.
//!
//! # What can go wrong
//!
//! The name of a model can ask for a [`Fault`] by its end, as in `sim-cut`, and for more behind a `+`, as in
//! `sim-cut+crlf+bytes`. `error-429` at the end refuses with this status, and `Retry-After: 1`; any status goes.
//! A script of [`Step`]s can ask for the same, and more, of whichever request comes next.
//!
//! # Control
//!
//! | call | what it does |
//! |---|---|
//! | `POST /_control/script` | adds a list of steps: `[{"status": 429, "retry_after": 2}, {"faults": ["cut", "crlf"]}]` |
//! | `GET /_control/bill` | all that was billed, by model and by request |
//! | `GET /_control/requests?last=n` | the last requests, without credentials |
//! | `POST /_control/prices` | what models' tokens cost, by model |
//! | `POST /_control/reset` | forgets all but the prices |
//! | `GET /stats` | what was counted, in short |
//!
//! None of them needs a key: it is for loopback.

mod answer;
mod anthropic;
mod asked;
mod body;
mod control;
mod exchange;
mod fault;
mod gemini;
mod key;
mod meter;
mod mind;
mod openai;
mod received;
mod refusal;
mod respond;
mod route;
mod server;
mod step;
mod wire;

pub use self::{
    fault::Fault,
    meter::{Bill, Billed, Entry, Prices, Stats, Tokens, Total},
    received::Received,
    server::Simulated,
    step::Step,
};

/// The models that it lists; it answers for any other as well.
const MODELS: [&str; 3] = ["sim-small", "sim-large", "sim-embed"];
