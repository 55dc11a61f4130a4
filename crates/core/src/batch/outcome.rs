use std::{
    any::Any,
    panic::resume_unwind,
    sync::{Mutex, PoisonError},
};

use bytes::Bytes;
use http::{
    Response, StatusCode,
    header::{CONTENT_LENGTH, TRANSFER_ENCODING},
    response,
};
use tokio::sync::Semaphore;

use crate::{Rejection, Reply, Wire};

/// What has become of a batch.
pub(super) enum Outcome<E> {
    /// There is one member, who goes by itself.
    Alone,
    /// It was refused, and each member goes by itself, so many at a time.
    Apart(Semaphore),
    /// A body for each seat.
    Split(response::Parts, Vec<Bytes>),
    /// The same answer for all.
    Same(response::Parts, Bytes),
    /// There is no answer that could be given.
    Rejected(Rejection),
    /// The service gave an error or panicked, which goes to who asks first.
    Broken(Mutex<Option<Fault<E>>>),
}

pub(super) enum Fault<E> {
    Error(E),
    Panic(Box<dyn Any + Send>),
}

impl<E> Outcome<E> {
    pub(super) const fn broken(fault: Fault<E>) -> Self {
        Self::Broken(Mutex::new(Some(fault)))
    }

    /// The answer for a seat; nothing if its member is to go by itself.
    pub(super) fn answer<B>(
        &self,
        seat: usize,
        wire: Wire,
    ) -> Option<Result<Response<Reply<B>>, E>> {
        Some(Ok(match self {
            Self::Alone | Self::Apart(_) => return None,
            Self::Split(head, bodies) => {
                let body = bodies.get(seat).cloned().unwrap_or_default();
                answer(head, body)
            }
            Self::Same(head, body) => answer(head, body.clone()),
            Self::Rejected(rejection) => rejection.clone().into_response(wire),
            Self::Broken(fault) => {
                let fault = fault.lock().unwrap_or_else(PoisonError::into_inner).take();
                match fault {
                    Some(Fault::Error(error)) => return Some(Err(error)),
                    Some(Fault::Panic(panic)) => resume_unwind(panic),
                    None => rejection(
                        "batch_failed",
                        "the requests that this one was sent with failed",
                    )
                    .into_response(wire),
                }
            }
        }))
    }
}

/// A refusal of all members, about the target.
pub(super) fn rejection(code: &'static str, message: &'static str) -> Rejection {
    Rejection::new(StatusCode::BAD_GATEWAY, code, message).about_target()
}

fn answer<B>(head: &response::Parts, body: Bytes) -> Response<Reply<B>> {
    let mut head = head.clone();
    // The length is another now, and the server sees it from the body.
    head.headers.remove(CONTENT_LENGTH);
    head.headers.remove(TRANSFER_ENCODING);
    Response::from_parts(head, Reply::full(body))
}
