use std::{convert::Infallible, time::Duration};

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderValue, Request, Response, header::CONTENT_TYPE};
use http_body::Frame;
use http_body_util::{BodyExt, Either, Full, StreamBody};
use hyper::{body::Incoming, service::service_fn};
use memchr::memmem::find;
use tokio::{task::yield_now, time::sleep};

use crate::{Error, load::EVENTS, program::serve};

/// A provider that answers every chat with the same words at once, or event by event.
pub(crate) async fn run() -> Result<(), Error> {
    let answer = Bytes::from(answer());
    serve(service_fn(move |request: Request<Incoming>| {
        let answer = answer.clone();
        async move {
            let chat = request.into_body().collect().await?.to_bytes();
            Ok::<_, hyper::Error>(if find(&chat, br#""stream":true"#).is_some() {
                let pace = find(&chat, br#""user":"paced""#).map(|_| PACE);
                typed("text/event-stream", Either::Left(events(pace)))
            } else {
                typed("application/json", Either::Right(Full::from(answer)))
            })
        }
    }))
    .await
}

/// The events, each of which is sent before the next is made.
fn events(pace: Option<Duration>) -> impl http_body::Body<Data = Bytes, Error = Infallible> {
    let frames = stream::unfold(0, move |number| async move {
        match pace {
            Some(pace) if number > 0 => sleep(pace).await,
            // Hyper flushes when there is nothing more to write just now.
            _ => yield_now().await,
        }
        let event = match number {
            ..LAST => EVENT,
            LAST => USAGE,
            EVENTS => DONE,
            _ => return None,
        };
        Some((Ok(Frame::data(Bytes::from_static(event))), number + 1))
    });
    StreamBody::new(frames)
}

fn typed<B>(content_type: &'static str, body: B) -> Response<B> {
    let mut response = Response::new(body);
    let content_type = HeaderValue::from_static(content_type);
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

fn answer() -> String {
    let words = "an answer with a few words in it, ".repeat(10);
    format!(
        r#"{{"id":"chatcmpl-1","object":"chat.completion","created":1700000000,"model":"mock","choices":[{{"index":0,"message":{{"role":"assistant","content":"{words}"}},"finish_reason":"stop"}}],"usage":{{"prompt_tokens":400,"completion_tokens":80,"total_tokens":480}}}}"#
    )
}

const PACE: Duration = Duration::from_millis(5);
const LAST: u32 = EVENTS - 1;
const EVENT: &[u8] = br#"data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"mock","choices":[{"index":0,"delta":{"content":" word"},"finish_reason":null}]}

"#;
const USAGE: &[u8] = br#"data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"mock","choices":[],"usage":{"prompt_tokens":400,"completion_tokens":49,"total_tokens":449}}

"#;
const DONE: &[u8] = b"data: [DONE]\n\n";
