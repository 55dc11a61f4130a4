use std::{convert::Infallible, fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header::AUTHORIZATION};
use http_body_util::{BodyExt, Limited};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use serde_json::Value;
use tokio::{net::TcpListener, time::sleep};

use super::{
    Stats,
    answer::{self, Fault},
    stream::{Answering, Pace},
};

/// The simulated provider.
///
/// ```no_run
/// # async fn run() -> std::io::Result<()> {
/// use std::time::Duration;
/// use tollgate_llm::simulated::Simulated;
///
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
/// Simulated::new().key("sk-sim").pace(Duration::from_millis(20)).serve(listener).await
/// # }
/// ```
#[derive(Clone, Default)]
pub struct Simulated {
    key: Option<Arc<str>>,
    pace: Duration,
    stats: Stats,
}

impl Simulated {
    /// A provider that asks for no key and answers as fast as it can.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks for this key, and answers 401 to any other.
    #[must_use]
    pub fn key(mut self, key: impl Into<Arc<str>>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// Waits so long before each word of a stream.
    #[must_use]
    pub fn pace(mut self, pace: Duration) -> Self {
        self.pace = pace;
        self
    }

    /// What has been served.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.stats.clone()
    }

    /// Serves until it is dropped.
    ///
    /// # Errors
    /// Never, at present: a connection that cannot be accepted is passed over.
    pub async fn serve(self, listener: TcpListener) -> std::io::Result<()> {
        loop {
            let Ok((socket, _)) = listener.accept().await else {
                // Mostly too many open files: it passes.
                sleep(Duration::from_millis(50)).await;
                continue;
            };
            let _ = socket.set_nodelay(true);
            let provider = self.clone();
            tokio::spawn(async move {
                let service = service_fn(|request| {
                    let provider = provider.clone();
                    async move { Ok::<_, Infallible>(provider.answer(request).await) }
                });
                let mut server = auto::Builder::new(TokioExecutor::new());
                server.http1().timer(TokioTimer::new());
                // A client that hangs up is no error here.
                let _ = server.serve_connection(TokioIo::new(socket), service).await;
            });
        }
    }

    async fn answer(self, request: Request<Incoming>) -> Response<Answering> {
        let path = request.uri().path().to_owned();
        if request.method() == Method::GET && path == "/stats" {
            return answer::json(&serde_json::to_value(self.stats.read()).unwrap_or_default());
        }
        let given = request
            .headers()
            .get(AUTHORIZATION)
            .map(|value| value.as_bytes().to_vec());
        if self
            .key
            .as_ref()
            .is_some_and(|key| given != Some(format!("Bearer {key}").into_bytes()))
        {
            let message = "Incorrect API key provided.";
            return answer::error(StatusCode::UNAUTHORIZED, "invalid_api_key", message);
        }
        if request.method() == Method::GET && path == "/v1/models" {
            return answer::json(&answer::models());
        }
        self.stats.request();
        let Ok(body) = Limited::new(request.into_body(), MOST).collect().await else {
            return answer::error(
                StatusCode::BAD_REQUEST,
                "invalid_body",
                "The body cannot be read.",
            );
        };
        let Ok(asked) = serde_json::from_slice::<Value>(&body.to_bytes()) else {
            let message = "We could not parse the JSON body of your request.";
            return answer::error(StatusCode::BAD_REQUEST, "invalid_json", message);
        };
        let fault = Fault::of(asked["model"].as_str().unwrap_or_default());
        if let Some(refusal) = answer::refusal(&asked, fault) {
            return refusal;
        }
        let pace = Pace {
            every: self.pace,
            first: self.pace * if fault == Some(Fault::Slow) { 10 } else { 1 },
        };
        match &*path {
            "/v1/chat/completions" => answer::text(true, &asked, fault, pace, self.stats),
            "/v1/completions" => answer::text(false, &asked, fault, pace, self.stats),
            "/v1/embeddings" => answer::embeddings(&asked, &self.stats),
            _ => answer::error(StatusCode::NOT_FOUND, "unknown_url", "Unknown request URL."),
        }
    }
}

impl fmt::Debug for Simulated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulated")
            .field("pace", &self.pace)
            .finish_non_exhaustive()
    }
}

const MOST: usize = 64 << 20;

impl From<Bytes> for Answering {
    fn from(whole: Bytes) -> Self {
        Self::whole(whole)
    }
}
