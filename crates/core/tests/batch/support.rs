use std::{
    convert::Infallible,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Request, Response, StatusCode, request, response};
use http_body_util::{BodyExt, Full};
use tokio::time::{Instant, sleep};
use tollgate_core::{Batch, BatchLayer, BatchService, Payload, Reply, Trail};
use tower::{Layer, Service, ServiceExt, service_fn};

/// Joins bodies of words by commas, for requests that name the same room.
pub(crate) struct Words;

impl Batch for Words {
    type Key = String;
    type Member = Bytes;

    fn read(&self, parts: &request::Parts, body: &Bytes) -> Option<(String, Bytes)> {
        let room = parts.headers.get("room")?.to_str().ok()?;
        Some((room.to_owned(), body.clone()))
    }

    fn items(&self, words: &Bytes) -> usize {
        words.split(|&byte| byte == b' ').count()
    }

    fn weight(&self, words: &Bytes) -> u64 {
        words.len() as u64
    }

    fn join(&self, head: request::Parts, words: &[Bytes]) -> (request::Parts, Bytes) {
        (head, words.join(&b',').into())
    }

    fn split(&self, _: &response::Parts, body: &Bytes, _: &[Bytes]) -> Option<Vec<Bytes>> {
        let parts = body.split(|&byte| byte == b',');
        Some(parts.map(|part| body.slice_ref(part)).collect())
    }
}

pub(crate) const WINDOW: Duration = Duration::from_millis(5);

pub(crate) fn layer() -> BatchLayer<Words> {
    BatchLayer::new(Words).window(WINDOW)
}

pub(crate) fn request(room: &str, words: &'static str) -> Request<Full<Bytes>> {
    let request = Request::post("/words").header("room", room);
    let request = request
        .extension(Payload::new(words))
        .extension(Trail::new());
    request.body(Full::from(words)).unwrap()
}

pub(crate) fn trail(request: &Request<Full<Bytes>>) -> Trail {
    request.extensions().get::<Trail>().unwrap().clone()
}

/// Answers in capital letters after a second, and writes down what it was asked.
#[derive(Clone, Default)]
pub(crate) struct Shouter {
    asked: Arc<Mutex<Vec<String>>>,
    inside: Arc<AtomicUsize>,
    most_inside: Arc<AtomicUsize>,
}

impl Shouter {
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    pub(crate) fn inside(&self) -> usize {
        self.inside.load(Ordering::SeqCst)
    }

    pub(crate) fn most_inside(&self) -> usize {
        self.most_inside.load(Ordering::SeqCst)
    }

    /// The service, with something to do once it has been asked.
    pub(crate) fn service<E: Send + 'static>(
        &self,
        answer: impl Fn(&Trail, &str) -> Result<Response<String>, E> + Clone + Send + 'static,
    ) -> impl Service<
        Request<Full<Bytes>>,
        Response = Response<String>,
        Error = E,
        Future = BoxFuture<'static, Result<Response<String>, E>>,
    > + Clone
    + Send
    + 'static {
        let shouter = self.clone();
        service_fn(move |request: Request<Full<Bytes>>| {
            let (shouter, answer) = (shouter.clone(), answer.clone());
            let future: BoxFuture<'static, _> = Box::pin(async move {
                let inside = shouter.inside.fetch_add(1, Ordering::SeqCst) + 1;
                let _leaving = Leaving(Arc::clone(&shouter.inside));
                shouter.most_inside.fetch_max(inside, Ordering::SeqCst);
                let trail = trail(&request);
                let length = request.headers().get("content-length").cloned();
                let words = request.into_body().collect().await.unwrap().to_bytes();
                if let Some(length) = length {
                    assert_eq!(length, words.len().to_string().as_str());
                }
                let words = String::from_utf8(words.to_vec()).unwrap();
                shouter.asked.lock().unwrap().push(words.clone());
                sleep(ANSWER).await;
                answer(&trail, &words)
            });
            future
        })
    }
}

struct Leaving(Arc<AtomicUsize>);

impl Drop for Leaving {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

pub(crate) const ANSWER: Duration = Duration::from_secs(1);

pub(crate) fn shout(_: &Trail, words: &str) -> Result<Response<String>, Infallible> {
    Ok(Response::new(words.to_uppercase()))
}

/// What comes back: the status, the body, and after how long.
pub(crate) type Answer = (StatusCode, String, Duration);

/// Sends requests at the same time, each through a clone.
pub(crate) async fn ask<S, const N: usize>(
    service: &BatchService<S, Words>,
    requests: [Request<Full<Bytes>>; N],
) -> Vec<Result<Answer, S::Error>>
where
    S: Service<Request<Full<Bytes>>, Response = Response<String>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send + 'static,
{
    let began = Instant::now();
    let answers = requests.map(|request| {
        let service = service.clone();
        async move { said(service.oneshot(request).await?, began).await }
    });
    futures_util::future::join_all(answers).await
}

async fn said<E>(response: Response<Reply<String>>, began: Instant) -> Result<Answer, E> {
    let took = began.elapsed();
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Ok((head.status, String::from_utf8(body.to_vec()).unwrap(), took))
}

/// The texts of answers that are all good.
pub(crate) fn texts<E: std::fmt::Debug>(answers: Vec<Result<Answer, E>>) -> Vec<String> {
    let text = |answer: Result<Answer, E>| {
        let (status, text, _) = answer.unwrap();
        assert_eq!(status, StatusCode::OK);
        text
    };
    answers.into_iter().map(text).collect()
}

pub(crate) fn batched<S: Service<Request<Full<Bytes>>>>(inner: S) -> BatchService<S, Words> {
    layer().layer(inner)
}
