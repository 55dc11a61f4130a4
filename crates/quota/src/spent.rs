use tollgate_core::{
    Glance, Trail,
    fact::{CacheStatus, Cost, Dispatch, Usage},
};

/// What a request has used, as its trail tells at the end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Spent {
    /// It is known that nothing was sent.
    Nothing,
    /// This much, by the provider's word or by our estimate.
    Usage(Usage),
    /// It may have been sent, and nobody says what it used.
    Unknown,
}

impl Spent {
    pub(crate) fn of(trail: &Trail, rejected: bool) -> Self {
        let node = trail.glance();
        if !was_sent(&node, rejected) {
            return Self::Nothing;
        }
        node.sum().map_or(Self::Unknown, Self::Usage)
    }
}

/// How a budget's hold is settled.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Bill {
    /// It is known that nothing was sent.
    Released,
    /// This is what it costs, by the provider's word.
    Known(Cost),
    /// This is what it costs, by our estimate.
    Estimated(Cost),
    /// It may have been sent, and nobody says what it costs.
    Whole,
}

impl Bill {
    pub(crate) fn of(trail: &Trail, rejected: bool) -> Self {
        let node = trail.glance();
        if !was_sent(&node, rejected) {
            return Self::Released;
        }
        match (node.sum::<Usage>(), node.sum::<Cost>()) {
            (Some(usage), Some(cost)) if usage.estimated => Self::Estimated(cost),
            (Some(_), Some(cost)) if !is_open(&node) => Self::Known(cost),
            _ => Self::Whole,
        }
    }
}

/// Whether anything may have been sent. Only who sends says that nothing was; a refusal of a layer further in is as good,
/// unless something was sent before.
fn was_sent(node: &Glance<'_>, rejected: bool) -> bool {
    let mut children = node.children().peekable();
    match node.get::<Dispatch>() {
        Some(Dispatch::Yes) => true,
        _ if children.peek().is_some() => children.any(|child| was_sent(&child, rejected)),
        Some(Dispatch::No) => false,
        None => !rejected && node.get::<CacheStatus>() != Some(&CacheStatus::Hit),
    }
}

/// Whether something was used here or below that has no price, or was sent without a word on what it used.
fn is_open(node: &Glance<'_>) -> bool {
    let is_sent = node.get::<Dispatch>() == Some(&Dispatch::Yes);
    let (usage, cost) = (node.get::<Usage>(), node.get::<Cost>());
    (is_sent && usage.is_none())
        || (usage.is_some() && cost.is_none())
        || node.children().any(|child| is_open(&child))
}
