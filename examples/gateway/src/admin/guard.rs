use axum::{
    extract::Request,
    http::{HeaderMap, Method, StatusCode, header, uri::Authority},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http_body::Body;

use super::problem::Problem;

/// Keeps web pages from asking in an operator's name: a browser on the operator's machine reaches loopback, too.
pub(super) async fn no_pages(request: Request, next: Next) -> Response {
    let headers = request.headers();
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD);
    if headers.contains_key(header::ORIGIN) && !is_same_origin(headers) {
        let why = "the request comes from another site's page";
        return Problem::not_for_pages(why).into_response();
    }
    // What a page can send to another site without asking has another type.
    let is_json = headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"application/json"));
    let has_body = !request.body().is_end_stream();
    if changes && has_body && !is_json && *request.method() != Method::DELETE {
        let why = "send `Content-Type: application/json`";
        let (status, code) = (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type");
        return Problem::new(status, code, why).into_response();
    }
    next.run(request).await
}

/// Where no token is asked for, keeps out pages whose site's name was made to point here: to the browser they are of the same
/// origin, and can send any header.
pub(super) async fn by_address(request: Request, next: Next) -> Response {
    if is_by_address(request.headers()) {
        return next.run(request).await;
    }
    let why = "without `admin.token`, operators ask by an address or `localhost`";
    Problem::not_for_pages(why).into_response()
}

/// A name could be anybody's, who lets it point here.
fn is_by_address(headers: &HeaderMap) -> bool {
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let authority = host.and_then(|host| host.parse::<Authority>().ok());
    authority.is_some_and(|authority| {
        let host = authority.host().trim_matches(['[', ']']);
        host == "localhost" || host.parse::<std::net::IpAddr>().is_ok()
    })
}

fn is_same_origin(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let (Some(origin), Some(host)) = (text(header::ORIGIN), text(header::HOST)) else {
        return false;
    };
    origin
        .split_once("://")
        .is_some_and(|(_, authority)| authority == host)
}
