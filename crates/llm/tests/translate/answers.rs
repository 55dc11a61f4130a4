use serde_json::json;
use tollgate_core::fact::Dispatch;

use super::{
    ask::{FRONTS, WHAT, What},
    said::Said,
    world::{BEHIND, World},
};

#[tokio::test]
async fn every_caller_is_answered_by_every_provider_and_pays_what_is_billed() {
    for behind in BEHIND {
        let world = World::new(behind).await;
        for front in FRONTS {
            for what in WHAT {
                for stream in [false, true] {
                    let case = format!("{front:?} {behind:?} {what:?} {stream}");
                    let answer = world.ask("sim", front.ask("sim", what, stream)).await;

                    assert_eq!(answer.status, 200, "{case}: {}", answer.body);
                    let said = match stream {
                        true => Said::stream(front, &answer.body),
                        false => Said::plain(front, &answer.body),
                    };
                    assert!(
                        said.complete && said.error.is_none(),
                        "{case}: {}",
                        answer.body
                    );
                    check(what, &said, &case);

                    let (billed, usage) = (world.billed(), answer.usage());
                    assert!(!usage.estimated, "{case}");
                    let used = (usage.total_input(), usage.output, usage.reasoning);
                    let tokens = billed.tokens;
                    assert_eq!(
                        used,
                        (tokens.prompt(), tokens.output, tokens.reasoning),
                        "{case}"
                    );
                    assert_eq!(
                        answer.cost().unwrap() as u128,
                        billed.nano_dollars,
                        "{case}"
                    );
                    assert_eq!(answer.trail.get(), Some(Dispatch::Yes));
                    let cost = answer.header("x-tollgate-cost");
                    let dollars = format!("{:.9}", billed.nano_dollars as f64 / 1e9);
                    let told = dollars.trim_end_matches('0');
                    assert_eq!(cost, (!stream).then_some(told), "{case}");
                }
            }
        }
    }
}

fn check(what: What, said: &Said, case: &str) {
    match what {
        What::Text => assert_eq!(
            said.text, "This is a simulated answer to: h\u{e9}llo",
            "{case}"
        ),
        What::Tools => {
            let [(name, arguments)] = &*said.calls else {
                panic!("{case}: {said:?}");
            };
            assert!(
                name == "weather" && arguments["city"].is_string(),
                "{case}: {said:?}"
            );
        }
        What::Image => assert!(
            said.text.contains("I saw 1: image image/png of 8 bytes"),
            "{case}: {said:?}"
        ),
        What::Schema => {
            let value: serde_json::Value = serde_json::from_str(&said.text).expect(case);
            assert!(value["city"].is_string(), "{case}: {said:?}");
        }
    }
}

#[tokio::test]
async fn signatures_in_ids_stay_behind_where_the_call_goes_on_as_it_is() {
    let mark = "call_1__tollgate__eyJzIjpbImdlbWluaSIsImMybG4iXX0";
    let body = json!({ "model": "sim-echo", "messages": [
        { "role": "user", "content": "h" },
        { "role": "assistant", "tool_calls": [{ "id": mark, "type": "function", "function": { "name": "f", "arguments": "{}" } }] },
        { "role": "tool", "tool_call_id": mark, "content": "a__tollgate__b" },
    ] });
    let world = World::new(tollgate_llm::Dialect::OpenAi).await;

    let request = super::ask::Front::Chat.send("sim-echo", false, &body);
    world.ask("sim-echo", request).await;

    let sent = world.provider.requests().pop().unwrap().body;
    assert_eq!(sent["messages"][1]["tool_calls"][0]["id"], "call_1");
    assert_eq!(sent["messages"][2]["tool_call_id"], "call_1");
    assert_eq!(sent["messages"][2]["content"], "a__tollgate__b");
}
