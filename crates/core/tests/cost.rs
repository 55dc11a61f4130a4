//! A gate that decides at once allocates nothing and clones no service.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tollgate_core::{
    GateLayer, gate_fn,
    testing::{Recorder, drive},
};
use tower::{Layer, Service};

/// Counts how often it is cloned.
struct Counted(Arc<AtomicUsize>);

impl Clone for Counted {
    fn clone(&self) -> Self {
        self.0.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(&self.0))
    }
}

impl Service<Request<Full<Bytes>>> for Counted {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Full<Bytes>>) -> Self::Future {
        std::future::ready(Ok(Response::new(request.into_body())))
    }
}

#[test]
fn six_gates_allocate_nothing_and_clone_no_service() {
    let clones = Arc::new(AtomicUsize::new(0));
    let ended = Arc::new(AtomicUsize::new(0));
    let gate = GateLayer::new(gate_fn({
        let ended = Arc::clone(&ended);
        move |_| {
            let ended = Arc::clone(&ended);
            Ok(move |_| {
                ended.fetch_add(1, Ordering::SeqCst);
            })
        }
    }));
    let three = gate.layer(gate.layer(gate.layer(Counted(Arc::clone(&clones)))));
    let mut service = gate.layer(gate.layer(gate.layer(three)));
    let request = || {
        let body = Full::new(Bytes::from_static(&[b'x'; 2048]));
        let request =
            Request::post("/v1/chat/completions").header("content-type", "application/json");
        request.body(body).unwrap()
    };
    drive(&mut service, request()); // Whatever is made on first use has been made.
    let prepared = request();

    let allocated = allocation_counter::measure(|| drop(drive(&mut service, prepared)));

    assert_eq!((allocated.count_total, allocated.bytes_total), (0, 0));
    assert_eq!(clones.load(Ordering::SeqCst), 0);
    assert_eq!(ended.load(Ordering::SeqCst), 12);
}

#[test]
fn the_counting_allocator_would_notice() {
    let recorder = Recorder::new(); // writes into vectors
    let mut service = GateLayer::new(recorder).layer(Counted(Arc::default()));
    let request = Request::new(Full::default());

    let allocated = allocation_counter::measure(|| drop(drive(&mut service, request)));

    assert!(allocated.count_total > 0);
}
