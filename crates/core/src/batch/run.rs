use std::{borrow::Cow, future::poll_fn, panic::AssertUnwindSafe, pin::pin, sync::Arc};

use bytes::Bytes;
use futures_util::FutureExt;
use http::{Request, Response, StatusCode, response};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use tokio::{sync::Semaphore, time::timeout};
use tower_service::Service;

use super::{
    Batch,
    bill::Bill,
    outcome::{Fault, Outcome, rejection},
    table::{Batches, Running, Table},
};
use crate::{
    Gather, Payload, Rejection, Trail,
    fact::{Failure, Phase},
};

/// The call that a batch will be, for all of its members to move on.
pub(super) fn run<S, P, B>(
    batches: Arc<Batches<P, S::Error>>,
    table: Arc<Table<P>>,
    key: P::Key,
    service: S,
) -> Running<S::Error>
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>> + Send + 'static,
    S::Future: Send,
    S::Error: Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    P: Batch<Key: Send, Member: Send> + Send + Sync + 'static,
{
    let running = async move {
        let _ = timeout(batches.options.window, table.full.notified()).await;
        together(&batches, &table, key, service).await
    };
    // A panic is given to one of the members; the others must hear of it, too.
    let shielded = AssertUnwindSafe(running).catch_unwind();
    let outcome = shielded.map(|outcome| {
        Arc::new(outcome.unwrap_or_else(|panic| Outcome::broken(Fault::Panic(panic))))
    });
    outcome.boxed().shared()
}

async fn together<S, P, B>(
    batches: &Batches<P, S::Error>,
    table: &Arc<Table<P>>,
    key: P::Key,
    service: S,
) -> Outcome<S::Error>
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>>,
    B: Body<Data = Bytes>,
    P: Batch,
{
    let (policy, options) = (&batches.policy, &batches.options);
    let (head, seats) = batches.close(&key, table);
    let seat_count = seats.len();
    let (mut places, mut members, mut trails) = (Vec::new(), Vec::new(), Vec::new());
    for (place, guest) in seats.into_iter().enumerate() {
        let Some(guest) = guest else {
            continue; // It has left.
        };
        places.push(place);
        members.push(guest.member);
        trails.push(guest.trail);
    }
    if members.len() < 2 {
        return Outcome::Alone;
    }
    let weights = members.iter().map(|member| policy.weight(member));
    // Made before the call and dropped after it, so that what is written on a drop is shared out as well.
    let bill = Bill::new(trails, weights.collect());
    let (mut parts, body) = policy.join(head, &members);
    parts.extensions.insert(bill.trail().clone());
    let mut request = Request::from_parts(parts, Full::default());
    Payload::replace(&mut request, body);

    let (head, body) = match answer(service, request, options.max_answer).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(rejection)) => {
            fail(bill.trail(), &rejection);
            return Outcome::Rejected(rejection);
        }
        Err(error) => return Outcome::broken(Fault::Error(error)),
    };
    if may_be_about_one(head.status) {
        bill.apart();
        return Outcome::Apart(Semaphore::new(options.concurrency));
    }
    if !head.status.is_success() {
        return Outcome::Same(head, body);
    }
    let split = policy.split(&head, &body, &members);
    let Some(split) = split.filter(|bodies| bodies.len() == members.len()) else {
        let invalid = rejection(
            "batch_answer_invalid",
            "the target's answer does not fit the requests",
        );
        fail(bill.trail(), &invalid);
        return Outcome::Rejected(invalid);
    };
    let mut bodies = vec![Bytes::new(); seat_count];
    for (place, body) in places.into_iter().zip(split) {
        bodies[place] = body;
    }
    Outcome::Split(head, bodies)
}

/// Calls a service once it is ready.
pub(super) async fn send<S, B>(
    mut service: S,
    request: Request<Full<Bytes>>,
) -> Result<Response<B>, S::Error>
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>>,
{
    poll_fn(|cx| service.poll_ready(cx)).await?;
    service.call(request).await
}

type Whole = Result<(response::Parts, Bytes), Rejection>;

/// The answer to a batch, read to its end; trailers are left out.
async fn answer<S, B>(
    service: S,
    request: Request<Full<Bytes>>,
    limit: usize,
) -> Result<Whole, S::Error>
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>>,
    B: Body<Data = Bytes>,
{
    let (head, body) = send(service, request).await?.into_parts();
    let mut body = pin!(body);
    let mut gathered = Gather::expecting(body.size_hint().lower());
    while !body.is_end_stream() {
        let Some(frame) = body.frame().await else {
            break;
        };
        let Ok(frame) = frame else {
            let cut = rejection("batch_answer_cut", "the target's answer ended early");
            return Ok(Err(cut));
        };
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if data.len() > limit - gathered.len() {
            let large = rejection(
                "batch_answer_too_large",
                "the target's answer is larger than is read",
            );
            return Ok(Err(large));
        }
        gathered.push(data);
    }
    Ok(Ok((head, gathered.finish())))
}

/// Whether a refusal may be about one member's input, and not about who asks, or when.
const fn may_be_about_one(status: StatusCode) -> bool {
    matches!(status.as_u16(), 400..=499) && !matches!(status.as_u16(), 401 | 403 | 408 | 429)
}

/// Who is further in knows better, if it has said something.
fn fail(trail: &Trail, rejection: &Rejection) {
    if trail.get::<Failure>().is_none() {
        trail.set(Failure {
            code: Cow::Owned(rejection.code().to_owned()),
            phase: Phase::Body,
        });
    }
}
