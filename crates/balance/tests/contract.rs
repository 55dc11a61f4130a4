//! The kit, run against the layer.

use http::{Request, StatusCode, request::Parts};
use tollgate_balance::{BalanceLayer, Pool};
use tollgate_core::{
    GateLayer, Rejection,
    fact::Target,
    gate_fn,
    testing::{Contract, Recorder, Script},
};
use tower::Layer;

fn refuse(request: &mut Request<Script>) {
    *request.uri_mut() = "/nowhere".parse().unwrap();
}

fn pool(targets: &'static [&'static str]) -> impl Fn(&Parts) -> Option<Pool> + Clone {
    move |parts| {
        (parts.uri.path() == "/").then(|| targets.iter().copied().map(Target::new).collect())
    }
}

#[test]
fn a_single_target_keeps_the_contract() {
    let recorder = Recorder::new();
    let gate = GateLayer::new(recorder.clone());

    Contract::new(move |inner| BalanceLayer::by(pool(&["only"])).layer(gate.layer(inner)))
        .refused(refuse)
        .settled(move || recorder.open() == 0)
        .check();
}

#[test]
fn several_targets_keep_the_contract() {
    let recorder = Recorder::new();
    let gate = GateLayer::new(recorder.clone());

    Contract::new(move |inner| BalanceLayer::by(pool(&["a", "b", "c"])).layer(gate.layer(inner)))
        .refused(refuse)
        .settled(move || recorder.open() == 0)
        .check();
}

#[test]
fn a_drop_in_the_second_attempt_leaves_nothing_behind() {
    let recorder = Recorder::new();
    let gate = GateLayer::new(recorder.clone());
    let layer = BalanceLayer::new([Target::new("a").with_weight(u32::MAX), Target::new("b")]);
    // Whoever tries the first target is refused, and goes on to the second.
    let first = GateLayer::new(gate_fn(|parts: &mut Parts| {
        match &*parts.extensions.get::<Target>().unwrap().name {
            "a" => Err(Rejection::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "closed",
                "go on",
            )),
            _ => Ok(()),
        }
    }));

    Contract::new(move |inner| layer.layer(first.layer(gate.layer(inner))))
        .settled(move || recorder.open() == 0)
        .check();
}
