use std::time::Duration;

use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use rustls::RootCertStore;

use super::{
    sent::Sent,
    transport::{Transport, Versions, trusting},
};

pub(super) type HttpClient = Client<HttpsConnector<HttpConnector>, Sent>;

/// One client for each transport, since a client's pool must not lend a connection to an endpoint that would not have
/// trusted its server.
#[derive(Default)]
pub(super) struct Clients(Vec<(Transport, HttpClient)>);

impl Clients {
    pub(super) fn client(&mut self, transport: &Transport) -> HttpClient {
        let made = self.0.iter().find(|(made, _)| made.is_same(transport));
        if let Some((_, client)) = made {
            return client.clone();
        }
        let client = client(transport);
        self.0.push((transport.clone(), client.clone()));
        client
    }
}

fn client(transport: &Transport) -> HttpClient {
    let mut http = HttpConnector::new();
    http.set_nodelay(true);
    http.enforce_http(false);
    http.set_connect_timeout(Some(Duration::from_secs(5)));
    let mut tls = match &transport.tls {
        Some(tls) => (**tls).clone(),
        None => trusting(RootCertStore::empty()),
    };
    // What is offered follows from the versions, and the connector panics when it was set before.
    tls.alpn_protocols.clear();
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http();
    let connector = match transport.versions {
        Versions::Http1 => connector.enable_http1().wrap_connector(http),
        Versions::Negotiated => connector.enable_all_versions().wrap_connector(http),
        Versions::PriorKnowledge => connector.enable_http2().wrap_connector(http),
    };
    Client::builder(TokioExecutor::new())
        // Only what a pooled connection gives back untaken is sent again, on another: of it no byte was written, nor has
        // its body been asked for. So what is dispatched is dispatched once.
        .retry_canceled_requests(true)
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(Duration::from_secs(60))
        .pool_max_idle_per_host(1024)
        .timer(TokioTimer::new())
        .http2_only(transport.versions == Versions::PriorKnowledge)
        // Clients who stall must not use up what the connection may hold, which is for all of them.
        .http2_initial_stream_window_size(256 << 10)
        .http2_initial_connection_window_size(32 << 20)
        // All requests stand on one connection: when it is dead, nothing else would say so.
        .http2_keep_alive_interval(Duration::from_secs(20))
        .http2_keep_alive_timeout(Duration::from_secs(10))
        .build(connector)
}
