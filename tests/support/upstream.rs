use std::{
    convert::Infallible,
    io,
    net::TcpListener as StdListener,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    body::{Frame, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// A provider on loopback that does as it is told, and remembers what it was asked; gone when it is dropped.
#[derive(Debug)]
pub struct Upstream {
    url: String,
    seen: Seen,
    task: Option<JoinHandle<()>>,
}

/// What an [`Upstream`] does with whatever it is asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Behaviour {
    /// Answers, as a stream if a stream is asked for.
    Answers,
    /// Answers with an error of this status.
    Refuses(u16),
    /// Accepts the request, and never says a word.
    IsSilent,
    /// Sends two events, and then never another one.
    StopsMidStream,
    /// Sends two events, and cuts the connection.
    CutsMidStream,
    /// Sends half of a plain answer, and cuts the connection.
    CutsMidAnswer,
    /// Answers with a page of HTML, and says that all is well.
    SendsHtml,
    /// Does not speak HTTP.
    SpeaksNoHttp,
    /// Is not there.
    IsDown,
}

impl Upstream {
    /// Starts one.
    ///
    /// # Panics
    ///
    /// When no port is free.
    pub fn start(behaviour: Behaviour) -> Self {
        let listener = StdListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let seen = Seen::default();
        let task = (behaviour != Behaviour::IsDown).then(|| {
            listener.set_nonblocking(true).expect("it is a socket");
            let listener = TcpListener::from_std(listener).expect("there is a runtime");
            tokio::spawn(serve(listener, behaviour, Arc::clone(&seen)))
        });
        Self {
            url: format!("http://{address}/v1"),
            seen,
            task,
        }
    }

    /// Where it is, for a provider's `base_url`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The requests that reached it.
    ///
    /// # Panics
    ///
    /// When its task has panicked.
    #[must_use]
    pub fn seen(&self) -> Vec<Request<Bytes>> {
        self.seen.lock().expect("nobody panics with it").clone()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

async fn serve(listener: TcpListener, behaviour: Behaviour, seen: Seen) {
    // Connections end with the task that accepts them.
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((socket, _)) = listener.accept().await {
        connections.spawn(converse(socket, behaviour, Arc::clone(&seen)));
    }
}

async fn converse(mut socket: TcpStream, behaviour: Behaviour, seen: Seen) {
    if behaviour == Behaviour::SpeaksNoHttp {
        let _ = socket.write_all(b"220 mail.example ESMTP\r\n").await;
        return;
    }
    let service = service_fn(|request: Request<Incoming>| {
        let seen = Arc::clone(&seen);
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await.map(|body| body.to_bytes());
            let body = body.unwrap_or_default();
            let asked: Value = serde_json::from_slice(&body).unwrap_or_default();
            let stream = asked["stream"] == true;
            let request = Request::from_parts(head, body);
            seen.lock().expect("nobody panics with it").push(request);
            Ok::<_, Infallible>(answer(behaviour, stream).await)
        }
    });
    // Cutting a connection is an error here, and is meant.
    let _ = http1::Builder::new()
        .serve_connection(TokioIo::new(socket), service)
        .await;
}

type Seen = Arc<Mutex<Vec<Request<Bytes>>>>;
type Body = UnsyncBoxBody<Bytes, io::Error>;

async fn answer(behaviour: Behaviour, stream: bool) -> Response<Body> {
    let cut = || Err(io::Error::other("cut"));
    match behaviour {
        Behaviour::Answers if stream => {
            let events = [
                event("one "),
                event("two"),
                finish(),
                "data: [DONE]\n\n".into(),
            ];
            respond(StatusCode::OK, SSE, events.into_iter().map(Ok))
        }
        Behaviour::Answers => respond(StatusCode::OK, JSON, [Ok(completion().to_string())]),
        Behaviour::Refuses(status) => {
            let error =
                json!({ "message": "no", "type": "server_error", "param": null, "code": null });
            let status = StatusCode::from_u16(status).expect("it is a status");
            respond(status, JSON, [Ok(json!({ "error": error }).to_string())])
        }
        Behaviour::IsSilent => std::future::pending().await,
        Behaviour::StopsMidStream => {
            let events = [Ok(event("one ")), Ok(event("two"))];
            let body = stream::iter(events).map(frame).chain(stream::pending());
            response(StatusCode::OK, SSE, StreamBody::new(body).boxed_unsync())
        }
        Behaviour::CutsMidStream => respond(
            StatusCode::OK,
            SSE,
            [Ok(event("one ")), Ok(event("two")), cut()],
        ),
        Behaviour::CutsMidAnswer => {
            let half = completion().to_string()[..40].to_owned();
            respond(StatusCode::OK, JSON, [Ok(half), cut()])
        }
        Behaviour::SendsHtml => respond(
            StatusCode::OK,
            "text/html",
            [Ok("<h1>It works!</h1>".to_owned())],
        ),
        Behaviour::SpeaksNoHttp | Behaviour::IsDown => unreachable!("it does not come so far"),
    }
}

fn respond<P>(status: StatusCode, content_type: &str, pieces: P) -> Response<Body>
where
    P: IntoIterator<Item = io::Result<String>, IntoIter: Send + 'static>,
{
    // One after the other, so that they do not go out as one.
    let pieces = stream::iter(pieces).then(async |piece| {
        tokio::time::sleep(Duration::from_millis(5)).await;
        frame(piece)
    });
    response(status, content_type, StreamBody::new(pieces).boxed_unsync())
}

fn response(status: StatusCode, content_type: &str, body: Body) -> Response<Body> {
    Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, content_type)
        .body(body)
        .expect("the answer is sound")
}

fn frame(piece: io::Result<String>) -> io::Result<Frame<Bytes>> {
    piece.map(|piece| Frame::data(piece.into()))
}

fn completion() -> Value {
    json!({
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_760_000_000,
        "model": "scripted",
        "choices": [{
            "index": 0,
            "message": { "role": "assistant", "content": "one two", "refusal": null },
            "logprobs": null,
            "finish_reason": "stop",
        }],
        "usage": { "prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7 },
    })
}

fn event(text: &str) -> String {
    chunk(json!({ "role": "assistant", "content": text }), Value::Null)
}

fn finish() -> String {
    chunk(json!({}), "stop".into())
}

fn chunk(delta: Value, finish_reason: Value) -> String {
    let chunk = json!({
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1_760_000_000,
        "model": "scripted",
        "choices": [{ "index": 0, "delta": delta, "logprobs": null, "finish_reason": finish_reason }],
    });
    format!("data: {chunk}\n\n")
}

const SSE: &str = "text/event-stream";
const JSON: &str = "application/json";
