use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

pin_project! {
    /// A response body: the inner service's own, or a complete one of ours.
    ///
    /// ```
    /// use bytes::Bytes;
    /// use http_body_util::{BodyExt, Full};
    /// use tollgate_core::Reply;
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let ours: Reply<Full<Bytes>> = Reply::full("refused");
    /// assert_eq!(ours.collect().await.unwrap().to_bytes(), "refused");
    /// # });
    /// ```
    #[derive(Debug)]
    pub struct Reply<B> {
        #[pin]
        inner: Option<B>,
        // Boxed, since most answers have none, and all move through every layer.
        full: Option<Box<Bytes>>,
    }
}

impl<B> Reply<B> {
    /// Passes the inner service's body on.
    pub const fn inner(body: B) -> Self {
        Self {
            inner: Some(body),
            full: None,
        }
    }

    /// A complete body of ours.
    pub fn full(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self {
            inner: None,
            full: (!bytes.is_empty()).then(|| Box::new(bytes)),
        }
    }

    /// Gives `bytes` in the place of `body`, which is read to its end first, so that those inside hear `Completed`
    /// and not `Cancelled`. For refusals, whose bodies never wait.
    pub fn instead(body: B, bytes: impl Into<Bytes>) -> Self {
        Self {
            inner: Some(body),
            full: Some(Box::new(bytes.into())),
        }
    }
}

impl<B: Body<Data = Bytes>> Reply<B> {
    #[cold]
    fn poll_ours(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Frame<Bytes>>> {
        let mut this = self.project();
        if let Some(mut replaced) = this.inner.as_mut().as_pin_mut() {
            while !replaced.is_end_stream() {
                if !matches!(ready!(replaced.as_mut().poll_frame(cx)), Some(Ok(_))) {
                    break;
                }
            }
        }
        this.inner.set(None);
        let bytes = this.full.take().filter(|bytes| !bytes.is_empty());
        Poll::Ready(bytes.map(|bytes| Frame::data(*bytes)))
    }
}

// Not derived: a derive would ask for `B: Default`.
impl<B> Default for Reply<B> {
    fn default() -> Self {
        Self {
            inner: None,
            full: None,
        }
    }
}

impl<B: Body<Data = Bytes>> Body for Reply<B> {
    type Data = Bytes;
    type Error = B::Error;

    // Small, so that it is no call of its own: a frame passes through one of these for each layer.
    #[inline]
    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        if self.full.is_some() {
            return self.poll_ours(cx).map(|bytes| bytes.map(Ok));
        }
        match self.project().inner.as_pin_mut() {
            Some(body) => body.poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    #[inline]
    fn is_end_stream(&self) -> bool {
        match (&self.full, &self.inner) {
            (Some(_), _) => false,
            (None, Some(body)) => body.is_end_stream(),
            (None, None) => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match (&self.full, &self.inner) {
            (Some(bytes), _) => SizeHint::with_exact(bytes.len() as u64),
            (None, Some(body)) => body.size_hint(),
            (None, None) => SizeHint::with_exact(0),
        }
    }
}
