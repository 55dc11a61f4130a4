use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{request, response};
use http_body::Frame;

use crate::{Admission, Gate, Never, Observer, Outcome};

/// A gate that admits everything and writes down what its observers hear.
#[derive(Clone, Debug, Default)]
pub struct Recorder(Arc<Mutex<Record>>);

#[derive(Debug, Default)]
struct Record {
    clumsy: bool,
    admitted: usize,
    open: usize,
    heads: Vec<u16>,
    frames: usize,
    ends: Vec<Outcome>,
}

impl Recorder {
    /// A recorder of nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A recorder whose observers panic wherever they can, once they have written down what they heard.
    #[must_use]
    pub fn clumsy() -> Self {
        let recorder = Self::default();
        recorder.with(|record| record.clumsy = true);
        recorder
    }

    /// How many requests were admitted and not given up while that was still to be decided.
    #[must_use]
    pub fn admitted(&self) -> usize {
        self.with(|record| record.admitted)
    }

    /// How many requests were admitted and have not ended.
    #[must_use]
    pub fn open(&self) -> usize {
        self.with(|record| record.open)
    }

    /// The status of each answer.
    #[must_use]
    pub fn heads(&self) -> Vec<u16> {
        self.with(|record| record.heads.clone())
    }

    /// How many frames were passed on.
    #[must_use]
    pub fn frames(&self) -> usize {
        self.with(|record| record.frames)
    }

    /// The ends, in order.
    #[must_use]
    pub fn ends(&self) -> Vec<Outcome> {
        self.with(|record| record.ends.clone())
    }

    fn stumble(&self) {
        assert!(!self.with(|record| record.clumsy), "a scripted panic");
    }

    fn with<T>(&self, read: impl FnOnce(&mut Record) -> T) -> T {
        read(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Gate for Recorder {
    type Observer = Recording;
    type Later = Never<Recording>;

    fn admit(&self, parts: request::Parts) -> Admission<Recording, Self::Later> {
        self.with(|record| {
            record.admitted += 1;
            record.open += 1;
        });
        let recording = Recording {
            recorder: self.clone(),
            end: None,
        };
        Admission::Now(Ok((parts, recording)))
    }
}

/// The observer of a [`Recorder`].
#[derive(Debug)]
pub struct Recording {
    recorder: Recorder,
    end: Option<Outcome>,
}

impl Observer for Recording {
    fn answered(&mut self, head: &mut response::Parts) {
        let status = head.status.as_u16();
        self.recorder.with(|record| record.heads.push(status));
        self.recorder.stumble();
    }

    fn frame(&mut self, _: &Frame<Bytes>) {
        self.recorder.with(|record| record.frames += 1);
        self.recorder.stumble();
    }

    fn ended(mut self, outcome: Outcome) {
        self.end = Some(outcome);
        self.recorder.stumble();
    }
}

// Without an end, the request was never admitted, and is open no more all the same.
impl Drop for Recording {
    fn drop(&mut self) {
        self.recorder.with(|record| {
            record.open -= 1;
            match self.end {
                Some(end) => record.ends.push(end),
                None => record.admitted -= 1,
            }
        });
    }
}
