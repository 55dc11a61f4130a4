//! What the halves do together, and what they make of recorded streams.

mod events;
mod hostile;
mod parts;
mod read;
mod recorded;
mod schema;
mod write;

use std::path::PathBuf;

use serde_json::Value;

use crate::canon::Ask;

/// The recordings and the schema, which are not part of the repository.
fn shared(part: &str) -> Option<PathBuf> {
    let data = std::env::var_os("TOLLGATE_SHARED_DATA").map(PathBuf::from);
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let path = data.unwrap_or_else(beside).join(part);
    if path.exists() {
        return Some(path);
    }
    eprintln!("passed over, for there is no {}", path.display());
    None
}

/// What asks for as much as can be asked for.
fn ask() -> Ask {
    let body = br#"{"model":"m","input":"Hi","instructions":"Be brief.","metadata":{"a":"b"},"user":"u","top_p":0.5,
        "tools":[{"type":"function","name":"f","parameters":{"type":"object"},"strict":true}],"tool_choice":"required",
        "text":{"format":{"type":"json_schema","name":"n","schema":{"type":"object"}}},"stream":true,
        "reasoning":{"effort":"low","summary":"auto"},"max_output_tokens":100,"parallel_tool_calls":false}"#;
    super::read_ask(body).unwrap()
}

fn parse(json: &[u8]) -> Value {
    serde_json::from_slice(json).unwrap()
}
