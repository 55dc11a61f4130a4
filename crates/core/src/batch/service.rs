use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::Full;
use pin_project_lite::pin_project;
use tower_service::Service;

use super::{
    Batch,
    outcome::Outcome,
    run::{run, send},
    table::{Batches, Running, Seat},
};
use crate::{Payload, Reply, Wire};

/// A service behind a [`BatchLayer`](super::BatchLayer).
pub struct BatchService<S, P>
where
    S: Service<Request<Full<Bytes>>>,
    P: Batch,
{
    inner: S,
    batches: Arc<Batches<P, S::Error>>,
}

impl<S, P> BatchService<S, P>
where
    S: Service<Request<Full<Bytes>>>,
    P: Batch,
{
    pub(super) const fn new(inner: S, batches: Arc<Batches<P, S::Error>>) -> Self {
        Self { inner, batches }
    }
}

impl<S, P, B> Service<Request<Full<Bytes>>> for BatchService<S, P>
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    P: Batch<Key: Send, Member: Send> + Send + Sync + 'static,
{
    type Response = Response<Reply<B>>;
    type Error = S::Error;
    type Future = BatchFuture<S::Future, B, S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Full<Bytes>>) -> Self::Future {
        let (mut parts, body) = request.into_parts();
        let payload = parts.extensions.get::<Payload>();
        let seat = payload.map(Payload::bytes).cloned().and_then(|payload| {
            self.batches.seat(&mut parts, &payload, |table, key| {
                run(Arc::clone(&self.batches), table, key, self.inner.clone())
            })
        });
        let wire = Wire::of(&parts);
        let request = Request::from_parts(parts, body);
        let state = match seat {
            None => State::Passed {
                inner: self.inner.call(request),
            },
            Some((seat, running)) => {
                // While it waits, others may use what readiness has reserved.
                let service = self.inner.clone();
                self.inner = service.clone();
                State::Waiting {
                    answer: Box::pin(wait(seat, running, service, request, wire)),
                }
            }
        };
        BatchFuture { state }
    }
}

impl<S, P> Clone for BatchService<S, P>
where
    S: Service<Request<Full<Bytes>>> + Clone,
    P: Batch,
{
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            batches: Arc::clone(&self.batches),
        }
    }
}

impl<S, P> fmt::Debug for BatchService<S, P>
where
    S: Service<Request<Full<Bytes>>> + fmt::Debug,
    P: Batch,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchService")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}

/// A member's part of the batch's answer, or an answer of its own.
async fn wait<S, P, B>(
    seat: Seat<P, S::Error>,
    running: Running<S::Error>,
    service: S,
    request: Request<Full<Bytes>>,
    wire: Wire,
) -> Result<Response<Reply<B>>, S::Error>
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>>,
    P: Batch,
{
    let outcome = running.await;
    if let Some(answer) = outcome.answer(seat.index, wire) {
        return answer;
    }
    let _permit = match &*outcome {
        Outcome::Apart(permits) => permits.acquire().await.ok(),
        _ => None,
    };
    Ok(send(service, request).await?.map(Reply::inner))
}

pin_project! {
    /// The response of a [`BatchService`].
    pub struct BatchFuture<F, B, E> {
        #[pin]
        state: State<F, B, E>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F, B, E> {
        Passed { #[pin] inner: F },
        Waiting { answer: Pin<Box<dyn Future<Output = Result<Response<Reply<B>>, E>> + Send>> },
    }
}

impl<F, B, E> Future for BatchFuture<F, B, E>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<Reply<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProj::Passed { inner } => {
                let response = ready!(inner.poll(cx))?;
                Poll::Ready(Ok(response.map(Reply::inner)))
            }
            StateProj::Waiting { answer } => answer.as_mut().poll(cx),
        }
    }
}

impl<F, B, E> fmt::Debug for BatchFuture<F, B, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchFuture").finish_non_exhaustive()
    }
}
