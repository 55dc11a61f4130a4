//! One form between the dialects.
//!
//! Each dialect reads into it and writes from it, so that every pair of dialects needs only its two halves. It exists
//! where the caller's dialect is not the provider's; elsewhere bytes pass as they are.
//!
//! What it cannot hold does not disappear: readers and writers name it in [`Losses`].

mod answer;
mod ask;
mod called;
mod carry;
mod delta;
mod embed;
mod fault;
mod losses;
mod part;
mod stream;

#[cfg_attr(not(test), expect(unused_imports, reason = "tests name them"))]
pub(crate) use self::ask::Sampling;
pub(crate) use self::{
    answer::{Answer, Choice, Finish},
    ask::{Ask, Effort, Format, Names, Reasoning, Target, Tool, ToolChoice, Turn},
    called::{Called, can_be_repeated},
    carry::{Carried, MARK},
    delta::Delta,
    embed::{EmbedAnswer, EmbedAsk},
    fault::{Fault, Kind},
    losses::Losses,
    part::{Media, Part, Role, Signature, Source},
    stream::{ReadStream, WriteStream},
};
