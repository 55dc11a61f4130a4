use std::{collections::BTreeMap, convert::Infallible, io, time::Duration};

use bytes::Bytes;
use http::{Request, Response, StatusCode, request::Parts};
use http_body::Body;
use hyper::body::Incoming;
use tokio::sync::watch;
use tollgate::{
    audit::{AuditLayer, Log},
    auth::{HygieneLayer, PermitLayer, permits},
    balance::{BalanceLayer, Pool, RetryBudget},
    breaker::{BreakerLayer, BreakerPolicy},
    cache::{CacheLayer, CachePolicy},
    core::{
        BatchLayer, BoxError, CloseUnread, DrainLayer, GateLayer, PayloadLayer, TimeoutLayer,
        fact::{Call, Scope, Terms},
    },
    llm::{
        Catalog, CatalogLayer, EmbeddingsBatch, InspectLayer, Model, Prices, RenderLayer, Upstream,
    },
    observe::{ObserveLayer, RequestIdLayer},
    quota::{Away, Bound, Measures, QuotaLayer, Rule, usage::UsageLayer},
};
use tower::{Service, ServiceBuilder};
use tower_http::catch_panic::CatchPanicLayer;

use crate::{
    Error, access,
    config::{self, Config, ConfigError, OnDisconnect, WhenAway},
    pools::Pools,
    stores::Stores,
    usage::OwnUsageLayer,
};

