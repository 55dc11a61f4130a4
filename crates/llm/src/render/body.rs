use std::{
    borrow::Cow,
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tollgate_core::{BoxError, Elapsed, Reply};

use crate::{Dialect, anthropic, gemini, openai};

pin_project! {
    /// A body whose failure is told in the stream itself, if it is a stream of events.
    pub struct RenderBody<B> {
        #[pin]
        inner: Reply<B>,
        tells: Tells,
        begun: bool,
        ended: bool,
    }
}

/// How a failure is told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Tells {
    /// Not at all.
    Nothing,
    /// As an event of this dialect.
    Event(Dialect),
    /// As an event of OpenAI's responses.
    Response,
    /// As the last element of Gemini's array.
    Element,
}

impl<B> RenderBody<B> {
    pub(super) const fn plain(inner: Reply<B>) -> Self {
        Self::telling(inner, Tells::Nothing)
    }

    pub(super) const fn telling(inner: Reply<B>, tells: Tells) -> Self {
        Self {
            inner,
            tells,
            begun: false,
            ended: false,
        }
    }
}

impl<B> Body for RenderBody<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.project();
        if *this.ended {
            return Poll::Ready(None);
        }
        Poll::Ready(match ready!(this.inner.poll_frame(cx)) {
            Some(Err(error)) if *this.tells != Tells::Nothing => {
                *this.ended = true;
                tell(*this.tells, *this.begun, &error.into()).map(|told| Ok(Frame::data(told)))
            }
            frame => {
                *this.begun |= frame.is_some();
                frame.map(|frame| frame.map_err(Into::into))
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.ended || self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        if self.ended {
            return SizeHint::with_exact(0);
        }
        self.inner.size_hint()
    }
}

impl<B> fmt::Debug for RenderBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RenderBody").finish_non_exhaustive()
    }
}

/// What tells of an error, unless the provider has told of it.
fn tell(how: Tells, begun: bool, error: &BoxError) -> Option<Bytes> {
    let (message, code) = words(error)?;
    Some(match how {
        Tells::Nothing => return None,
        Tells::Event(Dialect::OpenAi) => openai::error_event(&message, &code),
        Tells::Event(Dialect::Anthropic) => anthropic::error_event(&message, &code),
        Tells::Event(Dialect::Gemini) => gemini::error_event(&message, &code),
        Tells::Response => openai::response_error_event(&message, &code),
        Tells::Element => gemini::error_element(&message, &code, begun),
    })
}

fn words(error: &BoxError) -> Option<(Cow<'static, str>, Cow<'static, str>)> {
    if error.is::<Elapsed>() {
        return Some((
            "the provider did not go on in time".into(),
            "timeout".into(),
        ));
    }
    #[cfg(feature = "upstream")]
    if let Some(error) = error.downcast_ref::<crate::StreamError>() {
        let message = match error.message() {
            Some(message) => message.to_owned().into(),
            None => "the provider's stream ended early".into(),
        };
        return (!error.was_told()).then(|| (message, error.code().to_owned().into()));
    }
    Some(("the stream broke off".into(), "stream_failed".into()))
}
