use std::{
    fmt::Debug,
    hint::black_box,
    pin::pin,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http::{Request, Response, response};
use http_body::Body;
use tower_service::Service;

/// Runs a request through to the end of its answer's body, without a runtime: for benchmarks, and for counting
/// allocations.
///
/// # Panics
/// When the service or the body waits, or fails.
pub fn drive<S, ReqBody, ResBody>(service: &mut S, request: Request<ReqBody>) -> response::Parts
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    S::Error: Debug,
    ResBody: Body<Data = Bytes>,
    ResBody::Error: Debug,
{
    const WAITS: &str = "a service that is driven does not wait";
    let mut cx = Context::from_waker(Waker::noop());
    assert!(service.poll_ready(&mut cx).is_ready(), "{WAITS}");
    let Poll::Ready(answer) = pin!(service.call(black_box(request))).poll(&mut cx) else {
        panic!("{WAITS}");
    };
    let (head, body) = answer.expect("the service has no error").into_parts();
    let mut body = pin!(body);
    while !body.is_end_stream() {
        match black_box(body.as_mut().poll_frame(&mut cx)) {
            Poll::Ready(Some(frame)) => drop(frame.expect("the body has no error")),
            Poll::Ready(None) => break,
            Poll::Pending => panic!("{WAITS}"),
        }
    }
    black_box(head)
}
