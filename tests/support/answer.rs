use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::Value;

use crate::soon;

/// An answer of the gateway, read whole.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Answer {
    /// Reads an answer to its end.
    ///
    /// # Panics
    ///
    /// When the body breaks off.
    pub async fn read(response: Response<Incoming>) -> Self {
        let (head, body) = response.into_parts();
        let body = soon("the answer's body", body.collect()).await;
        Self {
            status: head.status,
            headers: head.headers,
            body: body.expect("the body is whole").to_bytes(),
        }
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Panics
    ///
    /// When it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error} in an answer {}: {}", self.status, self.text()))
    }

    /// A header, or nothing.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    /// The error in OpenAI's dialect.
    ///
    /// # Panics
    ///
    /// When the body is not one, with all four of its keys.
    pub fn error(&self) -> Value {
        let error = self.json()["error"].take();
        assert!(
            error["message"]
                .as_str()
                .is_some_and(|message| !message.is_empty()),
            "{self:?}"
        );
        assert!(error["type"].is_string(), "{self:?}");
        assert!(error.get("param").is_some(), "{self:?}");
        assert!(error.get("code").is_some(), "{self:?}");
        assert_eq!(self.header("content-type"), "application/json", "{self:?}");
        error
    }
}

/// The events of a stream, one by one.
#[derive(Debug)]
pub struct Events {
    body: Incoming,
    buffer: String,
}

impl Events {
    /// Reads a stream of events.
    ///
    /// # Panics
    ///
    /// When the answer is not one.
    #[must_use]
    pub fn of(response: Response<Incoming>) -> Self {
        assert_eq!(response.status(), StatusCode::OK);
        let content_type = response.headers()[http::header::CONTENT_TYPE].to_str();
        assert!(
            content_type.is_ok_and(|it| it.starts_with("text/event-stream")),
            "{response:?}"
        );
        Self {
            body: response.into_body(),
            buffer: String::new(),
        }
    }

    /// The data of the next event; nothing at the end, and an error when the stream breaks off.
    ///
    /// # Errors
    ///
    /// When the connection does not end as it should.
    pub async fn next(&mut self) -> hyper::Result<Option<String>> {
        loop {
            if let Some((event, rest)) = self.buffer.split_once("\n\n") {
                let data = event
                    .lines()
                    .filter_map(|line| line.strip_prefix("data: "))
                    .collect();
                self.buffer = rest.to_owned();
                return Ok(Some(data));
            }
            let Some(frame) = soon("an event", self.body.frame()).await else {
                return Ok(None);
            };
            if let Ok(data) = frame?.into_data() {
                self.buffer.push_str(&String::from_utf8_lossy(&data));
            }
        }
    }

    /// The data of all events that are left.
    ///
    /// # Errors
    ///
    /// When the connection does not end as it should.
    pub async fn rest(mut self) -> hyper::Result<Vec<String>> {
        let mut events = Vec::new();
        while let Some(event) = self.next().await? {
            events.push(event);
        }
        Ok(events)
    }
}
