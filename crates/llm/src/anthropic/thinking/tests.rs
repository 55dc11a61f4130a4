use super::Thinking;
use crate::{
    anthropic::{NAMES, fields::Fields},
    canon::{Ask, Effort, Losses, Part, Reasoning, Role, Target, ToolChoice, Turn},
};

fn ask(effort: Option<Effort>, budget: Option<u64>) -> Ask {
    let mut ask = Ask::new(&NAMES);
    ask.reasoning = Some(Reasoning {
        effort,
        budget,
        shown: None,
    });
    ask
}

fn written(ask: &Ask, model: &str, max_output: u64) -> (String, Option<&'static str>, usize) {
    let target = Target {
        model,
        max_output,
        version: "2023-06-01",
        legacy_max_tokens: false,
    };
    let mut losses = Losses::default();
    let thinking = Thinking::of(ask, &target, &mut losses);
    let mut out = Vec::new();
    let mut fields = Fields::begin(&mut out);
    thinking.write(&mut fields);
    fields.end();
    let lost = losses.fields().len() * 10 + losses.all().count();
    (String::from_utf8(out).unwrap(), thinking.effort, lost)
}

#[test]
fn each_generation_is_told_in_its_own_words() {
    let (none, minimal, medium, xhigh) =
        (Effort::None, Effort::Minimal, Effort::Medium, Effort::XHigh);
    let adaptive = r#"{"thinking":{"type":"adaptive"}}"#;
    let budget = |it: u64| format!(r#"{{"thinking":{{"type":"enabled","budget_tokens":{it}}}}}"#);
    for (model, effort, tokens, thinking, expected, lost) in [
        (
            "claude-opus-4-7",
            Some(xhigh),
            None,
            adaptive.to_owned(),
            Some("xhigh"),
            0,
        ),
        (
            "claude-opus-4-6",
            Some(xhigh),
            None,
            adaptive.to_owned(),
            Some("high"),
            0,
        ),
        (
            "claude-opus-5",
            Some(minimal),
            None,
            adaptive.to_owned(),
            Some("low"),
            0,
        ),
        (
            "claude-opus-5",
            Some(Effort::Adaptive),
            None,
            adaptive.to_owned(),
            None,
            0,
        ),
        (
            "claude-opus-5",
            None,
            Some(9000),
            adaptive.to_owned(),
            Some("medium"),
            1,
        ),
        ("claude-opus-4-6", None, Some(9000), budget(9000), None, 0),
        (
            "claude-sonnet-4-5",
            Some(medium),
            None,
            budget(8192),
            None,
            0,
        ),
        (
            "claude-sonnet-4-5",
            Some(xhigh),
            None,
            budget(16_000),
            None,
            0,
        ),
        ("claude-sonnet-4-5", None, Some(10), budget(1024), None, 0),
        (
            "claude-sonnet-4-5",
            None,
            Some(90_000),
            budget(19_999),
            None,
            0,
        ),
        ("claude-sonnet-4-5", None, None, "{}".to_owned(), None, 0),
        (
            "claude-sonnet-4-5",
            Some(medium),
            Some(2000),
            budget(2000),
            None,
            1,
        ),
        (
            "claude-sonnet-4-5",
            Some(none),
            None,
            r#"{"thinking":{"type":"disabled"}}"#.to_owned(),
            None,
            0,
        ),
        (
            "claude-fable-5",
            Some(none),
            None,
            "{}".to_owned(),
            None,
            11,
        ),
    ] {
        let told = written(&ask(effort, tokens), model, 20_000);
        assert_eq!(
            told,
            (thinking, expected, lost),
            "{model} {effort:?} {tokens:?}"
        );
    }
}

#[test]
fn a_budget_never_raises_what_the_caller_allows() {
    let mut ask = ask(Some(Effort::High), None);
    ask.max_output = Some(1024);
    assert_eq!(
        written(&ask, "claude-sonnet-4-5", 64_000),
        ("{}".to_owned(), None, 1)
    );
}

#[test]
fn thinking_with_a_budget_gives_way_to_forced_tools_and_foreign_calls() {
    let mut forced = ask(Some(Effort::High), None);
    forced.tool_choice = Some(ToolChoice::Required(Vec::new()));
    forced.tools.push(crate::canon::Tool {
        name: "f".to_owned(),
        description: None,
        parameters: None,
        strict: None,
        cached: false,
    });
    assert_eq!(
        written(&forced, "claude-sonnet-4-5", 64_000),
        ("{}".to_owned(), None, 11)
    );

    let mut foreign = ask(Some(Effort::High), None);
    let call = Part::ToolCall {
        id: "a".to_owned(),
        name: "f".to_owned(),
        arguments: String::new(),
        signature: None,
        cached: false,
    };
    for (at, (role, part)) in [(Role::Assistant, call), (Role::User, Part::text("x"))]
        .into_iter()
        .enumerate()
    {
        let parts = vec![part];
        foreign.turns.push(Turn { role, parts, at });
    }
    assert_eq!(
        written(&foreign, "claude-sonnet-4-5", 64_000),
        ("{}".to_owned(), None, 1)
    );
    let adaptive = written(&foreign, "claude-opus-4-6", 64_000);
    assert_eq!((adaptive.1, adaptive.2), (Some("high"), 0));
}

#[test]
fn what_is_thought_is_shown_where_it_was_asked_for() {
    for (model, shown, display) in [
        ("claude-opus-4-7", Some(true), Some("summarized")),
        ("claude-opus-4-7", Some(false), Some("omitted")),
        ("claude-opus-4-7", None, None),
        ("claude-sonnet-4-5", Some(true), None),
        ("claude-sonnet-4-5", Some(false), Some("omitted")),
    ] {
        let mut ask = ask(Some(Effort::Low), None);
        ask.reasoning.as_mut().unwrap().shown = shown;
        let (thinking, ..) = written(&ask, model, 64_000);
        let display = display.map(|it| format!("\"display\":\"{it}\""));
        assert_eq!(thinking.contains("display"), display.is_some());
        assert!(
            display.is_none_or(|it| thinking.contains(&it)),
            "{thinking}"
        );
    }
}
