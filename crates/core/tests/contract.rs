//! The kit, run against core's own layers.

use std::time::Duration;

use http::{HeaderValue, Request, StatusCode, header::CONTENT_LENGTH};
use tollgate_core::{
    Admission, Gate, GateLayer, PayloadLayer, Rejection, TimeoutLayer, gate_fn,
    testing::{Contract, Recorder, Recording, Script, Step},
};
use tower_layer::Layer;

const REFUSED: &str = "/refused";

fn refuse(request: &mut Request<Script>) {
    *request.uri_mut() = REFUSED.parse().unwrap();
}

fn refusal() -> Rejection {
    Rejection::new(StatusCode::FORBIDDEN, "refused", "this is refused")
}

#[test]
fn a_gate_keeps_the_contract() {
    let recorder = Recorder::new();
    let gate = recorder.clone();

    Contract::new(move |inner| GateLayer::new(gate.clone()).layer(inner))
        .settled(move || recorder.open() == 0)
        .check();
}

#[test]
fn a_gate_that_refuses_keeps_the_contract() {
    let gate = |parts: &mut http::request::Parts| match parts.uri.path() {
        REFUSED => Err(refusal()),
        _ => Ok(()),
    };

    Contract::new(move |inner| GateLayer::new(gate_fn(gate)).layer(inner))
        .refused(refuse)
        .check();
}

#[test]
fn a_gate_that_decides_later_keeps_the_contract() {
    let recorder = Recorder::new();
    let gate = recorder.clone();

    Contract::new(move |inner| GateLayer::new(Slow(gate.clone())).layer(inner))
        .refused(refuse)
        .settled(move || recorder.open() == 0)
        .check();
}

#[test]
fn six_nested_gates_keep_the_contract() {
    let recorder = Recorder::new();
    let gate = GateLayer::new(recorder.clone());

    Contract::new(move |inner| {
        let three = gate.layer(gate.layer(gate.layer(inner)));
        gate.layer(gate.layer(gate.layer(three)))
    })
    .settled(move || recorder.open() == 0)
    .check();
}

#[test]
fn a_reader_of_bodies_keeps_the_contract() {
    Contract::new(|inner| PayloadLayer::new().limit(8).layer(inner))
        .request(|| Request::new(Script::new([Step::Wait, Step::Data(b"body"), Step::Wait])))
        .refused(|request| {
            let length = HeaderValue::from_static("9");
            request.headers_mut().insert(CONTENT_LENGTH, length);
        })
        .check();
}

#[test]
fn a_timeout_keeps_the_contract() {
    let bound = Duration::from_secs(1);
    let layer = TimeoutLayer::new()
        .first_byte(bound)
        .idle(bound)
        .total(bound);

    Contract::new(move |inner| layer.layer(inner)).check();
}

/// Decides at its second poll.
struct Slow(Recorder);

impl Gate for Slow {
    type Observer = Recording;
    type Later = Deciding;

    fn admit(&self, parts: http::request::Parts) -> Admission<Recording, Deciding> {
        Admission::Later(Deciding {
            decision: Some(match parts.uri.path() {
                REFUSED => Err(refusal()),
                _ => match self.0.admit(parts) {
                    Admission::Now(decision) => decision,
                    Admission::Later(_) => unreachable!("a recorder decides at once"),
                },
            }),
            polled: false,
        })
    }
}

struct Deciding {
    decision: Option<Result<(http::request::Parts, Recording), Rejection>>,
    polled: bool,
}

impl Future for Deciding {
    type Output = Result<(http::request::Parts, Recording), Rejection>;

    fn poll(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Self::Output> {
        if std::mem::replace(&mut self.polled, true) {
            return std::task::Poll::Ready(self.decision.take().unwrap());
        }
        cx.waker().wake_by_ref();
        std::task::Poll::Pending
    }
}
