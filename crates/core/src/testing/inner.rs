use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use http::{Request, Response};
use tower_service::Service;

use super::{Answer, Fault, Script};

/// The scripted service. A clone is not ready until it has been polled, and calling it then is a panic.
///
/// It takes a request with any body, so that it also stands behind a layer that changes the body's type.
#[derive(Debug)]
pub struct Inner {
    shared: Arc<Shared>,
    ready: bool,
}

#[derive(Debug)]
struct Shared {
    answer: Mutex<Answer>,
    calls: AtomicUsize,
}

impl Inner {
    /// A service that gives this answer to every request.
    #[must_use]
    pub fn new(answer: Answer) -> Self {
        Self {
            shared: Arc::new(Shared {
                answer: Mutex::new(answer),
                calls: AtomicUsize::new(0),
            }),
            ready: false,
        }
    }

    /// How often it, or a clone of it, was called.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.shared.calls.load(Ordering::SeqCst)
    }
}

impl Clone for Inner {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            ready: false,
        }
    }
}

impl<B> Service<Request<B>> for Inner {
    type Response = Response<Script>;
    type Error = Fault;
    type Future = Answering;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<B>) -> Answering {
        assert!(
            std::mem::take(&mut self.ready),
            "a service was called that was not polled ready"
        );
        self.shared.calls.fetch_add(1, Ordering::SeqCst);
        let answer = self
            .shared
            .answer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        assert!(answer.head != Err(Fault::PanicInCall), "a scripted panic");
        Answering(answer)
    }
}

/// The response of an [`Inner`].
#[derive(Debug)]
#[expect(unnameable_types, reason = "only the trait's associated type needs it")]
pub struct Answering(Answer);

impl Future for Answering {
    type Output = Result<Response<Script>, Fault>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.0.waits > 0 {
            self.0.waits -= 1;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(match self.0.head {
            Ok(status) => {
                let mut response = Response::new(std::mem::take(&mut self.0.body));
                *response.status_mut() = status;
                Ok(response)
            }
            Err(Fault::Error) => Err(Fault::Error),
            Err(_) => panic!("a scripted panic"),
        })
    }
}
