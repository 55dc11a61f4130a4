use std::{
    fmt,
    future::Future,
    mem,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{Request, Response, StatusCode, header::CONTENT_LENGTH, request::Parts};
use http_body::Body;
use http_body_util::Full;
use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep};
use tower_service::Service;

use super::{Gather, Payload, PayloadLayer};
use crate::{Rejection, Reply, Trail, Wire};

/// A service behind a [`PayloadLayer`].
#[derive(Clone, Debug)]
pub struct PayloadService<S> {
    inner: S,
    options: PayloadLayer,
}

impl<S> PayloadService<S> {
    pub(super) const fn new(inner: S, options: PayloadLayer) -> Self {
        Self { inner, options }
    }
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for PayloadService<S>
where
    S: Service<Request<Full<Bytes>>, Response = Response<ResBody>> + Clone,
    ReqBody: Body<Data = Bytes>,
{
    type Response = Response<Reply<ResBody>>;
    type Error = S::Error;
    type Future = PayloadFuture<S, ReqBody>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let (parts, body) = request.into_parts();
        let wire = Wire::of(&parts);
        let limit = self.options.limit;
        let state = if body.is_end_stream() {
            State::Calling {
                inner: self.inner.call(with_payload(parts, Bytes::new())),
            }
        } else if declared_length(&parts).is_some_and(|length| length > limit as u64) {
            self.inner = self.inner.clone(); // Gives readiness back.
            State::Refused {
                rejection: Some(too_large(limit)),
            }
        } else {
            let clone = self.inner.clone();
            State::Reading {
                gathered: Gather::expecting(body.size_hint().lower()),
                body,
                call: Some((mem::replace(&mut self.inner, clone), parts)),
                dawdled: None,
            }
        };
        PayloadFuture {
            state,
            options: self.options,
            wire,
        }
    }
}

pin_project! {
    /// The response of a [`PayloadService`].
    pub struct PayloadFuture<S, B>
    where
        S: Service<Request<Full<Bytes>>>,
    {
        #[pin]
        state: State<S, S::Future, B>,
        options: PayloadLayer,
        wire: Wire,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S, F, B> {
        Reading {
            #[pin] body: B,
            call: Option<(S, Parts)>,
            gathered: Gather,
            #[pin] dawdled: Option<Sleep>,
        },
        Calling { #[pin] inner: F },
        Refused { rejection: Option<Rejection> },
    }
}

impl<S, B, ResBody> Future for PayloadFuture<S, B>
where
    S: Service<Request<Full<Bytes>>, Response = Response<ResBody>>,
    B: Body<Data = Bytes>,
{
    type Output = Result<Response<Reply<ResBody>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        const TWICE: &str = "polled after completion";
        let mut this = self.project();
        loop {
            match this.state.as_mut().project() {
                StateProj::Reading {
                    mut body,
                    call,
                    gathered,
                    mut dawdled,
                } => {
                    let limit = this.options.limit;
                    let outcome = match poll_whole(gathered, body.as_mut(), limit, cx) {
                        Poll::Ready(outcome) => outcome,
                        // Most bodies are there at once and need no timer.
                        Poll::Pending => {
                            if dawdled.is_none() {
                                dawdled.set(Some(sleep(this.options.timeout)));
                            }
                            let timer = dawdled.as_mut().as_pin_mut().expect("set above");
                            ready!(timer.poll(cx));
                            Err(dawdling())
                        }
                    };
                    let (mut service, parts) = call.take().expect(TWICE);
                    this.state.set(match outcome {
                        Ok(bytes) => State::Calling {
                            inner: service.call(with_payload(parts, bytes)),
                        },
                        Err(rejection) => State::Refused {
                            rejection: Some(rejection),
                        },
                    });
                }
                StateProj::Calling { inner } => {
                    let response = ready!(inner.poll(cx))?;
                    return Poll::Ready(Ok(response.map(Reply::inner)));
                }
                StateProj::Refused { rejection } => {
                    let rejection = rejection.take().expect(TWICE);
                    return Poll::Ready(Ok(rejection.into_response(*this.wire)));
                }
            }
        }
    }
}

impl<S: Service<Request<Full<Bytes>>>, B> fmt::Debug for PayloadFuture<S, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PayloadFuture").finish_non_exhaustive()
    }
}

/// Reads on until the body's end.
fn poll_whole<B: Body<Data = Bytes>>(
    gathered: &mut Gather,
    mut body: Pin<&mut B>,
    limit: usize,
    cx: &mut Context<'_>,
) -> Poll<Result<Bytes, Rejection>> {
    while !body.is_end_stream() {
        let Some(frame) = ready!(body.as_mut().poll_frame(cx)) else {
            break;
        };
        let Ok(frame) = frame else {
            return Poll::Ready(Err(broken_off()));
        };
        let Ok(data) = frame.into_data() else {
            continue; // trailers
        };
        if data.len() > limit - gathered.len() {
            return Poll::Ready(Err(too_large(limit)));
        }
        gathered.push(data);
    }
    Poll::Ready(Ok(mem::take(gathered).finish()))
}

fn with_payload(mut parts: Parts, bytes: Bytes) -> Request<Full<Bytes>> {
    let payload = Payload::new(bytes.clone());
    Trail::of(&mut parts).set(payload.clone());
    parts.extensions.insert(payload);
    Request::from_parts(parts, Full::new(bytes))
}

fn declared_length(parts: &Parts) -> Option<u64> {
    let length = parts.headers.get(CONTENT_LENGTH)?;
    length.to_str().ok()?.parse().ok()
}

fn too_large(limit: usize) -> Rejection {
    Rejection::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "body_too_large",
        format!("the body is larger than {limit} bytes"),
    )
    .with_detail("limit", limit)
}

fn broken_off() -> Rejection {
    Rejection::new(
        StatusCode::BAD_REQUEST,
        "body_incomplete",
        "the body broke off before its end",
    )
}

fn dawdling() -> Rejection {
    Rejection::new(
        StatusCode::REQUEST_TIMEOUT,
        "body_timeout",
        "the body did not arrive in time",
    )
}
