//! Two of Tollgate's layers added to an axum API that is there already: who is calling, and how much they may use.
//!
//! `cargo run -p axum-service`, then `curl -i -H 'authorization: Bearer tg-alice' http://127.0.0.1:3000/report`, again
//! and again.

use axum::{Extension, Router, routing::get};
use tokio::net::TcpListener;
use tollgate::{
    auth::{ApiKeys, AuthLayer},
    core::fact::Principal,
    quota::{Quota, QuotaLayer},
};

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:3000").await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, protect(api())).await
}

/// The API as it was, but that a handler may ask who is calling.
fn api() -> Router {
    async fn report(Extension(caller): Extension<Principal>) -> String {
        format!("a costly report for {}\n", caller.key())
    }
    Router::new().route("/report", get(report))
}

/// The same API for those who have a key, five times a minute, and two at once.
fn protect(api: Router) -> Router {
    let keys = ApiKeys::new()
        .with_key("tg-alice", Principal::new("alice"))
        .with_key("tg-bob", Principal::new("bob"));
    let quota = QuotaLayer::new(Quota::per_minute(5)).and_concurrency(2);

    // The first stands outermost: quota counts by the principal that auth has found.
    api.layer((AuthLayer::new(keys), quota))
}

#[cfg(test)]
mod tests {
    use axum::{
        body::Body,
        http::{Request, Response, StatusCode, header::RETRY_AFTER},
    };
    use tower::ServiceExt;

    use super::*;

    #[tokio::test]
    async fn a_stranger_is_not_served() {
        let app = protect(api());

        let response = ask(&app, "tg-mallory").await;

        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    }

    #[tokio::test]
    async fn the_sixth_report_in_a_minute_is_refused_and_another_caller_is_served() {
        let app = protect(api());

        for _ in 0..5 {
            assert_eq!(ask(&app, "tg-alice").await.status(), StatusCode::OK);
        }

        let refused = ask(&app, "tg-alice").await;
        assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
        assert!(refused.headers().contains_key(RETRY_AFTER));
        assert_eq!(ask(&app, "tg-bob").await.status(), StatusCode::OK);
    }

    async fn ask(app: &Router, key: &str) -> Response<Body> {
        let request = Request::get("/report").header("authorization", format!("Bearer {key}"));
        let request = request.body(Body::empty()).expect("the request is sound");
        let Ok(response) = app.clone().oneshot(request).await;
        response
    }
}
