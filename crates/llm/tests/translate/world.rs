use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt, Full};
use tokio::net::TcpListener;
use tollgate_core::{
    PayloadLayer, Rejection, TimeoutLayer, Trail,
    fact::{Cost, Target, Usage},
};
use tollgate_llm::{
    Dialect, Dollars, Endpoint, InspectLayer, ModelInfo, Price, Prices, Rates, RenderLayer,
    Upstream,
    simulated::{self, Entry, Simulated},
};
use tower::{ServiceBuilder, ServiceExt};

/// A provider that speaks one dialect, and the stack in front of it.
pub(crate) struct World {
    pub(crate) provider: Simulated,
    endpoint: Endpoint,
}

/// What a caller got, and what those outside know of it.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
    pub(crate) rejection: Option<Rejection>,
    pub(crate) trail: Trail,
}

pub(crate) const BEHIND: [Dialect; 3] = [Dialect::OpenAi, Dialect::Anthropic, Dialect::Gemini];
pub(crate) const KEY: &str = "sk-canary-of-the-provider";

impl World {
    pub(crate) async fn new(behind: Dialect) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let version = match behind {
            Dialect::Gemini => "v1beta",
            _ => "v1",
        };
        let url = format!("http://{}/{version}", listener.local_addr().unwrap());
        let provider = Simulated::new().key(KEY);
        tokio::spawn(provider.clone().serve(listener));
        let endpoint = Endpoint::new("p", &url).unwrap().dialect(behind);
        Self {
            provider,
            endpoint: endpoint.key(KEY.into()).unwrap(),
        }
    }

    /// Changes how the provider is reached.
    pub(crate) fn reached(mut self, change: impl FnOnce(Endpoint) -> Endpoint) -> Self {
        self.endpoint = change(self.endpoint);
        self
    }

    /// Asks, with prices for the model that are the same on both sides.
    pub(crate) async fn ask(&self, model: &str, request: Request<Bytes>) -> Answer {
        let nanos = PRICES.map(Dollars::from_nanos);
        let [input, cache_read, cache_write, cache_write_1h, output] = nanos.map(Some);
        let rates = Rates {
            input,
            cache_read,
            cache_write,
            cache_write_1h,
            output,
            reasoning: None,
        };
        let price = Some(Price::new(rates).per_request(Dollars::default()));
        self.ask_at(model, request, price).await
    }

    pub(crate) async fn ask_at(
        &self,
        model: &str,
        request: Request<Bytes>,
        price: Option<Price>,
    ) -> Answer {
        let [input, cached, cache_write, cache_write_1h, output] = PRICES;
        let prices = simulated::Prices {
            input,
            cached,
            cache_write,
            cache_write_1h,
            output,
            reasoning: None,
            embedding: input,
        };
        drop(self.provider.clone().prices(model, prices));
        let info = ModelInfo {
            price,
            ..ModelInfo::default()
        };
        let service = ServiceBuilder::new()
            .layer(RenderLayer::new())
            .layer(PayloadLayer::new())
            .layer(InspectLayer::new())
            .layer(TimeoutLayer::new().idle(Duration::from_secs(5)))
            .service(
                Upstream::new([self.endpoint.clone()]).prices(Prices::new().with("p", model, info)),
            );
        let trail = Trail::new();
        let mut request = request.map(Full::new);
        request.extensions_mut().insert(trail.clone());
        request
            .extensions_mut()
            .insert(Target::model("p", model.to_owned()));
        let response = service.oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        let body = body.collect().await.map(|body| body.to_bytes());
        let body = body.unwrap_or_else(|error| format!("broken: {error}").into());
        Answer {
            status: head.status.as_u16(),
            headers: head.headers,
            body: String::from_utf8(body.to_vec()).unwrap(),
            rejection: head.extensions.get().cloned(),
            trail,
        }
    }

    /// What the provider says of its last request.
    pub(crate) fn billed(&self) -> Entry {
        self.provider.bill().requests.pop().unwrap()
    }
}

impl Answer {
    pub(crate) fn usage(&self) -> Usage {
        self.trail.get().expect("the usage is known")
    }

    pub(crate) fn cost(&self) -> Option<i64> {
        self.trail.get().map(Cost::nanos)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .get(name)
            .map(|value| value.to_str().expect("it is text"))
    }
}

/// Of input, of input read from and written to the cache, for minutes and an hour, and of output.
const PRICES: [u64; 5] = [
    2_500_000_001,
    250_000_003,
    3_125_000_007,
    5_000_000_009,
    10_000_000_011,
];
