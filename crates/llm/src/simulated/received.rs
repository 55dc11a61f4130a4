use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use http::{HeaderMap, Method, Uri, request::Parts};
use serde::Serialize;
use serde_json::{Value, json};

/// A request as it came in, but for its credentials.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Received {
    /// The number that the bill knows it by.
    pub number: u64,
    /// Its method.
    pub method: String,
    /// Its path and query.
    pub path: String,
    /// Its head; of a field that came several times, the values stand joined by commas.
    pub headers: BTreeMap<String, String>,
    /// Its body: JSON, or a string of what is none, or nothing of what was too long to keep.
    pub body: Value,
}

/// The last requests; clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log(Arc<Mutex<VecDeque<Raw>>>);

#[derive(Debug)]
struct Raw {
    number: u64,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
}

impl Log {
    pub(crate) fn add(&self, number: u64, parts: &Parts, body: &Bytes) {
        let body = if body.len() > LONGEST {
            Bytes::new()
        } else {
            body.clone()
        };
        let raw = Raw {
            number,
            method: parts.method.clone(),
            uri: parts.uri.clone(),
            headers: parts.headers.clone(),
            body,
        };
        let mut log = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if log.len() == MOST {
            log.pop_front();
        }
        log.push_back(raw);
    }

    pub(crate) fn clear(&self) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    pub(crate) fn read(&self) -> Vec<Received> {
        let log = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        log.iter().map(Raw::shown).collect()
    }
}

impl Raw {
    fn shown(&self) -> Received {
        let mut headers = BTreeMap::<String, String>::new();
        for (name, value) in &self.headers {
            let secret = SECRET.contains(&name.as_str());
            let value = if secret {
                "[redacted]".into()
            } else {
                String::from_utf8_lossy(value.as_bytes())
            };
            let all = headers.entry(name.to_string()).or_default();
            if !all.is_empty() {
                all.push_str(", ");
            }
            all.push_str(&value);
        }
        let pair = |pair: &str| match pair.split_once('=') {
            Some(("key" | "access_token", _)) => "key=[redacted]".to_owned(),
            _ => pair.to_owned(),
        };
        let query = self
            .uri
            .query()
            .map(|it| it.split('&').map(pair).collect::<Vec<_>>().join("&"));
        let path = self.uri.path();
        Received {
            number: self.number,
            method: self.method.to_string(),
            path: query.map_or_else(|| path.to_owned(), |query| format!("{path}?{query}")),
            headers,
            body: match serde_json::from_slice(&self.body) {
                Ok(body) => body,
                Err(_) if self.body.is_empty() => Value::Null,
                Err(_) => json!(String::from_utf8_lossy(&self.body)),
            },
        }
    }
}

const SECRET: [&str; 6] = [
    "authorization",
    "x-api-key",
    "api-key",
    "x-goog-api-key",
    "proxy-authorization",
    "cookie",
];
const MOST: usize = 256;
const LONGEST: usize = 1 << 20;
