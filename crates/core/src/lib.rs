#![doc = include_str!("../README.md")]

#[cfg(feature = "batch")]
mod batch;
mod close_unread;
#[cfg(feature = "drain")]
mod drain;
pub mod fact;
mod gate;
pub mod json;
mod layer;
mod limits;
mod observer;
mod on_end;
mod payload;
mod rejection;
mod reply;
#[cfg(feature = "testing")]
pub mod testing;
mod timeout;
mod trail;
mod wire;

#[cfg(feature = "batch")]
pub use self::batch::{Batch, BatchFuture, BatchLayer, BatchService, share_out};
#[cfg(feature = "drain")]
pub use self::drain::{DrainBody, DrainFuture, DrainLayer, DrainService};
pub use self::{
    close_unread::{CloseUnread, Unread},
    gate::{Admission, Gate, GateFn, Never, gate_fn},
    layer::{GateFuture, GateLayer, GateService},
    limits::{Limit, Limits},
    observer::{Observer, Outcome},
    on_end::{OnEnd, OnEndBody},
    payload::{Digest, Gather, Payload, PayloadFuture, PayloadLayer, PayloadService},
    rejection::{About, Rejection},
    reply::Reply,
    timeout::{BoxError, Elapsed, TimeoutBody, TimeoutFuture, TimeoutLayer, TimeoutService},
    trail::{Glance, Trail},
    wire::Wire,
};
