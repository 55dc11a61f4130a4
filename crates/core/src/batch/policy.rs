use std::hash::Hash;

use bytes::Bytes;
use http::{request, response};

/// Says which requests go together in a [`BatchLayer`](super::BatchLayer), and how.
pub trait Batch {
    /// What requests have in common that go together. All that can change an answer belongs in it, first of all whose
    /// request it is.
    type Key: Clone + Eq + Hash;
    /// What is remembered of a request until its part of the answer is cut out.
    type Member;

    /// Reads a request; nothing if it goes alone.
    fn read(&self, parts: &request::Parts, body: &Bytes) -> Option<(Self::Key, Self::Member)>;

    /// How many items a request brings; one by default, and none counts as one.
    fn items(&self, _member: &Self::Member) -> usize {
        1
    }

    /// A member's weight when what the batch used is shared out; by default, its items.
    fn weight(&self, member: &Self::Member) -> u64 {
        self.items(member) as u64
    }

    /// Makes one request of two or more. The head is the first member's, as it came; it gets a trail of its own, and
    /// its `Content-Length` is seen to.
    fn join(&self, head: request::Parts, members: &[Self::Member]) -> (request::Parts, Bytes);

    /// Takes an answer with 2xx apart, into one body for each member, in order. Each goes out under a copy of the head.
    /// An answer that is not what it should be gives nothing: all members are then answered with 502.
    fn split(
        &self,
        head: &response::Parts,
        body: &Bytes,
        members: &[Self::Member],
    ) -> Option<Vec<Bytes>>;
}
