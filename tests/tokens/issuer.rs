use std::{
    net::TcpListener as StdListener,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::UNIX_EPOCH,
};

use axum::{Json, Router, extract::State, routing::get};
use http::StatusCode;
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};

use crate::signer::Signer;

/// An issuer of tokens on a port of this process; gone when it is dropped.
pub(crate) struct Issuer {
    pub(crate) url: String,
    pub(crate) signer: Signer,
    keys: Keys,
    task: JoinHandle<()>,
}

impl Issuer {
    pub(crate) fn start() -> Self {
        Self::serving(true)
    }

    /// One that has no answer until it is [repaired](Self::repair).
    pub(crate) fn broken() -> Self {
        Self::serving(false)
    }

    fn serving(well: bool) -> Self {
        let listener = StdListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        listener.set_nonblocking(true).expect("it is a socket");
        let listener = TcpListener::from_std(listener).expect("there is a runtime");
        let url = format!("http://{address}");
        let signer = Signer::new();
        let discovery = json!({ "issuer": url, "jwks_uri": format!("{url}/keys") });
        let keys = Keys {
            jwks: signer.jwks(),
            well: Arc::new(AtomicBool::new(well)),
            fetches: Arc::default(),
        };
        let router = Router::new()
            .route("/keys", get(Keys::fetch))
            .route(
                "/.well-known/openid-configuration",
                get(async move || Json(discovery)),
            )
            .with_state(keys.clone());
        Self {
            task: tokio::spawn(async move {
                axum::serve(listener, router).await.expect("it never ends");
            }),
            url,
            signer,
            keys,
        }
    }

    pub(crate) fn repair(&self) {
        self.keys.well.store(true, Relaxed);
    }

    /// How often its keys were asked for.
    pub(crate) fn fetches(&self) -> usize {
        self.keys.fetches.load(Relaxed)
    }

    /// Claims with which nothing is wrong.
    pub(crate) fn claims(&self) -> Value {
        let now = now();
        json!({
            "iss": self.url,
            "aud": "llm",
            "sub": "alice",
            "iat": now,
            "nbf": now,
            "exp": now + 600,
            "email": "alice@corp.example",
            "team": "search",
            "corp": { "org": "acme" },
            "models": ["sim*"],
        })
    }

    /// The same with other members in the place of some, or without those that are null.
    pub(crate) fn claims_with(&self, others: &Value) -> Value {
        let mut claims = self.claims();
        let members = claims.as_object_mut().expect("it is an object");
        for (name, value) in others.as_object().expect("it is an object") {
            members.insert(name.clone(), value.clone());
        }
        members.retain(|_, value| !value.is_null());
        claims
    }

    /// A token with which nothing is wrong.
    pub(crate) fn token(&self) -> String {
        self.signer.es256(&self.claims())
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Clone)]
struct Keys {
    jwks: Value,
    well: Arc<AtomicBool>,
    fetches: Arc<AtomicUsize>,
}

impl Keys {
    async fn fetch(State(keys): State<Self>) -> Result<Json<Value>, StatusCode> {
        keys.fetches.fetch_add(1, Relaxed);
        let well = keys.well.load(Relaxed);
        well.then(|| Json(keys.jwks))
            .ok_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
    let now = UNIX_EPOCH.elapsed().expect("1970 is over");
    now.as_secs()
}
