//! The same layers before a gRPC service: a refusal reaches the client as a typed status.
//!
//! `cargo run -p tonic-service`, then
//! `grpcurl -plaintext -H 'authorization: Bearer tg-alice' 127.0.0.1:50051 grpc.health.v1.Health/Check`.

use std::{error::Error, future::Future};

use tokio::net::TcpListener;
use tollgate::{
    auth::{ApiKeys, AuthLayer},
    core::fact::Principal,
    quota::{Quota, QuotaLayer},
};
use tonic::transport::{Server, server::TcpIncoming};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:50051").await?;
    println!("listening on {}", listener.local_addr()?);
    serve(listener).await?;
    Ok(())
}

/// Serves health checks to those who have a key, three a minute.
fn serve(listener: TcpListener) -> impl Future<Output = Result<(), tonic::transport::Error>> {
    let (_, health) = tonic_health::server::health_reporter();
    let keys = ApiKeys::new().with_key("tg-alice", Principal::new("alice"));

    Server::builder()
        .layer(AuthLayer::new(keys))
        .layer(QuotaLayer::new(Quota::per_minute(3))) // inside auth, which says whose account it is
        .add_service(health)
        .serve_with_incoming(TcpIncoming::from(listener))
}

#[cfg(test)]
mod tests {
    use tonic::{
        Code, Request, Status,
        transport::{Channel, Endpoint},
    };
    use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

    use super::*;

    #[tokio::test]
    async fn a_stranger_gets_unauthenticated() {
        let mut client = client().await;

        let status = check(&mut client, "tg-mallory").await.unwrap_err();

        assert_eq!(status.code(), Code::Unauthenticated);
    }

    #[tokio::test]
    async fn the_fourth_call_in_a_minute_gets_resource_exhausted() {
        let mut client = client().await;

        for _ in 0..3 {
            check(&mut client, "tg-alice")
                .await
                .expect("there is quota left");
        }

        let status = check(&mut client, "tg-alice").await.unwrap_err();
        assert_eq!(status.code(), Code::ResourceExhausted);
        assert!(status.metadata().contains_key("retry-after"));
    }

    async fn client() -> HealthClient<Channel> {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        tokio::spawn(serve(listener));
        let endpoint = Endpoint::try_from(format!("http://{address}")).expect("it is a URI");
        HealthClient::new(endpoint.connect().await.expect("the server listens"))
    }

    async fn check(client: &mut HealthClient<Channel>, key: &str) -> Result<(), Status> {
        let mut request = Request::new(HealthCheckRequest::default());
        let bearer = format!("Bearer {key}").parse().expect("it is ASCII");
        request.metadata_mut().insert("authorization", bearer);
        client.check(request).await.map(drop)
    }
}
