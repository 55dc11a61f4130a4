use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tollgate_llm::simulated::Simulated;

/// A provider that serves, and how to ask it.
pub(crate) struct Provider {
    pub(crate) own: Simulated,
    address: std::net::SocketAddr,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
    /// The sizes of the pieces that came.
    pub(crate) pieces: Vec<usize>,
    /// Whether the connection broke.
    pub(crate) broken: bool,
}

pub(crate) async fn provider() -> Provider {
    serve(Simulated::new()).await
}

pub(crate) async fn serve(own: Simulated) -> Provider {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(own.clone().serve(listener));
    Provider { own, address }
}

impl Provider {
    /// Sends a request, and gives back the answer's head and its body to come.
    pub(crate) async fn open(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> http::Response<hyper::body::Incoming> {
        let socket = TcpStream::connect(self.address).await.unwrap();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(socket))
            .await
            .unwrap();
        tokio::spawn(connection);
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "simulated");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request
            .body(Full::new(Bytes::from(body.to_owned())))
            .unwrap();
        sender.send_request(request).await.unwrap()
    }

    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let (head, mut body) = self.open(method, path, headers, body).await.into_parts();
        let (mut bytes, mut pieces, mut broken) = (Vec::new(), Vec::new(), false);
        while let Some(frame) = body.frame().await {
            match frame {
                Ok(frame) => {
                    let data = frame.into_data().unwrap();
                    pieces.push(data.len());
                    bytes.extend_from_slice(&data);
                }
                Err(_) => {
                    broken = true;
                    break;
                }
            }
        }
        Answer {
            status: head.status.as_u16(),
            headers: head.headers,
            body: String::from_utf8_lossy(&bytes).into_owned(),
            pieces,
            broken,
        }
    }

    pub(crate) async fn openai(&self, path: &str, body: &Value) -> Answer {
        self.send(
            "POST",
            path,
            &[("authorization", "Bearer sk-any")],
            &body.to_string(),
        )
        .await
    }

    pub(crate) async fn anthropic(&self, version: &str, body: &Value) -> Answer {
        let headers = [("x-api-key", "sk-any"), ("anthropic-version", version)];
        self.send("POST", "/v1/messages", &headers, &body.to_string())
            .await
    }

    pub(crate) async fn gemini(&self, path: &str, body: &Value) -> Answer {
        self.send(
            "POST",
            path,
            &[("x-goog-api-key", "any")],
            &body.to_string(),
        )
        .await
    }
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.body))
    }

    /// The names and data of a stream's events; what is no JSON is a string.
    pub(crate) fn events(&self) -> Vec<(String, Value)> {
        let event = |event: &str| {
            let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name));
            let data = field("data: ").unwrap_or_default();
            let data = serde_json::from_str(data).unwrap_or_else(|_| Value::from(data));
            (field("event: ").unwrap_or_default().to_owned(), data)
        };
        let text = self
            .body
            .trim_start_matches('\u{feff}')
            .replace("\r\n", "\n");
        let whole = text.split_terminator("\n\n").map(event);
        whole.filter(|(_, data)| *data != "").collect()
    }

    /// The names of a stream's events, each run of the same name once.
    pub(crate) fn order(&self) -> Vec<String> {
        let mut names: Vec<_> = self.events().into_iter().map(|(name, _)| name).collect();
        names.dedup();
        names
    }

    /// What all events say at this place, joined.
    pub(crate) fn joined(&self, pointer: &str) -> String {
        let events = self.events();
        events
            .iter()
            .filter_map(|(_, data)| data.pointer(pointer)?.as_str())
            .collect()
    }
}
