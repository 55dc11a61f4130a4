//! Every dialect in front of every other, over real sockets.
#![cfg(all(feature = "upstream", feature = "simulated"))]

mod translate {
    mod answers;
    mod ask;
    mod counts;
    mod errors;
    mod faults;
    mod headers;
    mod money;
    mod said;
    mod world;
}
