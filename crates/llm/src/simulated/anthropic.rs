mod blocks;
mod error;
mod fields;
mod mark;
mod message;
mod messages;
mod rules;
mod turns;

pub(crate) use self::{
    error::{error, headers, model, models},
    message::Messages,
    messages::messages,
    rules::version,
};
