//! The contract that every layer keeps, as a test kit.
//!
//! [`Contract`] puts a layer around a scripted service and tries it: readiness over `ConcurrencyLimit(1)`, a drop at
//! every poll, answers of every shape, errors and panics. The layer's author says which request passes, which is
//! refused, and how to tell that nothing is held any more.
//!
//! ```
//! use http::{Request, StatusCode};
//! use tollgate_core::{GateLayer, Rejection, gate_fn, testing::Contract};
//! use tower_layer::Layer;
//!
//! let closed = |parts: &mut http::request::Parts| match parts.uri.path() {
//!     "/closed" => Err(Rejection::new(StatusCode::FORBIDDEN, "closed", "nobody may pass")),
//!     _ => Ok(()),
//! };
//!
//! Contract::new(|inner| GateLayer::new(gate_fn(closed)).layer(inner))
//!     .refused(|request| *request.uri_mut() = "/closed".parse().unwrap())
//!     .check();
//! ```

mod answer;
mod contract;
mod drive;
mod inner;
mod recorder;

pub use self::{
    answer::{Answer, Fault, Script, Step},
    contract::{Contract, Probe},
    drive::drive,
    inner::Inner,
    recorder::{Recorder, Recording},
};
