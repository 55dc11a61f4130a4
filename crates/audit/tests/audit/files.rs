use std::{convert::Infallible, fs, future::ready, path::Path};

use axum::{Router, body::Body, routing::get};
use http::{Request, Response, StatusCode};
use tollgate_audit::{AuditLayer, Log};
use tower::{ServiceExt, service_fn};
use tower_layer::Layer;

use crate::support::{Memory, get as request};

async fn write_one(path: &Path) {
    let log = Log::to_file(path).unwrap();
    let service = AuditLayer::new(log.clone()).layer(service_fn(|_: Request<Body>| {
        ready(Ok::<_, Infallible>(Response::new(Body::empty())))
    }));
    service.oneshot(request("/")).await.unwrap();
    log.close().unwrap();
}

#[tokio::test]
async fn a_file_is_added_to_and_only_its_owner_may_read_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.jsonl");

    write_one(&path).await;
    write_one(&path).await;

    assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 2);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }
    assert!(Log::to_file(dir.path().join("nowhere/audit.jsonl")).is_err());
}

#[tokio::test]
async fn a_line_that_a_crash_tore_off_does_not_spoil_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.jsonl");
    fs::write(&path, "{\"time\":\"2026-").unwrap();

    write_one(&path).await;

    let text = fs::read_to_string(&path).unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 2);
    assert!(serde_json::from_str::<serde_json::Value>(lines[1]).is_ok());
}

#[tokio::test]
async fn it_fits_a_router_as_it_is_and_clones_share_the_log() {
    let memory = Memory::default();
    let log = memory.log();
    let layer = AuditLayer::new(log.clone());
    let app: Router = Router::new()
        .route("/a", get(async || "a"))
        .route_layer(layer.clone())
        .route("/b", get(async || StatusCode::NO_CONTENT).layer(layer));

    for path in ["/a", "/b"] {
        app.clone().oneshot(request(path)).await.unwrap();
    }
    log.close().unwrap();

    let paths: Vec<_> = memory
        .records()
        .into_iter()
        .map(|record| record["path"].clone())
        .collect();
    assert_eq!(paths, ["/a", "/b"]);
}
