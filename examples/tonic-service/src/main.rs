//! The same layers before a gRPC service, and a client that sees a typed status

fn main() {}
