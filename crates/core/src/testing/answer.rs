use std::{
    collections::VecDeque,
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body::{Body, Frame, SizeHint};

/// What the scripted service does with a request.
#[derive(Clone, Debug)]
pub struct Answer {
    /// How often its future is pending before there is a head.
    pub waits: usize,
    /// The status, or what goes wrong in its place.
    pub head: Result<StatusCode, Fault>,
    /// The body.
    pub body: Script,
}

impl Answer {
    /// An answer of `200` with this body, at once.
    #[must_use]
    pub fn ok(body: Script) -> Self {
        Self {
            waits: 0,
            head: Ok(StatusCode::OK),
            body,
        }
    }

    /// Waits before there is a head.
    #[must_use]
    pub fn after(self, waits: usize) -> Self {
        Self { waits, ..self }
    }

    /// Sets the status.
    #[must_use]
    pub fn status(self, status: StatusCode) -> Self {
        Self {
            head: Ok(status),
            ..self
        }
    }

    /// Goes wrong in the place of a head.
    #[must_use]
    pub fn fails(fault: Fault) -> Self {
        Self {
            waits: 1,
            head: Err(fault),
            body: Script::new([]),
        }
    }
}

/// What goes wrong: an error, or a panic.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    /// The service's or the body's error.
    Error,
    /// A panic in the future, or in the body.
    Panic,
    /// A panic in `call` itself.
    PanicInCall,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a scripted fault")
    }
}

impl std::error::Error for Fault {}

/// A body that does what it is told, as a request's body or a response's.
#[derive(Clone, Debug, Default)]
pub struct Script {
    steps: VecDeque<Step>,
    knows_its_end: bool,
}

impl Script {
    /// A body that says only by `None` that it has ended.
    pub fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        Self {
            steps: steps.into_iter().collect(),
            knows_its_end: false,
        }
    }

    /// A body that knows its length: an exact hint, and the end of the stream after its last frame.
    pub fn known(steps: impl IntoIterator<Item = Step>) -> Self {
        Self {
            knows_its_end: true,
            ..Self::new(steps)
        }
    }

    /// An empty body that says so.
    #[must_use]
    pub fn empty() -> Self {
        Self::known([])
    }
}

impl Body for Script {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        match self.steps.pop_front() {
            None => Poll::Ready(None),
            Some(Step::Wait) => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Some(Step::Data(data)) => Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(data))))),
            Some(Step::Trailers) => {
                let mut trailers = HeaderMap::new();
                trailers.insert("grpc-status", HeaderValue::from_static("0"));
                Poll::Ready(Some(Ok(Frame::trailers(trailers))))
            }
            Some(Step::Error) => {
                self.steps.clear();
                Poll::Ready(Some(Err(Fault::Error)))
            }
            Some(Step::Panic) => panic!("a scripted panic"),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.knows_its_end && self.steps.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        if !self.knows_its_end {
            return SizeHint::default();
        }
        let length = self.steps.iter().map(|step| match step {
            Step::Data(data) => data.len() as u64,
            _ => 0,
        });
        SizeHint::with_exact(length.sum())
    }
}

/// One step of a [`Script`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Step {
    /// Pending once.
    Wait,
    /// A frame of data.
    Data(&'static [u8]),
    /// A frame of trailers.
    Trailers,
    /// The body's error.
    Error,
    /// A panic.
    Panic,
}