/// The whole gateway: one layer a line, outermost first.
pub(crate) fn stack(
    config: &Config,
    stores: &Stores,
    upstream: Upstream,
    spending: QuotaLayer,
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
    Error,
> {
    let ring = stores.keys.as_ref().map(|desk| desk.ring.clone());
    let catalog = catalog(config)?;
    tokio::spawn(reprice(spending.clone(), upstream.watched_prices()));
    Ok(ServiceBuilder::new()
        .layer(CatchPanicLayer::custom(panicked)) // outermost: a panic costs one request
        .layer(GateLayer::new(CloseUnread)) // outside all that refuses: a client is told when its connection ends
        .layer(RequestIdLayer::new())
        .layer(ObserveLayer::new()) // measures everything below, refusals too
        .layer(RenderLayer::new()) // rewords what is refused below into the caller's dialect
        .layer(AuditLayer::new(log)) // records everything below; refuses when it cannot write
        .layer(UsageLayer::new(stores.usage.clone())) // adds up for people what all below has used
        .layer(hygiene(config)) // what only we or a trusted proxy may say is not believed from others
        .layer(access::auth(config, ring)?) // before the body is read: strangers cannot fill memory
        .layer(PermitLayer::principal()) // routes and networks
        .layer(limits(config, stores)) // rates and concurrency need no body
        .layer(OwnUsageLayer(stores.usage.clone())) // callers see what they have used themselves
        .layer(payload(&config.server)) // the body, once
        .map_future(Box::pin) // so that the layers above move a pointer, and not two kilobytes
        .map_response(|answer: Response<_>| answer.map(Box::pin)) // the same for the body
        .layer(InspectLayer::new()) // from here on the call is known
        .layer(CatalogLayer::new(catalog.clone())) // lists models, and refuses those that there are not
        .layer(PermitLayer::new(permits::model)) // before the cache: what may not be asked is not answered from it
        .layer(limits_of_calls(config, stores)) // rates and concurrency by model and end user
        .layer(cache(config.cache.as_ref())) // a hit costs nothing
        .layer(balance(config, catalog)) // chooses a target; what is below holds for every attempt
        .layer(PermitLayer::new(permits::clearance)) // this caller's data, to this target
        .layer(drain(config.quota.on_disconnect)) // outside quota, which hears how the answer went on
        .layer(limits_of_targets(config, stores))
        .layer(spending) // tokens and money, for each attempt by itself
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

/// Rates and requests in flight that the caller alone decides: they need no body.
fn limits(config: &Config, stores: &Stores) -> QuotaLayer {
    let quota = &config.quota;
    let layer = shared(config, stores)
        .rule(Rule::allotted())
        .defaults(quota.default.clone())
        .rule(Rule::terms(Scope::User, named(&quota.users)))
        .rule(Rule::terms(Scope::Team, named(&quota.teams)))
        .rule(Rule::terms(Scope::Org, named(&quota.orgs)))
        .rule(Rule::terms(Scope::Tag, named(&quota.tags)));
    if config.auth.anonymous {
        layer.anonymous()
    } else {
        layer
    }
}

/// Those that the call decides, too.
fn limits_of_calls(config: &Config, stores: &Stores) -> QuotaLayer {
    let quota = &config.quota;
    shared(config, stores)
        .rule(Rule::terms(Scope::Model, named(&quota.models)))
        .rule(Rule::terms(Scope::EndUser, no_names()).others(quota.end_user.clone()))
}

/// Those of a target.
fn limits_of_targets(config: &Config, stores: &Stores) -> QuotaLayer {
    shared(config, stores).rule(Rule::terms(Scope::Target, named(&config.quota.targets)))
}

/// Tokens and money, held for the worst case before a target is asked.
pub(crate) fn spending(config: &Config, stores: &Stores, upstream: &Upstream) -> QuotaLayer {
    let quota = &config.quota;
    let (worst, prices) = (upstream.worst_case(), upstream.watched_prices());
    let status = StatusCode::from_u16(quota.budget_status).expect("it was validated");
    let layer = limits(config, stores)
        .rule(Rule::terms(Scope::Model, named(&quota.models)))
        .rule(Rule::terms(Scope::EndUser, no_names()).others(quota.end_user.clone()))
        .rule(Rule::terms(Scope::Target, named(&quota.targets)))
        .expect_output(quota.expect_output)
        .ledger(stores.ledger.clone())
        .spent_status(status)
        .only(Measures::SPENDING);
    let layer = match config.prices.file {
        None => layer.worst(move |parts, output| worst.of(parts, output)),
        Some(_) => layer.bound(move |parts, output| {
            let (cost, size) = worst.size(parts, output)?;
            let prices = prices.clone();
            Ok(Bound::new(cost, size.output()).again(move || size.cost(&prices.borrow())))
        }),
    };
    if quota.clamp { layer.clamp(1) } else { layer }
}

/// Tells what holds money of each new table of prices.
async fn reprice(spending: QuotaLayer, mut prices: watch::Receiver<Prices>) {
    while prices.changed().await.is_ok() {
        spending.reprice();
    }
}

/// A layer whose rates are in Redis, where there is one.
fn shared(config: &Config, stores: &Stores) -> QuotaLayer {
    let quota = &config.quota;
    let layer = QuotaLayer::unlimited().only(Measures::ARRIVAL);
    let Some(rates) = &stores.rates else {
        return layer;
    };
    layer.store(rates.clone()).when_away(match quota.when_away {
        WhenAway::Deny => Away::Deny,
        WhenAway::LocalShare => Away::LocalShare(quota.replicas),
        WhenAway::Allow => Away::Allow,
    })
}

fn hygiene(config: &Config) -> HygieneLayer {
    let proxies = config.server.trusted_proxies.iter().copied();
    HygieneLayer::new().trusted_proxies(proxies)
}

fn drain(on_disconnect: OnDisconnect) -> DrainLayer {
    match on_disconnect {
        OnDisconnect::Drain => DrainLayer::new(),
        OnDisconnect::Cancel => DrainLayer::new().at_once(0),
    }
}

fn named(terms: &BTreeMap<String, Terms>) -> impl Iterator<Item = (&str, Terms)> {
    terms.iter().map(|(name, terms)| (&**name, terms.clone()))
}

fn no_names() -> [(&'static str, Terms); 0] {
    []
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
