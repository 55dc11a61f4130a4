use std::{convert::Infallible, io, time::Duration};

use bytes::Bytes;
use http::{Request, Response, StatusCode, request::Parts};
use http_body::Body;
use hyper::body::Incoming;
use tollgate::{
    audit::{AuditLayer, Log},
    auth::{ApiKeys, AuthLayer, PermitLayer},
    balance::{BalanceLayer, Pool, RetryBudget},
    breaker::{BreakerLayer, BreakerPolicy},
    cache::{CacheLayer, CachePolicy},
    core::{
        BatchLayer, BoxError, CloseUnread, GateLayer, PayloadLayer, Rejection, TimeoutLayer,
        fact::{Call, Clearance, Principal, Target},
    },
    llm::{Catalog, CatalogLayer, EmbeddingsBatch, InspectLayer, Model, RenderLayer, Upstream},
    observe::{ObserveLayer, RequestIdLayer},
    quota::{Quota, QuotaLayer},
};
use tower::{Service, ServiceBuilder};
use tower_http::catch_panic::CatchPanicLayer;

use crate::{
    config::{self, Config, ConfigError},
    pools::Pools,
};

/// The whole gateway: one layer a line, outermost first.
pub(crate) fn stack(
    config: &Config,
    upstream: Upstream,
    log: Log,
) -> Result<
    impl Service<
        Request<Incoming>,
        Response = Response<impl Body<Data = Bytes, Error = BoxError> + Send + use<>>,
        Error = Infallible,
        Future: Send,
    > + Clone
    + Send
    + Sync
    + use<>,
    ConfigError,
> {
    let catalog = catalog(config)?;
    Ok(ServiceBuilder::new()
        .layer(CatchPanicLayer::custom(panicked)) // outermost: a panic costs one request
        .layer(GateLayer::new(CloseUnread)) // outside all that refuses: a client is told when its connection ends
        .layer(RequestIdLayer::new())
        .layer(ObserveLayer::new()) // measures everything below, refusals too
        .layer(RenderLayer::new()) // rewords what is refused below into the caller's dialect
        .layer(AuditLayer::new(log)) // records everything below; refuses when it cannot write
        .layer(auth(config)?) // before the body is read: strangers cannot fill memory
        .layer(quota(&config.quota.default)) // rates and concurrency need no body
        .layer(payload(&config.server)) // the body, once
        .map_future(Box::pin) // so that the layers above move a pointer, and not two kilobytes
        .map_response(|answer: Response<_>| answer.map(Box::pin)) // the same for the body
        .layer(InspectLayer::new()) // from here on the call is known
        .layer(CatalogLayer::new(catalog.clone())) // lists models, and refuses those that there are not
        .layer(PermitLayer::new(may_call)) // before the cache: what may not be asked is not answered from it
        .layer(cache(config.cache.as_ref())) // a hit costs nothing
        .layer(balance(config, catalog)) // chooses a target; what is below holds for every attempt
        .layer(PermitLayer::new(may_go)) // this caller's data, to this target
        .layer(breaker(&config.breaker)) // sees only what really was sent
        .layer(batch(config.batch.as_ref())) // embeddings that come together go out as one
        .layer(timeout(&config.timeout)) // inside the breaker: a target that is too slow is failing
        .service(upstream)) // translates, sends, meters
}

/// Opens the audit log, and the folder that it is in.
pub(crate) fn log(audit: &config::Audit) -> io::Result<Log> {
    if let Some(folder) = audit.path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let log = Log::to_file(&audit.path)?;
    Ok(if audit.fail_open {
        log.fail_open()
    } else {
        log
    })
}

fn auth(config: &Config) -> Result<AuthLayer<ApiKeys>, ConfigError> {
    let mut keys = ApiKeys::new();
    for key in &config.keys {
        keys = keys.with_digest(key.digest()?, key.principal());
    }
    // Each SDK sends its key in a header of its own.
    let layer = AuthLayer::new(keys).headers(KEY_HEADERS);
    Ok(if config.auth.anonymous {
        layer.anonymous(Principal::new("anonymous"))
    } else {
        layer
    })
}

fn quota(quota: &config::Quota) -> QuotaLayer {
    let rate = quota.requests_per_minute.map(|limit| {
        let rate = Quota::per_minute(limit.get().into());
        quota
            .burst
            .map_or(rate, |burst| rate.burst(burst.get().into()))
    });
    match (rate, quota.concurrency) {
        (Some(rate), None) => QuotaLayer::new(rate),
        (Some(rate), Some(limit)) => QuotaLayer::new(rate).and_concurrency(limit.get()),
        (None, Some(limit)) => QuotaLayer::concurrency(limit.get()),
        (None, None) => QuotaLayer::unlimited(),
    }
}

