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
            (Some(budget), effort) => {
                if effort.is_some() {
                    losses.hint(ask.names.reasoning);
                }
                budget.min(most.saturating_sub(1))
            }
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
mod tests;
