use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::Response;
use http_body::Body;

use super::{DrainBody, rest::Rest};

/// The response of a [`DrainService`](super::DrainService). One that is dropped before there is an answer is waited for
/// elsewhere.
pub struct DrainFuture<F, B> {
    call: Option<(Pin<Box<F>>, Rest)>,
    /// What a drop does: it is known here what the types can do.
    drain: fn(Pin<Box<F>>, Rest),
    body: fn(B, Rest) -> DrainBody<B>,
}

impl<F, B> DrainFuture<F, B> {
    pub(super) fn new<E>(call: F, rest: Rest) -> Self
    where
        F: Future<Output = Result<Response<B>, E>> + Send + 'static,
        B: Body<Data = Bytes> + Send + 'static,
    {
        Self {
            call: Some((Box::pin(call), rest)),
            drain: |call, rest| rest.of_call(call),
            body: DrainBody::new,
        }
    }
}

impl<F, B, E> Future for DrainFuture<F, B>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<DrainBody<B>>, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        const TWICE: &str = "polled after completion";
        let (call, _) = self.call.as_mut().expect(TWICE);
        let answer = ready!(call.as_mut().poll(cx));
        let (_, rest) = self.call.take().expect(TWICE);
        Poll::Ready(answer.map(|response| response.map(|body| (self.body)(body, rest))))
    }
}

impl<F, B> Drop for DrainFuture<F, B> {
    fn drop(&mut self) {
        if let Some((call, rest)) = self.call.take() {
            // What has panicked is not polled again.
            if !std::thread::panicking() {
                (self.drain)(call, rest);
            }
        }
    }
}

impl<F, B> fmt::Debug for DrainFuture<F, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DrainFuture").finish_non_exhaustive()
    }
}
