//! The same layers in a plain hyper proxy: a quota on the server's side, and around the client a balancer, a breaker for
//! each target, and a timeout.
//!
//! `cargo run -p hyper-proxy -- 127.0.0.1:9001 127.0.0.1:9002`, then `curl -i http://127.0.0.1:8000/`. It shows the
//! layers and not all of a proxy's duties: a real one strips all hop-by-hop headers, and drains when it ends.

use std::{convert::Infallible, env, io, time::Duration};

use http_body_util::Full;
use hyper::{
    Request, Response, StatusCode, Uri,
    body::{Bytes, Incoming},
    header,
    server::conn::http1,
};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
    service::TowerToHyperService,
};
use tokio::net::TcpListener;
use tollgate::{
    balance::BalanceLayer,
    breaker::BreakerLayer,
    core::{PayloadLayer, Rejection, Reply, TimeoutLayer, Wire, fact::Target},
    quota::{Quota, QuotaLayer},
};
use tower::ServiceBuilder;

#[tokio::main]
async fn main() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:8000").await?;
    println!("listening on http://{}", listener.local_addr()?);
    serve(listener, env::args().skip(1).collect()).await
}

async fn serve(listener: TcpListener, targets: Vec<String>) -> io::Result<()> {
    let client = Client::builder(TokioExecutor::new()).build_http();
    let proxy = ServiceBuilder::new()
        .layer(QuotaLayer::new(Quota::per_second(100)).anonymous())
        .layer(PayloadLayer::new()) // a body that is sent to a second target must be whole
        .layer(BalanceLayer::new(targets.into_iter().map(Target::new)))
        .layer(BreakerLayer::default())
        .layer(TimeoutLayer::new().first_byte(Duration::from_secs(5)))
        .service_fn(move |request| forward(client.clone(), request));

    loop {
        let (socket, _) = listener.accept().await?;
        let service = TowerToHyperService::new(proxy.clone());
        let connection = http1::Builder::new().serve_connection(TokioIo::new(socket), service);
        tokio::spawn(async {
            if let Err(error) = connection.await {
                eprintln!("a connection broke off: {error}");
            }
        });
    }
}

/// Sends a request to the target that the balancer has chosen.
async fn forward(
    client: Client<HttpConnector, Full<Bytes>>,
    request: Request<Full<Bytes>>,
) -> Result<Response<Reply<Incoming>>, Infallible> {
    let (mut parts, body) = request.into_parts();
    let wire = Wire::of(&parts);
    let unreachable = |message| {
        let status = StatusCode::BAD_GATEWAY;
        Rejection::new(status, "target_unreachable", message)
            .about_target()
            .into_response(wire)
    };

    let target = parts
        .extensions
        .get::<Target>()
        .expect("the balancer has chosen one");
    let mut uri = parts.uri.into_parts();
    uri.scheme = Some(hyper::http::uri::Scheme::HTTP);
    uri.authority = target.name.parse().ok();
    let Ok(uri) = Uri::from_parts(uri) else {
        return Ok(unreachable("the target is not a host and a port"));
    };
    parts.uri = uri;
    parts.headers.remove(header::HOST); // the client writes the target's
    parts.headers.remove(header::CONNECTION);

    Ok(
        match client.request(Request::from_parts(parts, body)).await {
            Ok(response) => response.map(Reply::inner),
            Err(_) => unreachable("the target does not answer"),
        },
    )
}

#[cfg(test)]
mod tests;
