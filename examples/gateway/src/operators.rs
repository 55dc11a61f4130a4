use std::{sync::Arc, time::Duration};

use axum::Router;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::{conn::auto, graceful::GracefulShutdown},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    sync::Semaphore,
    time::timeout,
};
use tollgate::core::fact::Peer;

use crate::{connection::Connection, server::accept};

/// How operators are served: as callers are, but a few connections at a time, and none of them for long.
#[derive(Clone)]
pub(crate) struct Operators {
    pub(crate) http: auto::Builder<TokioExecutor>,
    pub(crate) service: Router,
    /// How long a client may take to its first request.
    pub(crate) deadline: Duration,
}

impl Operators {
    /// Serves whoever comes while there are places. Others are not let wait: who asks for the gateway's health asks again.
    pub(crate) async fn serve(self, listener: TcpListener) {
        let free = Arc::new(Semaphore::new(PLACES));
        loop {
            let (socket, address) = accept(&listener).await;
            let Ok(place) = Arc::clone(&free).try_acquire_owned() else {
                tracing::debug!(%address, "there are too many connections of operators");
                continue;
            };
            let operators = self.clone();
            tokio::spawn(async move {
                operators.connection(socket, Peer::new(address)).await;
                drop(place);
            });
        }
    }

    /// Serves a connection until its time is over: it may be idle and answer pings, not read its answers, or send a body
    /// by drips.
    async fn connection(
        self,
        socket: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        peer: Peer,
    ) {
        let ending = GracefulShutdown::new();
        let connection = Connection {
            http: self.http,
            service: self.service,
            deadline: self.deadline,
            watcher: ending.watcher(),
        };
        let mut served = Box::pin(connection.serve(TokioIo::new(socket), peer));
        if timeout(LIFE, &mut served).await.is_err() {
            let ended = async { tokio::join!(ending.shutdown(), served) };
            let _ = timeout(LAST_REQUESTS, ended).await;
        }
    }
}

/// How many connections of operators are served at a time.
const PLACES: usize = 128;

/// So long a connection takes requests.
const LIFE: Duration = Duration::from_secs(60);

/// So long the requests may take that are open then.
const LAST_REQUESTS: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use axum::{body::Bytes, routing::get};
    use http::Request;
    use http_body_util::Empty;
    use hyper::client::conn::http2;
    use hyper_util::rt::TokioTimer;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt, duplex},
        net::TcpStream,
        time::Instant,
    };

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_is_idle_and_answers_pings_is_closed_after_its_time() {
        let (ours, theirs) = duplex(1 << 16);
        let began = Instant::now();
        let served = tokio::spawn(operators().connection(theirs, peer()));
        let executor = TokioExecutor::new();
        let (mut sender, client) = http2::handshake(executor, TokioIo::new(ours))
            .await
            .unwrap();
        let client = tokio::spawn(client);

        let request = Request::get("http://operators/healthz");
        let request = request.body(Empty::<Bytes>::new()).unwrap();
        let answer = sender.send_request(request).await.unwrap();
        assert_eq!(answer.status(), 200);
        drop(answer);
        served.await.unwrap();

        assert!(began.elapsed() < LIFE + Duration::from_secs(1));
        client.await.unwrap().unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_does_not_read_or_sends_a_body_by_drips_is_cut() {
        let long = b"GET /metrics HTTP/1.1\r\nhost: a\r\n\r\n".as_slice();
        let slow = b"POST /body HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\n1".as_slice();
        for request in [long, slow] {
            let (mut ours, theirs) = duplex(64);
            let began = Instant::now();
            let served = tokio::spawn(operators().connection(theirs, peer()));

            ours.write_all(request).await.unwrap();
            served.await.unwrap();

            assert!(began.elapsed() >= LIFE, "it is given time");
            assert!(began.elapsed() < LIFE + LAST_REQUESTS + Duration::from_secs(1));
        }
    }

    #[tokio::test]
    async fn while_all_places_are_taken_others_are_turned_away_at_once() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(operators().serve(listener));
        let mut taken = Vec::new();
        for _ in 0..PLACES {
            // The answer says that the place is taken.
            let mut idle = TcpStream::connect(address).await.unwrap();
            assert!(ask(&mut idle).await.starts_with(b"HTTP/1.1 200"));
            taken.push(idle);
        }

        let mut late = TcpStream::connect(address).await.unwrap();
        assert_eq!(ask(&mut late).await, b"", "it does not wait");
        taken.pop();
        loop {
            let mut again = TcpStream::connect(address).await.unwrap();
            if ask(&mut again).await.starts_with(b"HTTP/1.1 200") {
                break;
            }
        }
    }

    /// The beginning of the answer; nothing if the connection is closed.
    async fn ask(socket: &mut TcpStream) -> Vec<u8> {
        let request = b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n";
        let mut answer = vec![0; 512];
        let read = match socket.write_all(request).await {
            Ok(()) => timeout(Duration::from_secs(30), socket.read(&mut answer)).await,
            Err(_) => return Vec::new(),
        };
        answer.truncate(read.expect("an answer, or none").unwrap_or(0));
        answer
    }

    fn operators() -> Operators {
        let mut http = auto::Builder::new(TokioExecutor::new());
        http.http1().timer(TokioTimer::new());
        http.http2().timer(TokioTimer::new());
        let service = Router::new()
            .route("/healthz", get(async || "ok\n"))
            .route("/metrics", get(async || "x".repeat(1 << 20)))
            .route("/body", axum::routing::post(async |_: Bytes| ()));
        Operators {
            http,
            service,
            deadline: Duration::from_secs(10),
        }
    }

    fn peer() -> Peer {
        Peer::new(SocketAddr::from(([127, 0, 0, 1], 1)))
    }
}
