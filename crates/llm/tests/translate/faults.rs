use tollgate_core::fact::{Failure, Phase};
use tollgate_llm::{Dialect, simulated::Fault};

use super::{
    ask::{FRONTS, What},
    said::Said,
    world::{BEHIND, World},
};

#[tokio::test]
async fn a_broken_stream_ends_with_an_error_in_the_callers_words_and_is_paid_for() {
    let faults = ["cut", "cut-in-event", "cut-before-end", "error-event"];
    for behind in BEHIND {
        let world = World::new(behind).await;
        for front in FRONTS {
            for fault in faults
                .iter()
                .flat_map(|it| [(*it).to_owned(), format!("{it}+clean")])
            {
                let model = format!("sim-{fault}");
                let case = format!("{front:?} {behind:?} {fault}");
                let answer = world.ask(&model, front.ask(&model, What::Text, true)).await;

                assert_eq!(answer.status, 200, "{case}: {}", answer.body);
                let said = Said::stream(front, &answer.body);
                assert!(
                    said.error.is_some() && !said.complete,
                    "{case}: {}",
                    answer.body
                );
                let failure: Failure = answer.trail.get().expect(&case);
                assert_eq!(failure.phase, Phase::Body, "{case}");
                let (billed, usage) = (world.billed(), answer.usage());
                assert!(
                    usage.output >= billed.tokens.output,
                    "{case}: {usage:?} {billed:?}"
                );
                assert!(
                    usage.total_input() >= billed.tokens.prompt(),
                    "{case}: {usage:?} {billed:?}"
                );
                // Google tells the total so far with each piece.
                let is_exact = behind == Dialect::Gemini && usage.output == billed.tokens.output;
                assert!(usage.estimated || is_exact, "{case}: {usage:?} {billed:?}");
                assert!(
                    answer.cost().unwrap() as u128 >= billed.nano_dollars,
                    "{case}"
                );
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_falls_silent_ends_with_an_error_in_the_callers_words() {
    for behind in BEHIND {
        let world = World::new(behind).await;
        for front in FRONTS {
            let answer = world
                .ask("sim-stall", front.ask("sim-stall", What::Text, true))
                .await;

            let said = Said::stream(front, &answer.body);
            let case = format!("{front:?} {behind:?} {}", answer.body);
            assert!(said.error.is_some() && !said.complete, "{case}");
            assert!(said.text.starts_with("This is"), "{case}");
            let (billed, usage) = (world.billed(), answer.usage());
            assert!(
                usage.output >= billed.tokens.output,
                "{case}: {usage:?} {billed:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_usage_that_is_missing_or_nonsense_is_estimated_and_not_under_what_was_given() {
    for behind in BEHIND {
        let world = World::new(behind).await;
        for front in FRONTS {
            for (fault, stream) in ["no-usage", "negative-usage", "text-usage"]
                .into_iter()
                .flat_map(|fault| [(fault, false), (fault, true)])
            {
                let model = format!("sim-{fault}");
                let case = format!("{front:?} {behind:?} {fault} {stream}");
                let answer = world
                    .ask(&model, front.ask(&model, What::Text, stream))
                    .await;

                assert_eq!(answer.status, 200, "{case}: {}", answer.body);
                let (billed, usage) = (world.billed(), answer.usage());
                assert!(usage.estimated, "{case}: {usage:?}");
                assert!(
                    usage.output >= billed.tokens.output,
                    "{case}: {usage:?} {billed:?}"
                );
                assert!(
                    usage.total_input() >= billed.tokens.prompt(),
                    "{case}: {usage:?} {billed:?}"
                );
            }
        }
    }
}

#[tokio::test]
async fn odd_ways_of_saying_the_same_are_understood() {
    let faults = Fault::ALL.iter().filter(|fault| {
        matches!(
            fault,
            Fault::LateUsage
                | Fault::Bytes
                | Fault::Splits
                | Fault::Crlf
                | Fault::Comments
                | Fault::Bom
                | Fault::Surrogates
                | Fault::NoDone
                | Fault::UsageWithChoices
                | Fault::Roles
                | Fault::Quirky
                | Fault::EarlyPing
        )
    });
    for behind in BEHIND {
        let world = World::new(behind).await;
        for (front, fault) in faults
            .clone()
            .flat_map(|fault| FRONTS.map(|front| (front, fault)))
        {
            let model = format!("sim-{}", fault.name());
            let case = format!("{front:?} {behind:?} {}", fault.name());
            let answer = world.ask(&model, front.ask(&model, What::Text, true)).await;

            assert_eq!(answer.status, 200, "{case}");
            if matches!(fault, Fault::Surrogates) || answer.body.contains('\r') {
                continue; // What passes as it is is no matter of ours.
            }
            let said = Said::stream(front, answer.body.trim_start_matches('\u{feff}'));
            let unmarked = matches!(fault, Fault::NoDone | Fault::Quirky);
            assert!(said.complete || unmarked, "{case}: {}", answer.body);
            assert_eq!(said.error, None, "{case}");
            assert_eq!(
                said.text, "This is a simulated answer to: h\u{e9}llo",
                "{case}"
            );
            let (billed, usage) = (world.billed(), answer.usage());
            let used = (usage.total_input(), usage.output, usage.estimated);
            assert_eq!(
                used,
                (billed.tokens.prompt(), billed.tokens.output, false),
                "{case}"
            );
        }
    }
}

#[tokio::test]
async fn a_page_or_a_broken_connection_is_no_answer() {
    for behind in BEHIND {
        let world = World::new(behind).await;
        for front in FRONTS {
            for model in ["sim-nonsense", "sim-cut"] {
                for stream in [false, true] {
                    if stream && model == "sim-cut" {
                        continue;
                    }
                    let answer = world.ask(model, front.ask(model, What::Text, stream)).await;

                    let case = format!("{front:?} {behind:?} {model} {stream}: {}", answer.body);
                    assert_eq!(answer.status, 502, "{case}");
                    let told: serde_json::Value = serde_json::from_str(&answer.body).expect(&case);
                    assert!(told["error"]["message"].is_string(), "{case}");
                }
            }
        }
    }
}
