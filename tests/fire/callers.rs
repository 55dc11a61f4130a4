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

use crate::{
    random::Random,
    setting::{INPUT, KEY, OUTPUT},
};

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
    /// Of the refusals, those before the last call that was served: there was money still.
    pub(crate) refused_too_soon: AtomicU64,
    /// What calls that were left may cost at most, in nano-dollars.
    pub(crate) worst_of_left: AtomicU64,
}

impl Heard {
    pub(crate) fn served(&self) -> u64 {
        self.answered.load(Relaxed) + self.left.load(Relaxed)
    }

    pub(crate) fn refused(&self) -> u64 {
        self.spent.load(Relaxed) + self.unavailable.load(Relaxed)
    }
}

impl Callers {
    /// Begins to call at these addresses, so many at once at each.
    pub(crate) fn begin(urls: &[Arc<RwLock<String>>], at_once: u64, random: &Random) -> Self {
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
                    random: random.clone(),
                    heard: Arc::clone(&callers.heard),
                };
                let stop = Arc::clone(&callers.stop);
                callers.tasks.spawn(async move {
                    let mut most = 1000;
                    while !stop.load(Relaxed) {
                        sleep(Duration::from_millis(caller.random.below(most))).await;
                        let refused = caller.call().await;
                        // Refusals leave some of the machine to the rest.
                        most = if refused { 3000 } else { 1000 };
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
    random: Random,
    heard: Arc<Heard>,
}

impl Caller {
    /// Answers whether it was refused.
    async fn call(&self) -> bool {
        let heard = &self.heard;
        let count = |counter: &AtomicU64| counter.fetch_add(1, Relaxed);
        let (request, worst) = self.request();
        let Ok(response) = self.client.request(request).await else {
            count(&heard.broken);
            return false;
        };
        match response.status() {
            StatusCode::OK => heard.refused_too_soon.store(heard.refused(), Relaxed),
            StatusCode::TOO_MANY_REQUESTS | StatusCode::PAYMENT_REQUIRED => {
                count(&heard.spent);
                return true;
            }
            StatusCode::SERVICE_UNAVAILABLE => {
                count(&heard.unavailable);
                return true;
            }
            _ => {
                count(&heard.others);
                return false;
            }
        }
        let mut body = response.into_body();
        let leaves_after = (self.random.below(4) == 0).then(|| self.random.below(6));
        let mut pieces = 0;
        while let Some(frame) = body.frame().await {
            pieces += 1;
            if frame.is_err() {
                count(&heard.broken);
                return false;
            }
            if leaves_after.is_some_and(|most| pieces > most) {
                count(&heard.left);
                heard.worst_of_left.fetch_add(worst, Relaxed);
                return false;
            }
        }
        count(&heard.answered);
        false
    }

    /// One, and what it may cost at most.
    fn request(&self) -> (Request<Full<Bytes>>, u64) {
        let words = "word ".repeat(1 + self.random.below(40) as usize);
        let max_tokens = 1 + self.random.below(60);
        let body = json!({
            "model": "sim",
            "stream": self.random.below(2) == 0,
            "max_tokens": max_tokens,
            "messages": [{ "role": "user", "content": words }],
        })
        .to_string();
        // A token of the prompt has a byte at least.
        let worst = INPUT * body.len() as u64 + OUTPUT * max_tokens;
        let url = self.url.read().expect("nobody panics with it").clone();
        let request = Request::post(format!("{url}/v1/chat/completions"))
            .header(header::AUTHORIZATION, format!("Bearer {KEY}"))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::from(body))
            .expect("the request is sound");
        (request, worst)
    }
}
