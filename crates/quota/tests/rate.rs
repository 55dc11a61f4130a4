//! Rates: what is admitted, when, and what a caller is told.

use std::{convert::Infallible, time::Duration};

use bytes::Bytes;
use http::{Request, Response, StatusCode, request::Parts};
use http_body_util::{BodyExt, Full};
use proptest::prelude::*;
use tokio::time::{Instant, advance};
use tollgate_core::{Limits, Rejection, fact::Principal};
use tollgate_quota::{Quota, QuotaLayer};
use tower::{Layer, ServiceExt, service_fn};

#[tokio::test(start_paused = true)]
async fn an_idle_caller_has_a_whole_burst_and_no_more() {
    let layer = QuotaLayer::new(Quota::per_minute(60).burst(5)).by(everybody);

    let admitted = count(&layer, 20).await;

    assert_eq!(admitted, 5);
}

#[tokio::test(start_paused = true)]
async fn what_is_used_comes_back_one_by_one() {
    let layer = QuotaLayer::new(Quota::per_minute(60)).by(everybody);
    assert_eq!(count(&layer, 100).await, 60);

    for _ in 0..10 {
        advance(Duration::from_millis(999)).await;
        assert_eq!(count(&layer, 3).await, 0);
        advance(Duration::from_millis(1)).await;
        assert_eq!(count(&layer, 3).await, 1);
    }
    advance(Duration::from_secs(3600)).await;
    assert_eq!(
        count(&layer, 100).await,
        60,
        "no more than a burst is saved"
    );
}

