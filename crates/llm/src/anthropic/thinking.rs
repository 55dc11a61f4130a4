use super::{fields::Fields, generation::Generation};
use crate::{
    Dialect,
    canon::{Ask, Effort, Losses, Part, Reasoning, Role, Signature, Target, ToolChoice},
};

/// How a model is to think, in the words that its generation knows.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Thinking {
    mode: Option<Mode>,
    display: Option<&'static str>,
    /// For `output_config`.
    pub(super) effort: Option<&'static str>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Mode {
    Disabled,
    Enabled { budget: u64 },
    Adaptive,
}

impl Thinking {
    pub(super) fn of(ask: &Ask, target: &Target<'_>, losses: &mut Losses) -> Self {
        let Some(wanted) = ask.reasoning else {
            return Self::default();
        };
        let generation = Generation::of(target.model);
        if wanted.effort == Some(Effort::None) || wanted.budget == Some(0) {
            if generation.always_thinks() {
                losses.field(ask.names.reasoning);
                return Self::default();
            }
            return Self::in_mode(Mode::Disabled);
        }
        let by_budget =
            generation.needs_budget() || generation.takes_budget() && wanted.budget.is_some();
        let mut thinking = if by_budget {
            Self::enabled(ask, wanted, target, losses)
        } else {
            if wanted.budget.is_some() {
                losses.hint(ask.names.reasoning);
            }
            let effort = wanted.effort.or_else(|| wanted.budget.map(by_effort));
            Self {
                effort: effort.and_then(|it| generation.effort(it)),
                ..Self::in_mode(Mode::Adaptive)
            }
        };
        thinking.display = match wanted.shown {
            _ if !thinking.is_on() => None,
            Some(false) => Some("omitted"),
            // Older models show it unasked, and were there before the field.
            Some(true) if !generation.needs_budget() => Some("summarized"),
            _ => None,
        };
        thinking
    }

    /// Whether the model thinks, so that it takes no sampling of one's own.
    pub(super) const fn is_on(self) -> bool {
        matches!(self.mode, Some(Mode::Enabled { .. } | Mode::Adaptive))
    }

    pub(super) fn write(self, body: &mut Fields<'_>) {
        let (kind, budget) = match self.mode {
            None => return,
            Some(Mode::Disabled) => ("disabled", None),
            Some(Mode::Enabled { budget }) => ("enabled", Some(budget)),
            Some(Mode::Adaptive) => ("adaptive", None),
        };
        let mut thinking = Fields::of_type(body.key("thinking"), kind);
        thinking.maybe("budget_tokens", budget);
        thinking.maybe("display", self.display);
        thinking.end();
    }

    fn enabled(ask: &Ask, wanted: Reasoning, target: &Target<'_>, losses: &mut Losses) -> Self {
        let forced = matches!(ask.tool_choice, Some(ToolChoice::Required(_)));
        if forced && !ask.tools.is_empty() {
            losses.field(ask.names.reasoning); // The provider takes one of the two.
            return Self::default();
        }
        let most = ask.max_output.unwrap_or(target.max_output);
        let budget = match (wanted.budget, wanted.effort) {
            (Some(budget), _) => budget.min(most.saturating_sub(1)),
            // Room is left for the answer.
            (None, Some(effort)) => by_budget(effort).min(most / 5 * 4),
            (None, None) => return Self::default(),
        };
        if most <= LEAST || is_foreign_loop(ask) {
            losses.hint(ask.names.reasoning);
            return Self::default();
        }
        Self::in_mode(Mode::Enabled {
            budget: budget.max(LEAST),
        })
    }

    fn in_mode(mode: Mode) -> Self {
        Self {
            mode: Some(mode),
            ..Self::default()
        }
    }
}

/// Whether tools were called by a model of somebody else's, and have just answered. A model with a budget would want
/// to see its own thoughts before those calls.
fn is_foreign_loop(ask: &Ask) -> bool {
    let last = ask
        .turns
        .iter()
        .rposition(|turn| turn.role == Role::Assistant);
    let Some(last) = last.filter(|last| last + 1 < ask.turns.len()) else {
        return false;
    };
    let parts = &ask.turns[last].parts;
    parts
        .iter()
        .any(|part| matches!(part, Part::ToolCall { .. }))
        && !parts.iter().any(|part| own_thought(part).is_some())
}

/// The signature of a thought that Anthropic knows again.
pub(super) fn own_thought(part: &Part) -> Option<&Signature> {
    let (Part::Thinking {
        signature: Some(signature),
        ..
    }
    | Part::Redacted(signature)) = part
    else {
        return None;
    };
    Some(signature).filter(|it| it.origin == Dialect::Anthropic)
}

const fn by_budget(effort: Effort) -> u64 {
    match effort {
        Effort::None | Effort::Minimal => LEAST,
        Effort::Low => 2 << 10,
        Effort::Medium | Effort::Adaptive => 8 << 10,
        Effort::High => 16 << 10,
        Effort::XHigh | Effort::Max => 32 << 10,
    }
}

const fn by_effort(budget: u64) -> Effort {
    match budget {
        0..=4096 => Effort::Low,
        4097..=12_288 => Effort::Medium,
        _ => Effort::High,
    }
}

/// The least budget that the provider takes.
const LEAST: u64 = 1024;

#[cfg(test)]
mod tests {
    use super::{Fields, Thinking};
    use crate::{
        anthropic::NAMES,
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
        let budget =
            |it: u64| format!(r#"{{"thinking":{{"type":"enabled","budget_tokens":{it}}}}}"#);
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
}
