//! The simulated provider, asked over real sockets.
#![cfg(feature = "simulated")]

mod simulated {
    mod anthropic;
    mod client;
    mod control;
    mod faults;
    mod gemini;
    mod meter;
    mod openai;
    mod responses;
}
