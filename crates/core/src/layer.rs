use std::{
    fmt,
    future::Future,
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::{Admission, Gate, Observer, OnEnd, OnEndBody, Outcome, Rejection, Reply, Wire};

/// Puts a [`Gate`] before a service; clones share the gate.
///
/// ```
/// use bytes::Bytes;
/// use http::{Request, Response, StatusCode};
/// use http_body_util::Full;
/// use tollgate_core::{GateLayer, Rejection, gate_fn};
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let service = ServiceBuilder::new()
///     .layer(GateLayer::new(gate_fn(|_| {
///         Err::<(), _>(Rejection::new(StatusCode::FORBIDDEN, "closed", "nobody may pass"))
///     })))
///     .service(service_fn(async |_: Request<()>| {
///         Ok::<_, std::convert::Infallible>(Response::new(Full::<Bytes>::default()))
///     }));
///
/// let response = service.oneshot(Request::new(())).await.unwrap();
/// assert_eq!(response.status(), StatusCode::FORBIDDEN);
/// # }
/// ```
pub struct GateLayer<G> {
    gate: Arc<G>,
}

impl<G> GateLayer<G> {
    /// A layer that asks `gate`.
    pub fn new(gate: G) -> Self {
        Self {
            gate: Arc::new(gate),
        }
    }

    /// The gate that all services of this layer ask.
    #[must_use]
    pub fn gate(&self) -> &G {
        &self.gate
    }
}

impl<S, G> Layer<S> for GateLayer<G> {
    type Service = GateService<S, G>;

    fn layer(&self, inner: S) -> Self::Service {
        GateService {
            inner,
            gate: Arc::clone(&self.gate),
        }
    }
}

impl<G> Clone for GateLayer<G> {
    fn clone(&self) -> Self {
        Self {
            gate: Arc::clone(&self.gate),
        }
    }
}

impl<G: fmt::Debug> fmt::Debug for GateLayer<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("GateLayer").field(&self.gate).finish()
    }
}

/// A service behind a [`Gate`].
///
/// A refusal is a response; the inner service's errors pass through untouched, and so does its readiness.
pub struct GateService<S, G> {
    inner: S,
    gate: Arc<G>,
}

impl<S, G, ReqBody, ResBody> Service<Request<ReqBody>> for GateService<S, G>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone,
    G: Gate,
    ResBody: Body,
{
    type Response = Response<Reply<OnEndBody<ResBody, G::Observer>>>;
    type Error = S::Error;
    type Future = GateFuture<S, G, ReqBody>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let (parts, body) = request.into_parts();
        let wire = Wire::of(&parts);
        let state = match self.gate.admit(parts) {
            Admission::Now(Ok((parts, observer))) => {
                let mut on_end = OnEnd::new(observer);
                let request = Request::from_parts(parts, body);
                let inner = on_end.watch(|| self.inner.call(request));
                State::Passed {
                    inner,
                    on_end: Some(on_end),
                }
            }
            Admission::Now(Err(rejection)) => {
                // Readiness reserved something further in: a service that is dropped gives it back.
                self.inner = self.inner.clone();
                State::Refused {
                    rejection: Some(rejection),
                }
            }
            Admission::Later(later) => {
                // A clone is not ready, so the one that was asked is taken along.
                let clone = self.inner.clone();
                State::Deciding {
                    later,
                    call: Some((mem::replace(&mut self.inner, clone), body)),
                }
            }
        };
        GateFuture { state, wire }
    }
}

impl<S: Clone, G> Clone for GateService<S, G> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            gate: Arc::clone(&self.gate),
        }
    }
}

impl<S: fmt::Debug, G> fmt::Debug for GateService<S, G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GateService")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}

pin_project! {
    /// The response of a [`GateService`].
    pub struct GateFuture<S, G, B>
    where
        S: Service<Request<B>>,
        G: Gate,
    {
        #[pin]
        state: State<S, S::Future, B, G::Later, G::Observer>,
        wire: Wire,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S, F, B, L, O: Observer> {
        Deciding { #[pin] later: L, call: Option<(S, B)> },
        // `inner` stands above `on_end`, so that those further in hear of a drop first.
        Passed { #[pin] inner: F, on_end: Option<OnEnd<O>> },
        Refused { rejection: Option<Rejection> },
    }
}

impl<S, G, B, ResBody> Future for GateFuture<S, G, B>
where
    S: Service<Request<B>, Response = Response<ResBody>>,
    G: Gate,
    ResBody: Body,
{
    type Output = Result<Response<Reply<OnEndBody<ResBody, G::Observer>>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        const TWICE: &str = "polled after completion";
        let mut this = self.project();
        loop {
            match this.state.as_mut().project() {
                StateProj::Deciding { later, call } => {
                    let decision = ready!(later.poll(cx));
                    let (mut service, body) = call.take().expect(TWICE);
                    this.state.set(match decision {
                        Ok((parts, observer)) => {
                            let mut on_end = OnEnd::new(observer);
                            let request = Request::from_parts(parts, body);
                            let inner = on_end.watch(|| service.call(request));
                            State::Passed {
                                inner,
                                on_end: Some(on_end),
                            }
                        }
                        Err(rejection) => State::Refused {
                            rejection: Some(rejection),
                        },
                    });
                }
                StateProj::Passed { inner, on_end } => {
                    let watch = on_end.as_mut().expect(TWICE);
                    let answer = ready!(watch.watch(|| inner.poll(cx)));
                    let mut on_end = on_end.take().expect(TWICE);
                    return Poll::Ready(match answer {
                        Ok(response) => {
                            Ok(OnEndBody::response(response, on_end, *this.wire).map(Reply::inner))
                        }
                        Err(error) => {
                            on_end.end(Outcome::Failed);
                            Err(error)
                        }
                    });
                }
                StateProj::Refused { rejection } => {
                    let rejection = rejection.take().expect(TWICE);
                    return Poll::Ready(Ok(rejection.into_response(*this.wire)));
                }
            }
        }
    }
}

impl<S, G, B> fmt::Debug for GateFuture<S, G, B>
where
    S: Service<Request<B>>,
    G: Gate,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GateFuture").finish_non_exhaustive()
    }
}
