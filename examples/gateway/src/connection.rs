use std::{
    convert::Infallible,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::{
    body::Incoming,
    service::{Service, service_fn},
};
use hyper_util::{
    rt::TokioExecutor,
    server::{conn::auto, graceful::Watcher},
    service::TowerToHyperService,
};
use tokio::time::timeout;
use tollgate::core::{BoxError, fact::Peer};

/// What it takes to serve a connection.
pub(crate) struct Connection<S> {
    pub(crate) http: auto::Builder<TokioExecutor>,
    pub(crate) service: S,
    /// How long a client may take to its first request.
    pub(crate) deadline: Duration,
    pub(crate) watcher: Watcher,
}

impl<S, B> Connection<S>
where
    S: tower::Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    pub(crate) async fn serve<I>(self, io: I, peer: Peer)
    where
        I: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
    {
        let greeted = Arc::new(AtomicBool::new(false));
        let stack = TowerToHyperService::new(self.service);
        let seen = Arc::clone(&greeted);
        let service = service_fn(move |mut request: Request<Incoming>| {
            seen.store(true, Relaxed);
            request.extensions_mut().insert(peer.clone());
            stack.call(request)
        });
        let connection = self.http.serve_connection(io, service).into_owned();
        let mut connection = pin!(self.watcher.watch(connection));
        // Hyper's own bound on heads is one of HTTP/1, for each head from when it is awaited; nothing else bounds a client of
        // HTTP/2 that is silent, or one that does not say what it speaks. A client that hangs up is no error here; its
        // requests are in the audit log.
        if timeout(self.deadline, &mut connection).await.is_err() && greeted.load(Relaxed) {
            drop(connection.await);
        }
    }
}
