use std::{sync::Arc, time::Duration};

use http::{HeaderName, Method, request::Parts, response};
use jiff::Timestamp;
use serde_json::Value;
use tokio::time::Instant;
use tollgate_core::{
    Glance, Outcome, Payload, Rejection, Trail,
    fact::{Attempt, Findings, Superseded, Target, TotalCost},
};

use crate::{AttemptRecord, Record, json::LONGEST};

/// What is seen of a request as it goes. The rest stands in the trail, and is read at the end.
pub(crate) struct Draft {
    time: Timestamp,
    started: Instant,
    id: Option<Box<str>>,
    method: Method,
    path: Box<str>,
    trail: Trail,
    status: Option<u16>,
    first_byte: Option<Duration>,
    rejection: Option<Box<str>>,
    ended: Option<(Outcome, Duration)>,
}

impl Draft {
    pub(crate) fn new(parts: &mut Parts) -> Self {
        let path = parts.uri.path();
        Self {
            time: Timestamp::now(),
            started: Instant::now(),
            id: request_id(parts),
            method: parts.method.clone(),
            // Copied: a slice of it would keep the connection's whole read buffer for as long as the answer streams.
            path: path[..path.floor_char_boundary(LONGEST + 1)].into(),
            trail: Trail::of(parts),
            status: None,
            first_byte: None,
            rejection: None,
            ended: None,
        }
    }

    pub(crate) fn answered(&mut self, head: &response::Parts) {
        self.status = Some(head.status.as_u16());
        let rejection = head.extensions.get::<Rejection>();
        self.rejection = rejection.map(|rejection| rejection.code().into());
    }

    pub(crate) fn data(&mut self) {
        if self.first_byte.is_none() {
            self.first_byte = Some(self.started.elapsed());
        }
    }

    pub(crate) fn ended(&mut self, outcome: Outcome) {
        self.ended = Some((outcome, self.started.elapsed()));
    }

    /// All that is known now; `make_id` names a request that came without a name.
    pub(crate) fn collect(self, make_id: impl FnOnce() -> String) -> Record {
        let (principal, call) = (self.trail.find(), self.trail.find());
        let payload = self.trail.find::<Payload>();
        let prompt = payload.filter(|payload| !payload.bytes().is_empty());
        let prompt = prompt.map(|payload| payload.digest());
        let node = self.trail.glance();
        let mut attempts = Vec::new();
        collect_attempts(&node, DEEPEST, &mut attempts);
        let own = node.get().map(|target: &Target| Arc::clone(&target.name));
        let served = attempts.iter().rfind(|attempt| !attempt.superseded);
        let target = own.or_else(|| served.map(|attempt| Arc::clone(&attempt.target.name)));
        let findings = node.get::<Findings>();
        let notes = node.notes().iter();
        let (outcome, duration) = self.ended.unwrap_or((Outcome::Cancelled, Duration::ZERO));
        Record {
            time: self.time,
            id: self.id.map_or_else(make_id, String::from),
            method: self.method,
            path: self.path,
            status: self.status,
            outcome,
            duration,
            first_byte: self.first_byte,
            principal,
            call,
            target,
            attempts,
            cache: node.get().copied(),
            usage: node.sum(),
            cost: TotalCost::of(&node),
            rejection: self.rejection,
            failure: node.get().cloned(),
            findings: findings.map_or_else(Vec::new, |all| all.0.clone()),
            prompt,
            notes: notes
                .map(|(name, value)| (name.clone(), shortened(value)))
                .collect(),
        }
    }
}

/// The nodes below that have a target, at any depth: a cache or a guard may stand between, with a node of its own.
fn collect_attempts(node: &Glance<'_>, depth: usize, attempts: &mut Vec<AttemptRecord>) {
    for child in node.children() {
        if attempts.len() == MOST_ATTEMPTS {
            return;
        }
        if let Some(target) = child.get::<Target>() {
            let attempt = child.get::<Attempt>();
            attempts.push(AttemptRecord {
                target: target.clone(),
                status: attempt.and_then(|attempt| attempt.status),
                took: attempt.map(|attempt| attempt.took),
                usage: child.get().copied(),
                cost: child.get().copied(),
                failure: child.get().cloned(),
                dispatch: child.get().copied(),
                superseded: child.get::<Superseded>().is_some(),
            });
        }
        if depth > 0 {
            collect_attempts(&child, depth - 1, attempts);
        }
    }
}

/// The caller's own name for the request, if it can be one.
fn request_id(parts: &Parts) -> Option<Box<str>> {
    let id = parts.headers.get(X_REQUEST_ID)?.as_bytes();
    let sane = (1..=LONGEST_ID).contains(&id.len()) && id.iter().all(u8::is_ascii_graphic);
    let id = sane.then(|| std::str::from_utf8(id))?;
    id.ok().map(Box::from)
}

/// A note is a remark; a document only leaves word of its length.
fn shortened(value: &Value) -> Value {
    match serde_json::to_vec(value).map_or(0, |json| json.len()) {
        ..=LONGEST_NOTE => value.clone(),
        length => format!("({length} bytes)").into(),
    }
}

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const LONGEST_ID: usize = 128;
const LONGEST_NOTE: usize = 1024;
const MOST_ATTEMPTS: usize = 32;
const DEEPEST: usize = 8;
