//! A provider of a test's own.

use std::sync::{Arc, Mutex};

use axum::{Router, body::Body, extract::Request, routing::any};
use bytes::Bytes;
use http::{Response, request::Parts};
use http_body_util::BodyExt;
use tokio::net::TcpListener;

/// What the provider was sent.
pub(crate) type Seen = Arc<Mutex<Vec<(Parts, Bytes)>>>;

/// Answers with this, and writes down what it was sent. Gives its address, without a path.
pub(crate) async fn server(
    answer: impl Fn() -> Response<Body> + Clone + Send + Sync + 'static,
) -> (String, Seen) {
    let seen = Seen::default();
    let log = Arc::clone(&seen);
    let router = Router::new().fallback(any(async move |request: Request| {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        log.lock().unwrap().push((parts, body));
        answer()
    }));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, seen)
}
