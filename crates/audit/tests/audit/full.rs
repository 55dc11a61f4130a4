use std::{
    convert::Infallible,
    future::ready,
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    thread,
};

use axum::body::Body;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use tollgate_audit::{AuditLayer, Batch, Log, Sink};
use tollgate_core::{Digest, Payload, Rejection, Trail};
use tower::{ServiceExt, service_fn};
use tower_layer::Layer;

use crate::support::{Asked, Disk, Memory, get};

/// Sends a request through the layer to the end of its answer; says its status, and whether the service was called.
async fn ask(log: &Log) -> (StatusCode, bool) {
    let response = begin(log).await;
    let (head, body) = response.into_parts();
    let called = body.collect().await.unwrap().to_bytes() == "answer";
    if !called {
        assert_eq!(
            head.extensions.get::<Rejection>().unwrap().code(),
            "audit_unavailable"
        );
        assert_eq!(head.headers["retry-after"], "1");
    }
    (head.status, called)
}

/// Sends a request, and leaves its answer's body unread.
async fn begin(log: &Log) -> Response<Body> {
    let service = AuditLayer::new(log.clone()).layer(service_fn(|_: Request<Body>| {
        ready(Ok::<_, Infallible>(Response::new(Full::<Bytes>::from(
            "answer",
        ))))
    }));
    service.oneshot(get("/")).await.unwrap().map(Body::new)
}

const PASSED: (StatusCode, bool) = (StatusCode::OK, true);
const REFUSED: (StatusCode, bool) = (StatusCode::SERVICE_UNAVAILABLE, false);

#[tokio::test]
async fn a_request_without_a_place_in_the_log_is_refused_before_anything_is_done() {
    let memory = Memory::default();
    let log = memory.log().capacity(2);
    let (first, second) = (begin(&log).await, begin(&log).await);

    assert_eq!(ask(&log).await, REFUSED);
    assert_eq!((log.pending(), log.refused()), (2, 1));

    drop(first); // the caller leaves
    log.flush().unwrap();
    assert_eq!(ask(&log).await, PASSED);
    drop(second);
    log.close().unwrap();
    assert_eq!(
        (memory.records().len(), log.pending(), log.lost()),
        (3, 0, 0)
    );
}

#[tokio::test]
async fn a_place_is_taken_until_the_record_is_written() {
    let (sink, asked, answer) = Asked::new();
    let log = Log::new(sink).capacity(1);
    assert_eq!(ask(&log).await, PASSED);
    asked.recv().unwrap();

    assert_eq!(ask(&log).await, REFUSED);

    answer.send(Ok(())).unwrap();
    log.flush().unwrap();
    answer.send(Ok(())).unwrap();
    assert_eq!(ask(&log).await, PASSED);
}

#[tokio::test]
async fn who_fails_open_lets_requests_pass_and_counts_them() {
    let memory = Memory::default();
    let log = memory.log().capacity(1).fail_open();
    let first = begin(&log).await;

    assert_eq!(ask(&log).await, PASSED);
    assert_eq!(ask(&log).await, PASSED);

    drop(first);
    log.close().unwrap();
    assert_eq!(
        (memory.records().len(), log.lost(), log.refused()),
        (1, 2, 0)
    );
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_full_disk_refuses_requests() {
    let log = Log::to_file("/dev/full").unwrap();
    assert_eq!(ask(&log).await, PASSED);
    let error = log.flush().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);

    assert_eq!(ask(&log).await, REFUSED);
    assert_eq!(log.close().unwrap_err().kind(), io::ErrorKind::StorageFull);
    assert_eq!(log.lost(), 1);
}

#[tokio::test]
async fn once_there_is_room_again_nothing_is_torn_doubled_or_lost() {
    let disk = Disk::of(50);
    let log = Log::to_writer(disk.clone());
    let in_flight = begin(&log).await;
    assert_eq!(ask(&log).await, PASSED);
    log.flush().unwrap_err();
    assert_eq!(disk.memory.text().len(), 50);
    assert_eq!(ask(&log).await, REFUSED);
    drop(in_flight); // was let in, and will be recorded
    log.flush().unwrap_err();

    *disk.room.lock().unwrap() = usize::MAX;
    log.flush().unwrap();

    assert_eq!(ask(&log).await, PASSED);
    log.close().unwrap();
    let outcomes: Vec<_> = disk.memory.records();
    let outcomes: Vec<_> = outcomes.iter().map(|record| &record["outcome"]).collect();
    assert_eq!(outcomes, ["completed", "cancelled", "completed"]);
    assert_eq!((log.lost(), log.pending()), (0, 0));
}

