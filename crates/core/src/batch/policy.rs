use std::hash::Hash;

use bytes::Bytes;
use http::{request, response};

/// Says which requests go together in a [`BatchLayer`](super::BatchLayer), and how.
///
/// ```
/// use bytes::Bytes;
/// use http::{Request, Response, request, response};
/// use http_body_util::{BodyExt, Full};
/// use tollgate_core::{Batch, BatchLayer, PayloadLayer};
/// use tower::{ServiceBuilder, ServiceExt};
///
/// /// Looks several names up at once, a name a line.
/// struct Lines;
///
/// impl Batch for Lines {
///     type Key = String;
///     type Member = Bytes;
///
///     fn read(&self, parts: &request::Parts, body: &Bytes) -> Option<(String, Bytes)> {
///         let caller = parts.headers.get("x-caller")?.to_str().ok()?;
///         (!body.contains(&b'\n')).then(|| (caller.to_owned(), body.clone()))
///     }
///
///     fn join(&self, head: request::Parts, names: &[Bytes]) -> (request::Parts, Bytes) {
///         (head, names.join(&b'\n').into())
///     }
///
///     fn split(&self, _: &response::Parts, body: &Bytes, _: &[Bytes]) -> Option<Vec<Bytes>> {
///         let lines = body.split(|&byte| byte == b'\n');
///         Some(lines.map(|line| body.slice_ref(line)).collect())
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() {
/// let service = ServiceBuilder::new()
///     .layer(PayloadLayer::new())
///     .layer(BatchLayer::new(Lines))
///     .service_fn(async |request: Request<Full<Bytes>>| {
///         let names = request.into_body().collect().await?.to_bytes();
///         assert_eq!(names, "ada\ngrace");
///         Ok::<_, std::convert::Infallible>(Response::new(Full::from("1815\n1906")))
///     });
/// let ask = |name| {
///     let request = Request::post("/born").header("x-caller", "me").body(Full::from(name));
///     service.clone().oneshot(request.unwrap())
/// };
///
/// let (ada, grace) = tokio::join!(ask("ada"), ask("grace"));
///
/// assert_eq!(ada.unwrap().into_body().collect().await.unwrap().to_bytes(), "1815");
/// assert_eq!(grace.unwrap().into_body().collect().await.unwrap().to_bytes(), "1906");
/// # }
/// ```
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
