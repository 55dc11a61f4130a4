use serde::Serialize;

use crate::canon::{Effort, Losses, Reasoning};

/// Which generation of models a name stands for, such as 2.5. Names that do not say so, such as the `-latest` aliases,
/// are taken for the present one.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Generation(u32, u32);

impl Generation {
    pub(super) fn of(model: &str) -> Self {
        let number = |text: &str| -> Option<(u32, usize)> {
            let digits = text.bytes().take_while(u8::is_ascii_digit).count();
            Some((text.get(..digits)?.parse().ok()?, digits))
        };
        let version = model.find("gemini-").and_then(|at| {
            let rest = &model[at + "gemini-".len()..];
            let (major, digits) = number(rest)?;
            let minor = rest[digits..].strip_prefix('.').and_then(number);
            Some(Self(major, minor.map_or(0, |(minor, _)| minor)))
        });
        version.unwrap_or(Self::THREE)
    }

    /// Whether it takes public addresses of media.
    pub(super) fn fetches(self) -> bool {
        self >= Self::TWO_AND_A_HALF
    }

    /// Whether it insists on signatures of calls, and takes media from functions.
    pub(super) fn signs_calls(self) -> bool {
        self >= Self::THREE
    }

    const TWO_AND_A_HALF: Self = Self(2, 5);
    const THREE: Self = Self(3, 0);
    /// The first whose `pro` thinks at medium level.
    const THREE_AND_ONE: Self = Self(3, 1);
}

/// `thinkingConfig`: a budget for models before the third generation, a level for later ones, and never both.
#[derive(Debug, Default, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ThinkingConfig {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) include_thoughts: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) thinking_budget: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) thinking_level: Option<&'static str>,
}

impl ThinkingConfig {
    /// What is to be said to a model, if anything. What the caller calls it is the name of what is lost.
    pub(super) fn of(
        reasoning: Reasoning,
        model: &str,
        name: &'static str,
        losses: &mut Losses,
    ) -> Option<Self> {
        let generation = Generation::of(model);
        if generation < Generation::TWO_AND_A_HALF {
            let wants_some = reasoning.budget.is_some() || reasoning.effort.is_some();
            if wants_some && reasoning.effort != Some(Effort::None) {
                losses.field(name);
            }
            return None;
        }
        let mut config = Self {
            include_thoughts: reasoning.shown,
            ..Self::default()
        };
        if generation < Generation::THREE {
            config.thinking_budget = budget(reasoning, model, name, losses);
        } else {
            config.thinking_level = level(reasoning, model, generation, name, losses);
        }
        Some(config).filter(|it| *it != Self::default())
    }
}

/// In the steps that Google's own compatible endpoint takes.
fn budget(
    reasoning: Reasoning,
    model: &str,
    name: &'static str,
    losses: &mut Losses,
) -> Option<i64> {
    let (least, most) = if model.contains("pro") {
        (128, 32_768)
    } else if model.contains("lite") {
        (512, 24_576)
    } else {
        (1, 24_576)
    };
    let wanted = match (reasoning.budget, reasoning.effort) {
        (Some(tokens), _) => tokens,
        (None, None) => return None,
        (None, Some(effort)) => match effort {
            Effort::Adaptive => return Some(-1),
            Effort::None => 0,
            Effort::Minimal | Effort::Low => 1024,
            Effort::Medium => 8192,
            Effort::High => 24_576,
            Effort::XHigh | Effort::Max => most,
        },
    };
    // All but `pro` can do without.
    let least = if wanted == 0 && least != 128 {
        0
    } else {
        least
    };
    if wanted < least {
        losses.hint(name);
    }
    i64::try_from(wanted.clamp(least, most)).ok()
}

/// All models know LOW and HIGH; the others are said where they are known.
fn level(
    reasoning: Reasoning,
    model: &str,
    generation: Generation,
    name: &'static str,
    losses: &mut Losses,
) -> Option<&'static str> {
    let is_pro = model.contains("pro");
    let effort = match (reasoning.effort, reasoning.budget) {
        (Some(effort), _) => effort,
        (None, None) => return None,
        (None, Some(0)) => Effort::None,
        (None, Some(..=2048)) => Effort::Low,
        (None, Some(..=16_384)) => Effort::Medium,
        (None, Some(_)) => Effort::High,
    };
    Some(match effort {
        Effort::Adaptive => return None, // As they do unasked.
        Effort::None | Effort::Minimal => {
            if effort == Effort::None || is_pro {
                losses.hint(name);
            }
            if is_pro { "LOW" } else { "MINIMAL" }
        }
        Effort::Low => "LOW",
        Effort::Medium if is_pro && generation < Generation::THREE_AND_ONE => {
            losses.hint(name);
            "HIGH"
        }
        Effort::Medium => "MEDIUM",
        Effort::High => "HIGH",
        Effort::XHigh | Effort::Max => {
            losses.hint(name);
            "HIGH"
        }
    })
}
