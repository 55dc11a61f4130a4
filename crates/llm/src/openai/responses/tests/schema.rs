use proptest::{strategy::Strategy, strategy::ValueTree, test_runner::TestRunner};
use serde_json::Value;

use super::{ask, events::events, parse, parts, shared};
use crate::{
    canon::WriteStream,
    openai::responses::{StreamWriter, write_answer},
};

#[test]
fn answers_and_events_are_what_the_published_schema_says() {
    let Some(path) = shared("openapi/openai-chat-responses-embeddings.json") else {
        return;
    };
    let document = parse(&std::fs::read(path).unwrap());
    let schemas = &document["components"]["schemas"];
    let mut runner = TestRunner::deterministic();
    for _ in 0..40 {
        let answer = parts::answer().new_tree(&mut runner).unwrap().current();
        let plain = parse(&write_answer(&answer, &ask()));
        check(schemas, "Response", &plain);

        let mut writer = StreamWriter::new(&ask());
        let mut out = Vec::new();
        let deltas = parts::deltas(&answer);
        let cut = deltas.len() / 2;
        for delta in deltas.iter().cloned() {
            writer.write(delta, &mut out);
        }
        let mut failing = StreamWriter::new(&ask());
        let mut failed = Vec::new();
        for delta in deltas.into_iter().take(cut) {
            failing.write(delta, &mut failed);
        }
        failing.fail("gone", "server_error", &mut failed);
        for event in events(&out).into_iter().chain(events(&failed)) {
            check(schemas, &named(schemas, &event["type"]), &event);
        }
    }
}

/// The name of the schema of an event.
fn named(schemas: &Value, kind: &Value) -> String {
    let events = schemas["ResponseStreamEvent"]["anyOf"].as_array().unwrap();
    let mut names = events.iter().map(|event| name(&event["$ref"]));
    let mut is = |name: &&str| schemas[name]["properties"]["type"]["enum"][0] == *kind;
    names
        .find(&mut is)
        .unwrap_or_else(|| panic!("no {kind}"))
        .to_owned()
}

/// What a reference refers to.
fn name(reference: &Value) -> &str {
    reference.as_str().unwrap().rsplit('/').next().unwrap()
}

fn check(schemas: &Value, name: &str, value: &Value) {
    if let Err(why) = valid(schemas, &schemas[name], value) {
        panic!("{why}\n{value:#}");
    }
}

/// As much of JSON schema as the document uses for what must be there.
fn valid(schemas: &Value, schema: &Value, value: &Value) -> Result<(), String> {
    if schema["$ref"].is_string() {
        let name = name(&schema["$ref"]);
        return valid(schemas, &schemas[name], value).map_err(|why| format!("{name}: {why}"));
    }
    let list = |key: &str| schema[key].as_array().map_or(&[][..], Vec::as_slice);
    for all in list("allOf") {
        valid(schemas, all, value)?;
    }
    for either in ["anyOf", "oneOf"] {
        let of = list(either);
        let mut reasons = Vec::new();
        for schema in of {
            match valid(schemas, schema, value) {
                Ok(()) => reasons.clear(),
                Err(why) => {
                    reasons.push(why);
                    continue;
                }
            }
            break;
        }
        if !of.is_empty() && reasons.len() == of.len() {
            // That which knows the type got the furthest.
            reasons.sort_by_key(|why| why.contains("none of"));
            return Err(reasons.swap_remove(0));
        }
    }
    let fits = match schema["type"].as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("integer") => value.is_u64(),
        Some("number") => value.is_number(),
        Some("boolean") => value.is_boolean(),
        Some("null") => value.is_null(),
        _ => true,
    };
    if !fits {
        return Err(format!("{value} is no {}", schema["type"]));
    }
    let words = list("enum");
    if !words.is_empty() && !words.contains(value) {
        return Err(format!("{value} is none of {words:?}"));
    }
    if let Some(fields) = value.as_object() {
        for name in list("required") {
            let name = name.as_str().unwrap();
            if !fields.contains_key(name) {
                return Err(format!("`{name}` is missing"));
            }
        }
        for (name, value) in fields {
            valid(schemas, &schema["properties"][name], value)
                .map_err(|why| format!("{name}: {why}"))?;
        }
    }
    for item in value.as_array().map_or(&[][..], Vec::as_slice) {
        valid(schemas, &schema["items"], item)?;
    }
    Ok(())
}
