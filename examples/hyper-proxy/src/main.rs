//! The same layers in a plain hyper proxy, on the server's side and on the client's

fn main() {}
