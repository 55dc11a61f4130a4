//! A web server that says what it is told to, and notes when it was asked.

use std::sync::{Arc, Mutex};

use rustls::ServerConfig;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpListener,
    time::Instant,
};
use tokio_rustls::TlsAcceptor;

/// It ends with the runtime of the test.
pub(crate) struct Server {
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<(String, Instant)>>>,
}

impl Server {
    /// Answers each path with what `answer` makes of it and of the server's own address; with nothing, it stays silent.
    pub(crate) async fn new(
        answer: impl Fn(&str, &str) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        Self::start(None, answer).await
    }

    /// The same over TLS, as `localhost`.
    pub(crate) async fn tls(
        tls: ServerConfig,
        answer: impl Fn(&str, &str) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        Self::start(Some(TlsAcceptor::from(Arc::new(tls))), answer).await
    }

    async fn start(
        tls: Option<TlsAcceptor>,
        answer: impl Fn(&str, &str) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let url = match &tls {
            None => format!("http://127.0.0.1:{port}"),
            Some(_) => format!("https://localhost:{port}"),
        };
        let asked = Arc::<Mutex<Vec<_>>>::default();
        let server = Self {
            url: url.clone(),
            asked: Arc::clone(&asked),
        };
        let answer = Arc::new(move |path: &str| {
            asked
                .lock()
                .unwrap()
                .push((path.to_owned(), Instant::now()));
            answer(path, &url)
        });
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (tls, answer) = (tls.clone(), Arc::clone(&answer));
                tokio::spawn(async move {
                    match tls {
                        None => serve(stream, &*answer).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, &*answer).await;
                            }
                        }
                    }
                });
            }
        });
        server
    }

    /// When a path was asked for.
    pub(crate) fn asked(&self, path: &str) -> Vec<Instant> {
        let asked = self.asked.lock().unwrap();
        let asked = asked.iter().filter(|(known, _)| known == path);
        asked.map(|(_, at)| *at).collect()
    }
}

/// Answers one request.
async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    answer: &(impl Fn(&str) -> Option<String> + ?Sized),
) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let head = String::from_utf8(head).unwrap();
    match answer(head.split(' ').nth(1).unwrap()) {
        Some(answer) => {
            let _ = stream.write_all(answer.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
        None => std::future::pending().await,
    }
}

pub(crate) fn ok(body: &str) -> Option<String> {
    let length = body.len();
    Some(format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}"
    ))
}
