//! What holds for the halves together: they agree with each other, with what providers have sent, and stand what nobody
//! should send.

mod gather;
mod hostile;
mod quirks;
mod recorded;
mod round_trip;