#[tokio::test]
async fn a_log_that_fails_open_keeps_what_it_can_while_its_sink_fails() {
    let disk = Disk::of(0);
    let log = Log::to_writer(disk.clone()).capacity(3).fail_open();
    for _ in 0..2 {
        assert_eq!(ask(&log).await, PASSED);
        log.flush().unwrap_err();
    }
    for _ in 0..3 {
        assert_eq!(ask(&log).await, PASSED);
    }

    *disk.room.lock().unwrap() = usize::MAX;
    log.close().unwrap();

    assert_eq!((disk.memory.records().len(), log.lost()), (3, 2));
}

#[tokio::test]
async fn a_sink_that_panics_has_failed_and_is_asked_again() {
    struct Nervous(Memory, usize);
    impl Sink for Nervous {
        fn write(&mut self, batch: &Batch<'_>) -> io::Result<()> {
            self.1 += 1;
            assert!(self.1 > 1, "a scripted panic");
            io::Write::write_all(&mut self.0, batch.lines())
        }
    }
    let memory = Memory::default();
    let log = Log::new(Nervous(memory.clone(), 0));
    assert_eq!(ask(&log).await, PASSED);
    log.flush().unwrap_err();
    assert_eq!(ask(&log).await, REFUSED);

    log.flush().unwrap();

    assert_eq!(ask(&log).await, PASSED);
    log.close().unwrap();
    assert_eq!(memory.records().len(), 2);
}

#[tokio::test]
async fn a_closed_log_lets_nobody_in_and_counts_who_ends_too_late() {
    let memory = Memory::default();
    let log = memory.log();
    let late = begin(&log).await;
    log.close().unwrap();

    assert_eq!(ask(&log).await, REFUSED);
    drop(late);

    assert_eq!((log.lost(), log.pending()), (1, 0));
    log.close().unwrap();
}

#[tokio::test]
async fn dropping_the_last_handle_writes_what_is_left() {
    let memory = Memory::default();
    let log = memory.log();
    for _ in 0..100 {
        ask(&log).await;
    }
    let last = begin(&log).await;

    drop(log);
    drop(last); // its observer was the last

    assert_eq!(memory.records().len(), 101);
}

#[test]
fn nothing_is_lost_among_many_threads() {
    let memory = Memory::default();
    let log = memory.log();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .build()
                    .unwrap();
                for _ in 0..500 {
                    assert_eq!(runtime.block_on(ask(&log)), PASSED);
                }
            });
        }
    });

    log.close().unwrap();

    let records = memory.records();
    let ids: std::collections::HashSet<_> = records.iter().map(|r| r["id"].to_string()).collect();
    assert_eq!((records.len(), ids.len(), log.pending()), (2000, 2000, 0));
}

#[tokio::test]
async fn what_gathers_while_the_sink_is_busy_is_one_batch() {
    let (sink, asked, answer) = Asked::new();
    let log = Log::new(sink);
    ask(&log).await;
    assert_eq!(lines(&asked.recv().unwrap()), 1);
    for _ in 0..10 {
        ask(&log).await;
    }

    answer.send(Ok(())).unwrap();

    assert_eq!(lines(&asked.recv().unwrap()), 10);
    answer.send(Ok(())).unwrap();
}

#[tokio::test]
async fn no_record_that_waits_keeps_a_body_in_memory() {
    struct Tracked(Vec<u8>, Arc<AtomicUsize>);
    impl AsRef<[u8]> for Tracked {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }
    impl Drop for Tracked {
        fn drop(&mut self) {
            self.1.fetch_sub(1, SeqCst);
        }
    }
    let alive = Arc::new(AtomicUsize::new(0));
    let (sink, asked, answer) = Asked::new();
    let log = Log::new(sink);
    ask(&log).await;
    asked.recv().unwrap(); // The writer waits in the sink, and takes nothing from the queue.
    for n in 0..40 {
        alive.fetch_add(1, SeqCst);
        let body = Bytes::from_owner(Tracked(vec![n; 1 << 16], alive.clone()));
        let service = service_fn(move |mut request: Request<Body>| {
            let trail = Trail::in_extensions(request.extensions_mut());
            trail.set(Payload::new(body.clone()));
            ready(Ok::<_, Infallible>(Response::new(Body::empty())))
        });
        let service = AuditLayer::new(log.clone()).layer(service);
        service.oneshot(get("/")).await.unwrap();
    }

    assert_eq!(alive.load(SeqCst), 0);

    answer.send(Ok(())).unwrap();
    let written = String::from_utf8(asked.recv().unwrap()).unwrap();
    assert_eq!(written.lines().count(), 40);
    for (n, line) in (0..40).zip(written.lines()) {
        let digest = Digest::of(&vec![n; 1 << 16]).to_string();
        assert!(line.contains(&digest), "{n}");
    }
    answer.send(Ok(())).unwrap();
}

fn lines(batch: &[u8]) -> usize {
    batch.iter().filter(|byte| **byte == b'\n').count()
}