#[tokio::test(start_paused = true)]
async fn each_window_gives_back_the_limit() {
    for (quota, limit, window) in [
        (Quota::per_second(3), 3, 1),
        (Quota::per_minute(7), 7, 60),
        (Quota::per_hour(11), 11, 3600),
        (Quota::per_day(13), 13, 86_400),
    ] {
        let layer = QuotaLayer::new(quota).by(everybody);
        for _ in 0..5 {
            assert_eq!(count(&layer, 20).await, limit, "{quota:?}");
            advance(Duration::from_secs(window)).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_says_to_the_second_when_a_request_passes() {
    let layer = QuotaLayer::new(Quota::per_minute(4)).by(everybody);
    assert_eq!(count(&layer, 4).await, 4);
    advance(Duration::from_millis(2_500)).await;

    let refused = ask(&layer, request("a")).await;

    // The next comes back 15 s after the first was taken.
    assert_eq!(refused.headers()["retry-after"], "13");
    advance(Duration::from_millis(12_499)).await;
    assert_eq!(count(&layer, 1).await, 0);
    advance(Duration::from_millis(1)).await;
    assert_eq!(count(&layer, 1).await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_names_the_limit_that_is_spent() {
    let layer = QuotaLayer::new(Quota::per_minute(1))
        .name("free")
        .by(everybody);
    ask(&layer, request("a")).await;

    let refused = ask(&layer, request("a")).await;

    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.headers()["retry-after"], "60");
    assert_eq!(refused.headers()["ratelimit-policy"], r#""free";q=1;w=60"#);
    assert_eq!(refused.headers()["ratelimit"], r#""free";r=0;t=60"#);
    let rejection = refused.extensions().get::<Rejection>().unwrap();
    assert_eq!(rejection.code(), "rate_limit_exceeded");
    assert!(rejection.message().contains(r#""free""#));
    let body = refused.into_body().collect().await.unwrap().to_bytes();
    let problem: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(
        problem["type"],
        "https://iana.org/assignments/http-problem-types#quota-exceeded"
    );
    assert_eq!(problem["violated-policies"], serde_json::json!(["free"]));
}

#[tokio::test(start_paused = true)]
async fn an_answer_says_what_is_left_and_when_all_of_it_is_back() {
    let layer = QuotaLayer::new(Quota::per_minute(60)).by(everybody);

    let first = ask(&layer, request("a")).await;
    assert_eq!(
        first.headers()["ratelimit-policy"],
        r#""requests";q=60;w=60"#
    );
    assert_eq!(first.headers()["ratelimit"], r#""requests";r=59;t=1"#);
    let limits = first.extensions().get::<Limits>().unwrap().clone();
    assert_eq!(limits.iter().next().unwrap().remaining, 59);

    ask(&layer, request("a")).await;
    advance(Duration::from_millis(500)).await;
    let third = ask(&layer, request("a")).await;
    assert_eq!(third.headers()["ratelimit"], r#""requests";r=57;t=3"#);
    assert_eq!(
        third
            .extensions()
            .get::<Limits>()
            .unwrap()
            .iter()
            .next()
            .unwrap()
            .reset,
        Some(Duration::from_millis(2_500))
    );
}

#[tokio::test(start_paused = true)]
async fn two_quotas_show_both_their_limits() {
    let inner = QuotaLayer::new(Quota::per_second(5))
        .name("second")
        .by(everybody);
    let outer = QuotaLayer::new(Quota::per_day(100))
        .name("day")
        .by(everybody);
    let service = (outer, inner).layer(service_fn(answer));

    let answer = service.oneshot(request("a")).await.unwrap();

    let fields = answer.headers().get_all("ratelimit").iter();
    let fields: Vec<_> = fields.map(|value| value.to_str().unwrap()).collect();
    assert_eq!(fields, [r#""second";r=4;t=1"#, r#""day";r=99;t=864"#]);
    assert_eq!(
        answer.extensions().get::<Limits>().unwrap().iter().count(),
        2
    );
}

#[tokio::test(start_paused = true)]
async fn callers_have_accounts_of_their_own() {
    let layer = QuotaLayer::new(Quota::per_minute(1));
    for name in ["a", "b"] {
        let request = || signed(name);
        assert_eq!(ask(&layer, request()).await.status(), StatusCode::OK);
        assert_eq!(ask(&layer, request()).await.status(), 429);
    }
}

#[tokio::test(start_paused = true)]
async fn a_principal_is_its_key_whatever_else_it_says() {
    let layer = QuotaLayer::new(Quota::per_minute(1));
    let mut moved = request("a");
    moved
        .extensions_mut()
        .insert(Principal::new("a").with_team("other"));

    assert_eq!(ask(&layer, signed("a")).await.status(), StatusCode::OK);
    assert_eq!(ask(&layer, moved).await.status(), 429);
}

#[tokio::test(start_paused = true)]
async fn clones_share_the_accounts() {
    let layer = QuotaLayer::new(Quota::per_minute(2)).by(everybody);
    let service = layer.layer(service_fn(answer));

    assert_eq!(
        service
            .clone()
            .oneshot(request("a"))
            .await
            .unwrap()
            .status(),
        200
    );
    assert_eq!(ask(&layer.clone(), request("a")).await.status(), 200);
    assert_eq!(service.oneshot(request("a")).await.unwrap().status(), 429);
}

#[tokio::test(start_paused = true)]
async fn idle_callers_are_forgotten() {
    let layer = QuotaLayer::new(Quota::per_minute(10)).by(path);
    for n in 0..100_000 {
        ask(&layer, request(&n.to_string())).await;
    }
    assert_eq!(layer.keys(), 100_000);

    advance(Duration::from_secs(130)).await;
    ask(&layer, request("one more")).await;

    assert_eq!(layer.keys(), 1);
}

#[tokio::test(start_paused = true)]
async fn to_forget_never_forgives() {
    let layer = QuotaLayer::new(Quota::per_hour(2)).max_keys(10).by(path);
    for _ in 0..2 {
        ask(&layer, request("debtor")).await;
    }
    // Strangers come and go for as long as the debtor has something to get back.
    for n in 0..1_790 {
        advance(Duration::from_secs(1)).await;
        ask(&layer, request(&n.to_string())).await;
        assert_eq!(ask(&layer, request("debtor")).await.status(), 429);
        assert!(layer.keys() <= 10);
    }
    advance(Duration::from_secs(10)).await;
    assert_eq!(ask(&layer, request("debtor")).await.status(), 200);
}

#[tokio::test(start_paused = true)]
async fn when_no_account_is_free_a_stranger_waits_and_the_known_pass() {
    let layer = QuotaLayer::new(Quota::per_minute(60).burst(10))
        .max_keys(2)
        .by(path);
    ask(&layer, request("a")).await;
    ask(&layer, request("b")).await;

    let stranger = ask(&layer, request("c")).await;
    assert_eq!(stranger.status(), StatusCode::SERVICE_UNAVAILABLE);
    let rejection = stranger.extensions().get::<Rejection>().unwrap();
    assert_eq!(rejection.code(), "quota_overloaded");
    assert_eq!(stranger.headers()["retry-after"], "1");
    assert_eq!(ask(&layer, request("a")).await.status(), 200);

    advance(Duration::from_secs(3)).await;
    assert_eq!(ask(&layer, request("c")).await.status(), 200);
}

#[tokio::test(start_paused = true)]
async fn many_tasks_at_once_get_no_more_than_one() {
    let layer = QuotaLayer::new(Quota::per_day(50)).by(everybody);
    let admitted = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    let runtime = tokio::runtime::Builder::new_current_thread().build();
                    runtime.unwrap().block_on(count(&layer, 100))
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|it| it.join().unwrap())
            .sum::<usize>()
    });

    assert_eq!(admitted, 50);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// However requests are spread, no window has more than the burst and what comes back in it; and a caller who
    /// waits as long as it is told passes.
    #[test]
    fn no_window_admits_more_than_the_burst_and_its_limit(
        limit in 1_u64..40,
        burst in 1_u64..40,
        gaps in prop::collection::vec(0_u64..4_000, 1..200),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        let admitted = runtime.block_on(async {
            let layer = QuotaLayer::new(Quota::per_minute(limit).burst(burst)).by(everybody);
            let mut admitted = Vec::new();
            for gap in gaps {
                advance(Duration::from_millis(gap)).await;
                let answer = ask(&layer, request("a")).await;
                if answer.status().is_success() {
                    admitted.push(Instant::now());
                    continue;
                }
                let rejection = answer.extensions().get::<Rejection>().unwrap();
                if gap % 7 == 0 {
                    advance(rejection.retry_after().unwrap()).await;
                    assert_eq!(ask(&layer, request("a")).await.status(), 200);
                    admitted.push(Instant::now());
                }
            }
            admitted
        });
        for (index, from) in admitted.iter().enumerate() {
            for (count, to) in admitted[index..].iter().enumerate() {
                let back = (*to - *from).as_secs_f64() * limit as f64 / 60.0;
                prop_assert!((count + 1) as f64 <= burst as f64 + back + 1e-6);
            }
        }
    }
}

async fn count(layer: &QuotaLayer, requests: usize) -> usize {
    let mut admitted = 0;
    for _ in 0..requests {
        admitted += usize::from(ask(layer, request("a")).await.status().is_success());
    }
    admitted
}

async fn ask(
    layer: &QuotaLayer,
    request: Request<()>,
) -> Response<impl http_body::Body<Data = Bytes, Error = Infallible> + use<>> {
    let service = layer.layer(service_fn(answer));
    service.oneshot(request).await.unwrap()
}

async fn answer(_: Request<()>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::default()))
}

fn request(name: &str) -> Request<()> {
    let uri = format!("/{}", name.replace(' ', "-"));
    Request::builder().uri(uri).body(()).unwrap()
}

fn signed(name: &str) -> Request<()> {
    let mut request = request("shared");
    request.extensions_mut().insert(Principal::new(name));
    request
}

fn everybody(_: &Parts) -> u8 {
    0
}

fn path(parts: &Parts) -> String {
    parts.uri.path().to_owned()
}
