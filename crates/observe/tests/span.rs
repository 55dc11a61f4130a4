//! What a request's span holds.

use std::{
    collections::BTreeMap,
    fmt::Debug,
    sync::{Arc, Mutex},
};

use http::{Request, Response};
use http_body_util::BodyExt;
use tollgate_core::{
    OnEnd, OnEndBody, Outcome, Trail, Wire,
    fact::{Call, Failure, Operation, Phase, Target, Usage},
    testing::{Script, Step},
};
use tollgate_observe::{ObserveLayer, RequestIdLayer};
use tower::{Layer, ServiceBuilder, ServiceExt, service_fn};
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
    span,
};
use tracing_subscriber::{
    layer::{Context, SubscriberExt},
    registry::LookupSpan,
};

#[derive(Clone, Debug, Default)]
struct Capture(Arc<Mutex<Captured>>);

#[derive(Debug, Default)]
struct Captured {
    fields: BTreeMap<String, String>,
    spans: usize,
    /// The messages, and whether they stood in a span.
    events: Vec<(String, bool)>,
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> tracing_subscriber::Layer<S> for Capture {
    fn on_new_span(&self, attributes: &span::Attributes<'_>, _: &span::Id, _: Context<'_, S>) {
        let mut captured = self.0.lock().unwrap();
        captured.spans += 1;
        attributes.record(&mut Fields(&mut captured.fields));
    }

    fn on_record(&self, _: &span::Id, values: &span::Record<'_>, _: Context<'_, S>) {
        values.record(&mut Fields(&mut self.0.lock().unwrap().fields));
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = BTreeMap::new();
        event.record(&mut Fields(&mut fields));
        let inside = context.event_span(event).is_some();
        let message = fields.remove("message").unwrap_or_default();
        self.0.lock().unwrap().events.push((message, inside));
    }
}

struct Fields<'a>(&'a mut BTreeMap<String, String>);

impl Visit for Fields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().into(), value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name().into(), format!("{value:?}"));
    }
}

fn captured(run: impl AsyncFnOnce()) -> Captured {
    let capture = Capture::default();
    let subscriber = tracing_subscriber::registry().with(capture.clone());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    tracing::subscriber::with_default(subscriber, || runtime.block_on(run()));
    std::mem::take(&mut capture.0.lock().unwrap())
}

fn request() -> Request<Script> {
    Request::post("/v1/chat?key=canary-query")
        .header("authorization", "Bearer canary-key")
        .header("x-request-id", "id-1")
        .body(Script::empty())
        .unwrap()
}

#[test]
fn a_span_says_what_was_asked_and_how_it_ended() {
    let seen = captured(async || {
        let service = ObserveLayer::new().layer(service_fn(async |request: Request<Script>| {
            let trail: &Trail = request.extensions().get().unwrap();
            trail.set(Call::new(Operation::Chat, "fast"));
            let child = trail.child();
            child.set(Target::model("openai", "gpt-4o"));
            child.set(Usage {
                input: 1,
                cache_read: 2,
                output: 3,
                ..Usage::default()
            });
            child.set(Failure {
                code: "stream_error".into(),
                phase: Phase::Body,
            });
            Ok::<_, std::convert::Infallible>(Response::new(Script::empty()))
        }));
        service.oneshot(request()).await.unwrap();
    });

    let expected = [
        ("error.type", "stream_error"),
        ("gen_ai.operation.name", "chat"),
        ("gen_ai.provider.name", "openai"),
        ("gen_ai.request.model", "fast"),
        ("gen_ai.usage.input_tokens", "3"),
        ("gen_ai.usage.output_tokens", "3"),
        ("http.request.method", "POST"),
        ("http.response.status_code", "200"),
        ("otel.kind", "server"),
        ("otel.name", "chat fast"),
        ("outcome", "failed"),
        ("request_id", "id-1"),
        ("url.path", "/v1/chat"),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(seen.fields, BTreeMap::from(expected));
    assert_eq!(seen.spans, 1);
    assert!(!format!("{seen:?}").contains("canary"));
}

#[test]
fn what_is_said_inside_stands_in_the_span_to_the_end() {
    for read in [true, false] {
        let seen = captured(async || {
            let service = ObserveLayer::new().layer(service_fn(|_: Request<Script>| {
                tracing::info!("called");
                async {
                    tracing::info!("answering");
                    let on_end =
                        OnEnd::new(|outcome: Outcome| tracing::info!("{}", outcome.as_str()));
                    let response = Response::new(Script::new([Step::Data(b"a"), Step::Wait]));
                    let response = OnEndBody::response(response, on_end, Wire::default());
                    Ok::<_, std::convert::Infallible>(response)
                }
            }));
            let response = service.oneshot(request()).await.unwrap();
            tracing::info!("outside");
            if read {
                response.into_body().collect().await.unwrap();
            }
        });

        let end = if read { "completed" } else { "cancelled" };
        let expected = [
            ("called", true),
            ("answering", true),
            ("outside", false),
            (end, true),
        ];
        let expected = expected.map(|(message, inside)| (message.to_owned(), inside));
        assert_eq!(seen.events, expected);
        assert_eq!(seen.fields["outcome"], end);
    }
}

#[test]
fn a_request_that_is_dropped_before_its_head_is_told_of_in_the_span() {
    let seen = captured(async || {
        let service = ObserveLayer::new().layer(service_fn(|_: Request<Script>| async {
            let _on_drop = OnEnd::new(|_: Outcome| tracing::info!("dropped"));
            std::future::pending::<Result<Response<Script>, std::convert::Infallible>>().await
        }));
        let mut future = Box::pin(service.oneshot(request()));
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(future.as_mut().poll(&mut cx).is_pending());
    });

    assert_eq!(seen.events, [("dropped".to_owned(), true)]);
    assert_eq!(seen.fields["outcome"], "cancelled");
}

#[test]
fn an_id_that_was_given_stands_in_the_span_and_a_long_model_is_cut() {
    let mut id = String::new();
    let seen = captured(async || {
        let service = ServiceBuilder::new()
            .layer(RequestIdLayer::new())
            .layer(ObserveLayer::new())
            .service(service_fn(async |request: Request<Script>| {
                let trail: &Trail = request.extensions().get().unwrap();
                trail.set(Call::new(Operation::Chat, "ü".repeat(100_000)));
                Ok::<_, std::convert::Infallible>(Response::new(Script::empty()))
            }));
        let response = service
            .oneshot(Request::new(Script::empty()))
            .await
            .unwrap();
        id = response.headers()["x-request-id"]
            .to_str()
            .unwrap()
            .to_owned();
    });

    assert_eq!(seen.fields["request_id"], id);
    assert_eq!(seen.fields["gen_ai.request.model"].len(), 256);
}
