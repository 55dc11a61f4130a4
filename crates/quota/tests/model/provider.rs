use crate::{chance::Chance, plan::Plan};

/// A call as the provider sees it, and what is heard of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    /// The most that the provider was told to produce.
    pub(crate) maximum: i64,
    pub(crate) produced: i64,
    pub(crate) ends_at: i64,
    pub(crate) heard: Heard,
}

/// What reaches the replica of a call's end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Heard {
    /// The terminal message, with what is billed.
    All,
    /// The stream ended before; so many tokens were seen. The provider bills what it produced all the same.
    Cut(i64),
    /// The connection failed before the first byte was sent: nothing is billed.
    Unsent,
    /// A terminal message with a usage that cannot be; never less than what is billed.
    Absurd(i64),
}

impl Call {
    pub(crate) fn begin(plan: &Plan, now: i64, chance: &mut Chance) -> Self {
        let maximum = chance.between(1, plan.largest + 1);
        let mut produced = match chance.between(0, 3) {
            _ if plan.full => maximum,
            0 => maximum,
            _ => chance.between(0, maximum + 1),
        };
        let heard = match chance.between(0, 100) {
            0..5 => Heard::Unsent,
            5..25 => Heard::Cut(chance.between(0, produced + 1)),
            25..27 if plan.absurd => {
                Heard::Absurd([-1, i64::MIN, i64::MAX, 12 * maximum * plan.price][chance.index(4)])
            }
            _ => Heard::All,
        };
        if heard == Heard::Unsent {
            produced = 0;
        }
        let ends_at = now + chance.between(1, plan.longest + 1);
        Self {
            maximum,
            produced,
            ends_at,
            heard,
        }
    }

    /// What the provider charges.
    pub(crate) fn bill(&self, plan: &Plan) -> i64 {
        self.produced * plan.price_at(self.ends_at)
    }
}
