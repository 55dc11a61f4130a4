use std::{convert::Infallible, fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Limited};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use serde_json::Value;
use tokio::{net::TcpListener, time::sleep};

use super::{
    Bill, Fault, Prices, Received, Stats, Step,
    answer::Work,
    body::{Answering, Pace},
    control,
    fault::Faults,
    meter::{Entry, Meter, Tokens},
    received::Log,
    refusal::Refusal,
    respond,
    route::{Call, Route},
    step::Script,
};

/// The simulated provider. Clones are the same provider: they share its script, its meter and its log.
///
/// ```no_run
/// # async fn run() -> std::io::Result<()> {
/// use tollgate_llm::simulated::{Fault, Simulated, Step};
///
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
/// let provider = Simulated::new().key("sk-sim");
/// provider.script([Step::status(429).retry_after(1), Step::fault(Fault::Cut)]);
/// tokio::spawn(provider.clone().serve(listener));
/// // … three requests later:
/// println!("{:?}", provider.bill().total);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct Simulated {
    key: Option<Arc<str>>,
    pace: Duration,
    pub(super) meter: Meter,
    pub(super) script: Script,
    pub(super) log: Log,
}

impl Simulated {
    /// A provider that takes any key and answers as fast as it can.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks for this key, and answers 401 to any other (Gemini: 400).
    #[must_use]
    pub fn key(mut self, key: impl Into<Arc<str>>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// Waits so long before each word of a stream.
    #[must_use]
    pub fn pace(mut self, pace: Duration) -> Self {
        self.pace = pace;
        self
    }

    /// Sets what a model's tokens cost; without prices they cost nothing.
    #[must_use]
    pub fn prices(self, model: &str, prices: Prices) -> Self {
        self.meter.set_prices(model, prices);
        self
    }

    /// Says how the next requests are answered, after those that are scripted already.
    pub fn script(&self, steps: impl IntoIterator<Item = Step>) {
        self.script.add(steps);
    }

    /// What was billed.
    #[must_use]
    pub fn bill(&self) -> Bill {
        self.meter.bill()
    }

    /// The last requests that came in, oldest first.
    #[must_use]
    pub fn requests(&self) -> Vec<Received> {
        self.log.read()
    }

    /// Forgets the script, the bill, the requests, and what was kept of prompts; prices stay.
    pub fn reset(&self) {
        self.script.clear();
        self.meter.reset();
        self.log.clear();
    }

    /// What has been served.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats(self.meter.clone())
    }

    /// Serves until it is dropped.
    ///
    /// # Errors
    /// Never, at present: a connection that cannot be accepted is passed over.
    pub async fn serve(self, listener: TcpListener) -> std::io::Result<()> {
        loop {
            let Ok((socket, _)) = listener.accept().await else {
                // Mostly too many open files: it passes.
                sleep(Duration::from_millis(50)).await;
                continue;
            };
            let _ = socket.set_nodelay(true);
            let provider = self.clone();
            tokio::spawn(async move {
                let service = service_fn(|request| {
                    let provider = provider.clone();
                    async move { Ok::<_, Infallible>(provider.answer(request).await) }
                });
                let mut server = auto::Builder::new(TokioExecutor::new());
                server.http1().timer(TokioTimer::new());
                // A client that hangs up is no error here.
                let _ = server.serve_connection(TokioIo::new(socket), service).await;
            });
        }
    }

    async fn answer(self, request: Request<Incoming>) -> Response<Answering> {
        let (parts, body) = request.into_parts();
        let body = Limited::new(body, MOST)
            .collect()
            .await
            .map(|body| body.to_bytes());
        if let Some(call) = control::Call::of(&parts.method, parts.uri.path()) {
            return control::answer(&self, call, &parts.uri, &body.unwrap_or_default());
        }
        let number = self.meter.number();
        let route = Route::of(&parts.method, &parts.uri, &parts.headers);
        self.log
            .add(number, &parts, body.as_ref().unwrap_or(&Bytes::new()));
        let head = |mut response: Response<Answering>| {
            respond::head(response.headers_mut(), route.wire, number);
            response
        };
        let refuse = |refusal: &Refusal| head(respond::refusal(refusal, route.wire, number));
        if let Err(refusal) = route
            .wire
            .check(&parts.uri, &parts.headers, self.key.as_deref())
        {
            return refuse(&refusal);
        }
        if matches!(route.call, Call::Models | Call::Model) {
            let models = respond::models(route.wire, route.model.as_deref());
            return models.map_or_else(
                |refusal| refuse(&refusal),
                |models| head(respond::json(&models)),
            );
        }
        let body = body.map_err(|_| Refusal::new(413, "Request exceeds the maximum size"));
        let body = body.and_then(|body| {
            let message = "We could not parse the JSON body of your request.";
            serde_json::from_slice::<Value>(&body).map_err(|_| Refusal::bad(message))
        });
        let named = body.as_ref().ok().and_then(|body| body["model"].as_str());
        let model = route
            .model
            .clone()
            .or(named.map(str::to_owned))
            .unwrap_or_default();
        let stream = route.streams() || body.as_ref().is_ok_and(|body| body["stream"] == true);
        let mut ticket = self.meter.open(Entry {
            number,
            id: format!("req_{number:016x}"),
            path: parts.uri.path().to_owned(),
            model: model.clone(),
            stream,
            status: 0,
            open: true,
            complete: false,
            tokens: Tokens::default(),
            nano_dollars: 0,
        });
        let (step, faults) = self.script.next(&model).with_name(&model);
        if step.wait_ms > 0 {
            sleep(Duration::from_millis(step.wait_ms)).await;
        }
        if faults.has(Fault::Silent) {
            // The client hangs up sooner or later, and then this is dropped.
            std::future::pending::<()>().await;
        }
        let work = Work {
            number,
            route: &route,
            headers: &parts.headers,
            model: &model,
            step: &step,
            faults,
            pace: self.paced(faults),
            meter: &self.meter,
        };
        let response = match body.and_then(|body| work.answer(&body)) {
            Ok(answered) => {
                ticket.status(200);
                answered.response(&work, ticket)
            }
            Err(refusal) => {
                ticket.status(refusal.status);
                ticket.whole();
                respond::refusal(&refusal, route.wire, number)
            }
        };
        let mut response = head(response);
        for (name, value) in &step.headers {
            if let (Ok(name), Ok(value)) =
                (HeaderName::try_from(name), HeaderValue::try_from(value))
            {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }

    fn paced(&self, faults: Faults) -> Pace {
        let first = self.pace * if faults.has(Fault::Slow) { 10 } else { 1 };
        Pace {
            first,
            every: self.pace,
        }
    }
}

impl fmt::Debug for Simulated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulated")
            .field("pace", &self.pace)
            .finish_non_exhaustive()
    }
}

const MOST: usize = 64 << 20;
