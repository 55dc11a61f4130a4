use hyper::service::service_fn;

use super::*;

#[tokio::test]
async fn a_target_that_is_down_is_passed_over() {
    let proxy = proxy([down().await, up().await]).await;

    for _ in 0..10 {
        assert_eq!(ask(&proxy).await, StatusCode::OK);
    }
}

#[tokio::test]
async fn when_all_targets_are_down_the_breakers_open() {
    let proxy = proxy([down().await, down().await]).await;

    let mut statuses = Vec::new();
    for _ in 0..12 {
        statuses.push(ask(&proxy).await);
    }

    assert_eq!(statuses.first(), Some(&StatusCode::BAD_GATEWAY));
    assert_eq!(statuses.last(), Some(&StatusCode::SERVICE_UNAVAILABLE));
}

async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port is free");
    let address = listener.local_addr().expect("it is bound").to_string();
    (listener, address)
}

async fn proxy(targets: [String; 2]) -> String {
    let (listener, address) = listen().await;
    tokio::spawn(serve(listener, targets.into()));
    address
}

async fn down() -> String {
    listen().await.1
}

async fn up() -> String {
    let (listener, address) = listen().await;
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let hello = service_fn(async |_| {
                Ok::<_, Infallible>(Response::new(Full::<Bytes>::from("hello")))
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(socket), hello));
        }
    });
    address
}

async fn ask(proxy: &str) -> StatusCode {
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let uri = format!("http://{proxy}/").parse().expect("it is a URI");
    client.get(uri).await.expect("the proxy answers").status()
}
