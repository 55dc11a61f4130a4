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

use super::meter::{Ticket, Tokens};

/// The body of a simulated answer: whole, or piece by piece at a pace.
pub(crate) struct Answering {
    pieces: VecDeque<Piece>,
    length: Option<u64>,
    pace: Pace,
    waiting: Option<Pin<Box<Sleep>>>,
    begun: bool,
    flushed: bool,
    ticket: Option<Ticket>,
}

/// How long to wait before the pieces.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pace {
    pub(crate) first: Duration,
    pub(crate) every: Duration,
}

/// A piece of an answer.
#[derive(Debug)]
pub(crate) enum Piece {
    /// Some bytes.
    Bytes(Bytes, Cost),
    /// The connection breaks off.
    Cut,
    /// The answer ends, and not as it should.
    End,
    /// Nothing more ever comes.
    Stall,
}

/// What a piece costs.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Cost {
    pub(crate) output: u64,
    pub(crate) reasoning: u64,
    /// It comes along with the piece before it, without a wait.
    pub(crate) follows: bool,
}

impl Answering {
    pub(crate) fn whole(bytes: Bytes, ticket: Option<Ticket>) -> Self {
        let length = Some(bytes.len() as u64);
        let pieces = [Piece::Bytes(bytes, Cost::default())].into();
        Self {
            length,
            ..Self::pieces(pieces, Pace::default(), ticket)
        }
    }

    pub(crate) fn pieces(pieces: VecDeque<Piece>, pace: Pace, ticket: Option<Ticket>) -> Self {
        Self {
            pieces,
            length: None,
            pace,
            waiting: None,
            begun: false,
            flushed: false,
            ticket,
        }
    }

    /// Whether what was given before must be on its way first: hyper writes when a body is not ready, and forgets what
    /// it has not yet written when one fails.
    fn stands_alone(&self) -> bool {
        match self.pieces.front() {
            Some(Piece::Bytes(_, cost)) => cost.follows,
            Some(Piece::Cut) => true,
            _ => false,
        }
    }

    fn next_wait(&mut self) -> Duration {
        let begun = std::mem::replace(&mut self.begun, true);
        match self.pieces.front() {
            Some(Piece::Bytes(_, cost)) if cost.follows => Duration::ZERO,
            _ if begun => self.pace.every,
            _ => self.pace.first,
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
        if self.waiting.is_none() && !self.pieces.is_empty() {
            let wait = self.next_wait();
            if !wait.is_zero() {
                self.waiting = Some(Box::pin(sleep(wait)));
            }
        }
        if let Some(waiting) = &mut self.waiting {
            ready!(waiting.as_mut().poll(cx));
        }
        self.waiting = None;
        if self.stands_alone() && !std::mem::replace(&mut self.flushed, true) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.flushed = false;
        match self.pieces.pop_front() {
            None => Poll::Ready(None),
            Some(Piece::Bytes(bytes, cost)) => {
                let last = self.pieces.is_empty();
                if let Some(ticket) = &mut self.ticket {
                    let Cost {
                        output, reasoning, ..
                    } = cost;
                    if output > 0 {
                        ticket.spend(Tokens {
                            output,
                            reasoning,
                            ..Tokens::default()
                        });
                    }
                    if last {
                        ticket.whole();
                    }
                }
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Some(Piece::Cut) => Poll::Ready(Some(Err(io::ErrorKind::ConnectionReset.into()))),
            Some(Piece::End) => {
                self.pieces.clear();
                Poll::Ready(None)
            }
            Some(Piece::Stall) => {
                // Whoever waits hangs up sooner or later, and that drops the body: nothing else need wake it.
                self.pieces.push_front(Piece::Stall);
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

impl fmt::Debug for Answering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answering").finish_non_exhaustive()
    }
}
