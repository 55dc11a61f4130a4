use serde_json::{Value, json};

/// Takes a stream apart as an SDK does: each event has its name twice and a number of its own.
pub(super) fn events(stream: &[u8]) -> Vec<Value> {
    let stream = std::str::from_utf8(stream).unwrap();
    let mut events = Vec::new();
    for event in stream.split_terminator("\n\n") {
        let (name, data) = event.split_once('\n').unwrap();
        let data: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
        assert_eq!(name, format!("event: {}", data["type"].as_str().unwrap()));
        assert_eq!(data["sequence_number"], events.len());
        events.push(data);
    }
    events
}

/// The types of events, those of deltas in a row once.
pub(super) fn order(events: &[Value]) -> Vec<&str> {
    let mut order: Vec<&str> = events
        .iter()
        .map(|it| it["type"].as_str().unwrap())
        .collect();
    order.dedup_by(|a, b| a == b && a.ends_with(".delta"));
    order
}

/// The output that the deltas make up; each `done` must say the same.
pub(super) fn accumulated(events: &[Value]) -> Vec<Value> {
    let mut output: Vec<Value> = Vec::new();
    for event in events {
        let kind = event["type"].as_str().unwrap();
        let index = usize::try_from(event["output_index"].as_u64().unwrap_or(0)).unwrap();
        if kind == "response.output_item.added" {
            assert_eq!(index, output.len());
            output.push(event["item"].clone());
            continue;
        }
        let Some(item) = output.get_mut(index) else {
            continue;
        };
        if let Some(id) = event.get("item_id") {
            assert_eq!(item["id"], *id);
        }
        let part = |list: &str, number: &str| format!("/{list}/{}", event[number]);
        let (part, text) = match kind {
            k if k.starts_with("response.reasoning") => (part("summary", "summary_index"), "text"),
            k if k.starts_with("response.refusal") => (part("content", "content_index"), "refusal"),
            k if k.contains("arguments") => (String::new(), "arguments"),
            _ => (part("content", "content_index"), "text"),
        };
        match kind.rsplit_once('.').unwrap() {
            (_, "delta") => {
                let all = &mut item.pointer_mut(&part).unwrap()[text];
                *all = json!(format!(
                    "{}{}",
                    all.as_str().unwrap(),
                    event["delta"].as_str().unwrap()
                ));
            }
            ("response.content_part", "added") => {
                item["content"]
                    .as_array_mut()
                    .unwrap()
                    .push(event["part"].clone());
            }
            ("response.reasoning_summary_part", "added") => {
                item["summary"]
                    .as_array_mut()
                    .unwrap()
                    .push(event["part"].clone());
            }
            ("response.output_item", "done") => {
                let (is, said) = (&event["item"], item.clone());
                for key in ["arguments", "summary"] {
                    assert_eq!(is.get(key), said.get(key));
                }
                *item = is.clone();
            }
            (_, "done") if event.get("part").is_some() => {
                let said = item.pointer_mut(&part).unwrap();
                assert_eq!(said["text"], event["part"]["text"]);
                *said = event["part"].clone();
            }
            (_, "done") => assert_eq!(item.pointer(&part).unwrap()[text], event[text]),
            _ => {}
        }
    }
    output
}
