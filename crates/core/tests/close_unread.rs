//! Who is told that a connection ends, and that it does.

use std::time::Duration;

use axum::{Router, routing::post};
use bytes::Bytes;
use http::{
    Request, Response, StatusCode, Version, header,
    request::{self, Parts},
};
use http_body_util::Full;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tollgate_core::{CloseUnread, GateLayer, PayloadLayer, Rejection, gate_fn};
use tower::{ServiceBuilder, ServiceExt, service_fn};

#[tokio::test]
async fn a_refusal_that_leaves_a_long_body_unread_says_that_the_connection_ends() {
    for (name, value) in [
        (header::CONTENT_LENGTH, "4097"),
        (header::CONTENT_LENGTH, "99999999999"),
        (header::TRANSFER_ENCODING, "chunked"),
    ] {
        let request = Request::post("/stranger").header(&name, value);

        let response = ask(request).await;

        assert_eq!(response.status(), StatusCode::FORBIDDEN);
        assert_eq!(
            response.headers()[header::CONNECTION],
            "close",
            "{name}: {value}"
        );
    }
}

#[tokio::test]
async fn nobody_else_is_told_anything() {
    let long = |path| Request::post(path).header(header::CONTENT_LENGTH, "99999");
    let short = |length| Request::post("/stranger").header(header::CONTENT_LENGTH, length);
    for (case, request) in [
        ("it was admitted", long("/")),
        ("it was refused after its body was read", long("/read")),
        (
            "HTTP/2 ends the stream and no more",
            long("/stranger").version(Version::HTTP_2),
        ),
        ("hyper drains so little", short("4096")),
        ("no length is none", short("many")),
        ("there is no body", Request::post("/stranger")),
    ] {
        let response = ask(request).await;

        assert!(
            !response.headers().contains_key(header::CONNECTION),
            "{case}"
        );
    }
}

#[tokio::test]
async fn the_connection_ends_for_those_who_are_told_and_lives_on_for_others() {
    let app = Router::new().route("/", post(|| async { "hello" })).layer((
        GateLayer::new(CloseUnread),
        GateLayer::new(gate_fn(no_strangers)),
    ));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    let mut client = TcpStream::connect(address).await.unwrap();

    let mut answers = String::new();
    let send = "POST /stranger HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\nabc";
    client.write_all(send.as_bytes()).await.unwrap();
    while !answers.contains("\r\n\r\n") {
        let mut buffer = [0; 4096];
        let length = soon(client.read(&mut buffer)).await.unwrap();
        assert_ne!(length, 0, "a short body was read away: {answers}");
        answers += std::str::from_utf8(&buffer[..length]).unwrap();
    }
    assert!(!answers.contains("connection: close"), "{answers}");

    // The same connection; of the body, no byte is sent.
    let send = "POST /stranger HTTP/1.1\r\nhost: x\r\ncontent-length: 999999\r\n\r\n";
    client.write_all(send.as_bytes()).await.unwrap();
    let mut rest = String::new();
    soon(client.read_to_string(&mut rest)).await.unwrap();
    assert!(rest.contains("HTTP/1.1 403"), "{rest}");
    assert!(rest.contains("connection: close"), "{rest}");
}

/// Asks a service that refuses strangers, and on `/read` everybody once the body is read.
async fn ask(request: request::Builder) -> Response<impl http_body::Body<Data = Bytes>> {
    let refused = || Rejection::new(StatusCode::FORBIDDEN, "late", "no");
    let service = ServiceBuilder::new()
        .layer(GateLayer::new(CloseUnread))
        .layer(GateLayer::new(gate_fn(no_strangers)))
        .layer(PayloadLayer::new())
        .layer(GateLayer::new(gate_fn(move |parts| {
            (parts.uri.path() != "/read")
                .then_some(())
                .ok_or_else(refused)
        })))
        .service(service_fn(async |_: Request<Full<Bytes>>| {
            Ok::<_, std::convert::Infallible>(Response::new(Full::<Bytes>::default()))
        }));
    let request = request.body(Full::<Bytes>::from("abc")).unwrap();
    let Ok(response) = service.oneshot(request).await;
    response
}

/// In the place of authentication.
fn no_strangers(parts: &mut Parts) -> Result<(), Rejection> {
    match parts.uri.path() {
        "/stranger" => Err(Rejection::new(StatusCode::FORBIDDEN, "stranger", "no")),
        _ => Ok(()),
    }
}

async fn soon<F: Future>(future: F) -> F::Output {
    let output = timeout(Duration::from_secs(30), future).await;
    output.expect("it takes no time")
}
