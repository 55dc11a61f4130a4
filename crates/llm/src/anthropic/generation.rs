use crate::canon::Effort;

/// What a model takes, as far as its name tells. A name without a version is taken for a recent model's.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Generation {
    version: Option<(u8, u8)>,
    /// Some lines cannot be kept from thinking.
    always_thinks: bool,
}

impl Generation {
    /// Reads names such as `claude-sonnet-4-20250514` and `us.anthropic.claude-3-7-sonnet-v1:0`.
    pub(super) fn of(model: &str) -> Self {
        let mut words = model.split(|it: char| !it.is_ascii_alphanumeric());
        // Longer numbers are dates.
        let number = |word: &str| word.parse().ok().filter(|_| word.len() <= 2);
        let version = words.find(|word| *word == "claude").and_then(|_| {
            let major = words.by_ref().find_map(number)?;
            Some((major, words.next().and_then(number).unwrap_or(0)))
        });
        Self {
            version,
            always_thinks: ALWAYS_THINK.iter().any(|line| model.contains(line)),
        }
    }

    /// Whether it thinks only with a budget.
    pub(super) fn needs_budget(self) -> bool {
        self.before(4, 6)
    }

    /// Whether it takes a budget at all.
    pub(super) fn takes_budget(self) -> bool {
        self.before(4, 7)
    }

    pub(super) const fn always_thinks(self) -> bool {
        self.always_thinks
    }

    /// Whether it takes no sampling but the default.
    pub(super) fn fixes_sampling(self) -> bool {
        self.version.is_some() && !self.before(4, 7) || self.always_thinks
    }

    /// Whether it takes `temperature` or `top_p`, but not both.
    pub(super) fn takes_one_of_sampling(self) -> bool {
        self.version.is_some() && !self.before(4, 1)
    }

    /// Whether it can be held to a schema.
    pub(super) fn keeps_schema(self) -> bool {
        !self.before(4, 5)
    }

    /// The word for an effort, or for the next lower one that it knows.
    pub(super) fn effort(self, effort: Effort) -> Option<&'static str> {
        Some(match effort {
            Effort::None | Effort::Adaptive => return None,
            Effort::Minimal | Effort::Low => "low",
            Effort::XHigh if self.before(4, 7) => "high",
            effort => effort.as_str(),
        })
    }

    fn before(self, major: u8, minor: u8) -> bool {
        self.version.is_some_and(|it| it < (major, minor)) && !self.always_thinks
    }
}

const ALWAYS_THINK: [&str; 2] = ["fable", "mythos"];

#[cfg(test)]
mod tests {
    use super::Generation;

    #[test]
    fn the_version_stands_in_the_name() {
        for (model, version) in [
            ("claude-3-7-sonnet-20250219", Some((3, 7))),
            ("claude-sonnet-4-20250514", Some((4, 0))),
            ("claude-sonnet-4-5@20250929", Some((4, 5))),
            ("us.anthropic.claude-opus-4-6-v1:0", Some((4, 6))),
            ("anthropic/claude-opus-4.7", Some((4, 7))),
            ("claude-haiku-5-5", Some((5, 5))),
            ("claude-2.1", Some((2, 1))),
            ("claude-mythos-preview", None),
            ("my-4-5-deployment", None),
            ("", None),
        ] {
            assert_eq!(Generation::of(model).version, version, "{model}");
        }
    }

    #[test]
    fn what_a_model_takes_follows_from_it() {
        let it = |model| {
            let of = Generation::of(model);
            [
                of.needs_budget(),
                of.takes_budget(),
                of.fixes_sampling(),
                of.keeps_schema(),
                of.always_thinks(),
            ]
        };
        let [yes, no] = [true, false];
        assert_eq!(it("claude-sonnet-4-0"), [yes, yes, no, no, no]);
        assert_eq!(it("claude-haiku-4-5"), [yes, yes, no, yes, no]);
        assert_eq!(it("claude-opus-4-6"), [no, yes, no, yes, no]);
        assert_eq!(it("claude-opus-4-8"), [no, no, yes, yes, no]);
        assert_eq!(it("claude-fable-5"), [no, no, yes, yes, yes]);
        assert_eq!(it("mine"), [no, no, no, yes, no]);
    }
}