fn payload(server: &config::Server) -> PayloadLayer {
    let limit = usize::try_from(server.max_body.as_u64()).unwrap_or(usize::MAX);
    PayloadLayer::new()
        .limit(limit)
        .timeout(server.body_timeout)
}

fn catalog(config: &Config) -> Result<Catalog, ConfigError> {
    let prices = config.prices()?;
    let models = config.models.iter().map(|model| {
        let targets = model.targets.iter();
        let candidates =
            targets.map(|target| target.candidate(&prices, config.dialect(&target.provider)));
        Model::new(&*model.name, candidates)
    });
    Ok(models.collect())
}

fn may_call(parts: &Parts) -> Result<(), Rejection> {
    let extensions = &parts.extensions;
    let allowed = match (extensions.get::<Principal>(), extensions.get::<Call>()) {
        (Some(principal), Some(call)) => principal.may_call(&call.model),
        _ => false,
    };
    allowed.then_some(()).ok_or_else(|| {
        Rejection::new(
            StatusCode::FORBIDDEN,
            "model_not_permitted",
            "this key may not call this model",
        )
        .with_detail("param", "model")
    })
}

/// Whether data as confidential as this caller's may go to the target. Of a target without a class nobody knows.
fn may_go(parts: &Parts) -> Result<(), Rejection> {
    let extensions = &parts.extensions;
    let data = extensions.get::<Principal>().and_then(Principal::clearance);
    let place = extensions
        .get::<Target>()
        .and_then(|target| target.clearance);
    let allowed = data.is_none_or(|data| data <= place.unwrap_or(Clearance::Public));
    allowed.then_some(()).ok_or_else(|| {
        Rejection::new(
            StatusCode::FORBIDDEN,
            "target_not_permitted",
            "this key's data may not go to where this model is served",
        )
        .with_detail("param", "model")
    })
}

fn cache(
    cache: Option<&config::Cache>,
) -> CacheLayer<
    impl Fn(&Parts) -> Option<tollgate::cache::Tenant> + Clone + use<>,
    impl Fn(&Parts) -> bool + Clone + use<>,
> {
    let on = cache.is_some();
    let mut policy = CachePolicy::new();
    if let Some(cache) = cache {
        let entry = usize::try_from(cache.max_entry.as_u64()).unwrap_or(usize::MAX);
        policy = policy
            .ttl(cache.ttl)
            .max_bytes(cache.max_bytes.as_u64())
            .max_entry(entry);
    }
    CacheLayer::new(policy).when(move |_: &Parts| on)
}

fn balance(
    config: &Config,
    catalog: Catalog,
) -> BalanceLayer<impl Fn(&Parts) -> Option<Pool> + Clone + use<>> {
    let pools = Pools::new(config, catalog);
    let options = &config.balance;
    BalanceLayer::by(move |parts: &Parts| pools.of(parts.extensions.get::<Call>()?))
        .attempts(options.attempts)
        .retry_budget(RetryBudget::new(options.retry_ratio, options.retry_reserve))
}

fn breaker(breaker: &config::Breaker) -> BreakerLayer {
    let policy = BreakerPolicy::new()
        .consecutive_failures(breaker.consecutive_failures.get())
        .failure_rate_threshold(breaker.failure_rate)
        .wait_in_open(breaker.wait);
    BreakerLayer::new(policy).on_transition(|target, from, to| {
        tracing::warn!(%target, from = from.as_str(), to = to.as_str(), "a circuit changed");
    })
}

fn batch(batch: Option<&config::Batch>) -> BatchLayer<EmbeddingsBatch> {
    let layer = BatchLayer::new(EmbeddingsBatch::new());
    match batch {
        Some(batch) => layer.window(batch.window).max_items(batch.max_items.get()),
        None => layer.window(Duration::ZERO), // Requests go alone.
    }
}

fn timeout(timeout: &config::Timeout) -> TimeoutLayer {
    TimeoutLayer::new()
        .first_byte(timeout.first_byte)
        .idle(timeout.idle)
        .total(timeout.total)
}

/// Where the SDKs of Anthropic, Gemini and Azure put their keys; OpenAI's is `Authorization`.
const KEY_HEADERS: [http::HeaderName; 3] = [
    http::HeaderName::from_static("x-api-key"),
    http::HeaderName::from_static("x-goog-api-key"),
    http::HeaderName::from_static("api-key"),
];

/// The answer when something panicked. What it said is for the log alone.
fn panicked(_: Box<dyn std::any::Any + Send>) -> Response<http_body_util::Full<Bytes>> {
    let error = br#"{"error":{"message":"something went wrong in the gateway","type":"server_error","param":null,"code":"internal_error"}}"#;
    let mut response = Response::new(http_body_util::Full::from(Bytes::from_static(error)));
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    let json = http::HeaderValue::from_static("application/json");
    response
        .headers_mut()
        .insert(http::header::CONTENT_TYPE, json);
    response
}
