//! An LLM gateway: Tollgate's layers in front of any provider

fn main() {}
