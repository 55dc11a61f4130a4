use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use memchr::memmem::find_iter;
use tokio::{net::TcpStream, task::JoinSet, time};

use crate::Error;

/// Connections that each ask again when the last answer is complete.
#[derive(Debug)]
pub(crate) struct Load {
    state: Arc<Mutex<State>>,
    connections: JoinSet<Result<(), Error>>,
}

impl Load {
    /// Starts to ask, until there were so many `requests` or it is stopped.
    pub(crate) fn start(target: SocketAddr, ask: Ask, connections: u32, requests: u64) -> Self {
        let waits = Vec::new();
        let state = Arc::new(Mutex::new(State {
            left: requests,
            waits,
        }));
        let connections = (0..connections).map(|number| {
            let state = state.clone();
            async move {
                // One after the other, lest streams of one pace run in step.
                time::sleep(STAGGER * number).await;
                connection(target, ask, &state).await
            }
        });
        let connections = connections.collect();
        Self { state, connections }
    }

    /// How long each answer took since this was last asked.
    pub(crate) fn take(&self) -> Vec<Duration> {
        std::mem::take(&mut self.state.lock().unwrap().waits)
    }

    /// Asks no more, and says what went wrong.
    pub(crate) async fn stop(self) -> Result<(), Error> {
        self.state.lock().unwrap().left = 0;
        self.join(Duration::from_secs(10)).await
    }

    /// Waits until all was asked, and says what went wrong.
    pub(crate) async fn join(mut self, within: Duration) -> Result<(), Error> {
        let all = async {
            while let Some(connection) = self.connections.join_next().await {
                connection??;
            }
            Ok(())
        };
        time::timeout(within, all).await?
    }
}

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ask {
    /// For a whole answer, each time with another body of so many bytes.
    Plain(usize),
    /// For a whole answer, always with the same body.
    Same,
    /// For a stream as fast as it goes.
    Burst,
    /// For a stream at a pace.
    Paced,
}

impl Ask {
    /// What an answer's cost is divided by.
    pub(crate) const fn units(self) -> u32 {
        match self {
            Self::Plain(_) | Self::Same => 1,
            Self::Burst | Self::Paced => EVENTS,
        }
    }

    fn body(self, number: u64) -> String {
        let (number, length, options) = match self {
            Self::Plain(length) => (number, length, ""),
            Self::Same => (0, SHORT, ""),
            Self::Burst => (number, SHORT, BURST),
            Self::Paced => (number, SHORT, PACED),
        };
        let mut body = String::with_capacity(length + 100);
        body += &format!(
            r#"{{"model":"chat",{options}"messages":[{{"role":"user","content":"{number}"#
        );
        while body.len() < length {
            body += ", and another question in a few words that are here to fill the body up";
        }
        body + r#""}]}"#
    }

    fn check(self, status: StatusCode, answer: &[u8]) -> Result<(), Error> {
        let is_whole = match self {
            Self::Plain(_) | Self::Same => answer.ends_with(br#""total_tokens":480}}"#),
            Self::Burst | Self::Paced => {
                let events = find_iter(answer, b"data: {").count();
                events == EVENTS as usize && answer.ends_with(b"data: [DONE]\n\n")
            }
        };
        if status == StatusCode::OK && is_whole {
            return Ok(());
        }
        let answer = String::from_utf8_lossy(&answer[..answer.len().min(300)]);
        Err(format!("a wrong answer, {status}: {answer}").into())
    }
}

#[derive(Debug)]
struct State {
    left: u64,
    waits: Vec<Duration>,
}

impl State {
    fn has_more(&mut self) -> bool {
        let more = self.left > 0;
        self.left -= u64::from(more);
        more
    }
}

async fn connection(target: SocketAddr, ask: Ask, state: &Mutex<State>) -> Result<(), Error> {
    let socket = TcpStream::connect(target).await?;
    socket.set_nodelay(true)?;
    let (mut sender, connection) = handshake(TokioIo::new(socket)).await?;
    tokio::spawn(connection);
    let mut answer = Vec::new();
    while state.lock().unwrap().has_more() {
        let number = NUMBER.fetch_add(1, Relaxed);
        let request = Request::post("/v1/chat/completions")
            .header("host", "localhost")
            .header("content-type", "application/json")
            .header("authorization", "Bearer tg-bench-0123456789abcdef")
            .body(Full::<Bytes>::from(ask.body(number)))?;
        sender.ready().await?;
        answer.clear();
        let (start, mut first) = (Instant::now(), None);
        let mut response = sender.send_request(request).await?;
        while let Some(frame) = response.frame().await {
            if let Some(data) = frame?.data_ref() {
                first.get_or_insert_with(|| start.elapsed());
                answer.extend_from_slice(data);
            }
        }
        ask.check(response.status(), &answer)?;
        // The whole of a plain answer comes in one frame.
        state.lock().unwrap().waits.extend(first);
    }
    Ok(())
}

/// How many events a stream has, before the one that says it is done.
pub(crate) const EVENTS: u32 = 50;

/// Goes on from one load to the next: the gateway's cache may still know the last one's bodies.
static NUMBER: AtomicU64 = AtomicU64::new(0);

const STAGGER: Duration = Duration::from_millis(7);
const SHORT: usize = 2 << 10;
const BURST: &str = r#""stream":true,"stream_options":{"include_usage":true},"#;
const PACED: &str = r#""stream":true,"stream_options":{"include_usage":true},"user":"paced","#;
