use std::{
    sync::{
        Arc, RwLock,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::json;
use tokio::{task::JoinSet, time::sleep};

use crate::random::Random;

/// Many who call at once, some of whom hang up.
pub(crate) struct Callers {
    tasks: JoinSet<()>,
    stop: Arc<AtomicBool>,
    pub(crate) heard: Arc<Heard>,
}

/// What they have heard.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    pub(crate) answered: AtomicU64,
    pub(crate) left: AtomicU64,
    pub(crate) spent: AtomicU64,
    pub(crate) unavailable: AtomicU64,
    pub(crate) broken: AtomicU64,
    pub(crate) others: AtomicU64,
}

impl Callers {
    /// Begins to call at these addresses, so many at once at each.
    pub(crate) fn begin(
        urls: &[Arc<RwLock<String>>],
        at_once: u64,
        key: &'static str,
        random: &Random,
    ) -> Self {
        let mut callers = Self {
            tasks: JoinSet::new(),
            stop: Arc::default(),
            heard: Arc::default(),
        };
        for url in urls {
            let client = Client::builder(TokioExecutor::new()).build_http();
            for _ in 0..at_once {
                let caller = Caller {
                    client: client.clone(),
                    url: Arc::clone(url),
                    key,
                    random: random.clone(),
                    heard: Arc::clone(&callers.heard),
                };
                let stop = Arc::clone(&callers.stop);
                callers.tasks.spawn(async move {
                    while !stop.load(Relaxed) {
                        caller.call().await;
                        sleep(Duration::from_millis(caller.random.below(1000))).await;
                    }
                });
            }
        }
        callers
    }

    /// Lets them end what they have begun.
    pub(crate) async fn end(mut self) {
        self.stop.store(true, Relaxed);
        while self.tasks.join_next().await.is_some() {}
    }
}

struct Caller {
    client: Client<HttpConnector, Full<Bytes>>,
    url: Arc<RwLock<String>>,
    key: &'static str,
    random: Random,
    heard: Arc<Heard>,
}

impl Caller {
    async fn call(&self) {
        let heard = &self.heard;
        let count = |counter: &AtomicU64| counter.fetch_add(1, Relaxed);
        let Ok(response) = self.client.request(self.request()).await else {
            count(&heard.broken);
            return;
        };
        match response.status() {
            StatusCode::OK => {}
            StatusCode::TOO_MANY_REQUESTS | StatusCode::PAYMENT_REQUIRED => {
                count(&heard.spent);
                return;
            }
            StatusCode::SERVICE_UNAVAILABLE => {
                count(&heard.unavailable);
                return;
            }
            _ => {
                count(&heard.others);
                return;
            }
        }
        let mut body = response.into_body();
        let leaves_after = (self.random.below(4) == 0).then(|| self.random.below(6));
        let mut pieces = 0;
        while let Some(frame) = body.frame().await {
            pieces += 1;
            if frame.is_err() {
                count(&heard.broken);
                return;
            }
            if leaves_after.is_some_and(|most| pieces > most) {
                count(&heard.left);
                return;
            }
        }
        count(&heard.answered);
    }

    fn request(&self) -> Request<Full<Bytes>> {
        let words = "word ".repeat(1 + self.random.below(40) as usize);
        let body = json!({
            "model": "sim",
            "stream": self.random.below(2) == 0,
            "max_tokens": 1 + self.random.below(60),
            "messages": [{ "role": "user", "content": words }],
        });
        let url = self.url.read().expect("nobody panics with it").clone();
        Request::post(format!("{url}/v1/chat/completions"))
            .header(header::AUTHORIZATION, format!("Bearer {}", self.key))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::from(body.to_string()))
            .expect("the request is sound")
    }
}
