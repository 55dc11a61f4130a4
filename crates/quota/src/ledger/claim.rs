use crate::Budget;

/// Which budget a hold is paid from. The parts may be any text.
///
/// ```
/// use tollgate_core::fact::{Cost, Period};
/// use tollgate_quota::{Budget, Claim};
///
/// let budget = Budget::hard(Cost::from_nanos(50_000_000_000), Period::Month);
/// let claim = Claim { scope: "team", account: "search", name: "monthly", budget: &budget };
/// # let _ = claim;
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    /// What kind of account it is.
    pub scope: &'a str,
    /// The account.
    pub account: &'a str,
    /// The budget's own name: an account can have several.
    pub name: &'a str,
    /// How much there is.
    pub budget: &'a Budget,
}

impl<'a> Claim<'a> {
    /// The accounts that pay for it: a strict budget has two.
    pub(super) fn keys(&self) -> impl Iterator<Item = Key<'a>> + use<'a> {
        let Self {
            scope,
            account,
            name,
            budget,
        } = *self;
        let key = move |is_odd| Key {
            scope,
            account,
            name,
            is_odd,
        };
        let odd = budget.strictness().map(|_| key(true));
        std::iter::once(key(false)).chain(odd)
    }
}

/// What an account is known by.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) struct Key<'a> {
    pub(super) scope: &'a str,
    pub(super) account: &'a str,
    pub(super) name: &'a str,
    /// Whether it is the second account of a strict budget.
    pub(super) is_odd: bool,
}

impl<'a> Key<'a> {
    /// Its name in the bank: no two have the same, whatever their parts are.
    pub(super) fn text(&self) -> String {
        let Self {
            scope,
            account,
            name,
            is_odd,
        } = self;
        let then = if *is_odd { ODD } else { EVEN };
        format!(
            "{}:{scope}{EVEN}{}:{account}{then}{name}",
            scope.len(),
            account.len()
        )
    }

    /// The key in a text.
    pub(super) fn of(text: &'a str) -> Option<Self> {
        let (scope, rest) = part(text)?;
        let (account, rest) = part(rest.strip_prefix(EVEN)?)?;
        let (name, is_odd) = match rest.strip_prefix(ODD) {
            Some(name) => (name, true),
            None => (rest.strip_prefix(EVEN)?, false),
        };
        Some(Self {
            scope,
            account,
            name,
            is_odd,
        })
    }
}

fn part(text: &str) -> Option<(&str, &str)> {
    let (length, rest) = text.split_once(':')?;
    rest.split_at_checked(length.parse().ok()?)
}

const EVEN: char = ',';
const ODD: char = ';';

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_text_tells_its_parts(
            scope in "[0-9:,;a]{0,6}",
            account in "[0-9:,;é]{0,6}",
            name in "[0-9:,;]{0,6}",
            is_odd: bool,
        ) {
            let key = Key { scope: &scope, account: &account, name: &name, is_odd };

            let text = key.text();
            prop_assert_eq!(Key::of(&text), Some(key));
        }
    }
}
