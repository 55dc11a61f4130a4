use std::{
    collections::VecDeque,
    fmt,
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Sleep, sleep};

use super::Stats;

/// The body of a simulated answer: whole, or piece by piece at a pace.
pub(super) struct Answering {
    pieces: VecDeque<Piece>,
    length: Option<u64>,
    pace: Pace,
    waiting: Option<Pin<Box<Sleep>>>,
    begun: bool,
    stats: Option<Stats>,
}

/// How long to wait before each piece.
#[derive(Clone, Copy, Default)]
pub(super) struct Pace {
    pub(super) first: Duration,
    pub(super) every: Duration,
}

/// A piece of a stream.
pub(super) enum Piece {
    /// Some bytes, and the tokens that they cost.
    Bytes(Bytes, u64),
    /// The connection breaks off.
    Cut,
    /// Nothing more ever comes.
    Stall,
}

impl Answering {
    pub(super) fn whole(bytes: Bytes) -> Self {
        Self {
            length: Some(bytes.len() as u64),
            pieces: [Piece::Bytes(bytes, 0)].into(),
            pace: Pace::default(),
            waiting: None,
            begun: false,
            stats: None,
        }
    }

    pub(super) fn stream(pieces: VecDeque<Piece>, pace: Pace, stats: Stats) -> Self {
        stats.stream_begun();
        Self {
            pieces,
            length: None,
            pace,
            waiting: None,
            begun: false,
            stats: Some(stats),
        }
    }

    fn next_wait(&mut self) -> Duration {
        if std::mem::replace(&mut self.begun, true) {
            self.pace.every
        } else {
            self.pace.first
        }
    }
}

impl Body for Answering {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if self.pieces.is_empty() {
            return Poll::Ready(None);
        }
        if self.waiting.is_none() {
            let wait = self.next_wait();
            if !wait.is_zero() {
                self.waiting = Some(Box::pin(sleep(wait)));
            }
        }
        if let Some(waiting) = &mut self.waiting {
            ready!(waiting.as_mut().poll(cx));
        }
        self.waiting = None;
        match self.pieces.pop_front() {
            None => Poll::Ready(None),
            Some(Piece::Bytes(bytes, tokens)) => {
                if let Some(stats) = &self.stats {
                    stats.bill(0, tokens);
                }
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Some(Piece::Cut) => Poll::Ready(Some(Err(io::ErrorKind::ConnectionReset.into()))),
            Some(Piece::Stall) => {
                self.pieces.push_front(Piece::Stall);
                self.waiting = Some(Box::pin(sleep(Duration::from_secs(86_400))));
                self.waiting
                    .as_mut()
                    .map(|waiting| waiting.as_mut().poll(cx));
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.length.is_some() && self.pieces.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        match self.length {
            Some(length) if !self.pieces.is_empty() => SizeHint::with_exact(length),
            _ => SizeHint::default(),
        }
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        if let Some(stats) = &self.stats {
            stats.stream_ended(self.pieces.is_empty());
        }
    }
}

impl fmt::Debug for Answering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answering").finish_non_exhaustive()
    }
}
