use std::net::SocketAddr;

use http::{
    Request, Uri,
    header::{CONNECTION, HOST, TRANSFER_ENCODING},
};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};

use crate::{Error, program::serve};

/// The plainest proxy that hyper allows: another address, no hop-by-hop headers, both bodies as they come.
pub(crate) async fn run(upstream: SocketAddr) -> Result<(), Error> {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client = Client::builder(TokioExecutor::new()).build(connector);
    serve(service_fn(move |mut request: Request<Incoming>| {
        let client = client.clone();
        async move {
            let path = request.uri().path_and_query().map_or("/", |it| it.as_str());
            *request.uri_mut() = Uri::builder()
                .scheme("http")
                .authority(upstream.to_string())
                .path_and_query(path)
                .build()?;
            request.headers_mut().remove(HOST);
            request.headers_mut().remove(CONNECTION);
            let mut response = client.request(request).await?;
            response.headers_mut().remove(CONNECTION);
            response.headers_mut().remove(TRANSFER_ENCODING);
            Ok::<_, Error>(response)
        }
    }))
    .await
}
