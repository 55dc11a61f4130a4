//! Two of Tollgate's layers added to an axum API

fn main() {}
