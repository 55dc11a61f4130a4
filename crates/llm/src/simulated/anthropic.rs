mod error;
mod fields;
mod message;
mod messages;
mod rules;

pub(crate) use self::{
    error::{error, headers, model, models},
    message::Messages,
    messages::messages,
    rules::version,
};
