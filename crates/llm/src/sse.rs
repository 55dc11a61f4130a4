//! Server-sent events, sans I/O: where they end, and what they say.
//!
//! Who passes a stream on byte for byte finds the ends with an [`EventBoundary`] and looks into an event with
//! [`parse_event`]. Who translates it takes whole [`Event`]s out of a [`Parser`]. Both read an event in the same way, as
//! [WHATWG HTML](https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream) says it.

mod boundary;
mod event;
mod parser;

pub use self::{
    boundary::EventBoundary,
    event::{EventRef, parse_event},
    parser::{Event, Item, Parser, TooLarge},
};
