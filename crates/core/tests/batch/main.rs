//! What a batch promises.

mod answers;
mod facts;
mod leaving;
mod support;
mod together;
