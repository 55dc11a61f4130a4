use std::hash::{Hash, Hasher};

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

impl Claim<'_> {
    /// Its name in the bank: no two claims have the same, whatever their parts are.
    pub(super) fn text(&self) -> String {
        let Self {
            scope,
            account,
            name,
            ..
        } = self;
        format!("{}:{scope},{}:{account},{name}", scope.len(), account.len())
    }
}

/// What a hash map knows it by: its parts without the budget.
impl Hash for Claim<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.scope, self.account, self.name).hash(state);
    }
}

/// The scope, account and name in a text.
pub(super) fn split(text: &str) -> Option<(&str, &str, &str)> {
    let (scope, rest) = part(text)?;
    let (account, name) = part(rest)?;
    Some((scope, account, name))
}

fn part(text: &str) -> Option<(&str, &str)> {
    let (length, rest) = text.split_once(':')?;
    let (part, rest) = rest.split_at_checked(length.parse().ok()?)?;
    Some((part, rest.strip_prefix(',')?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tollgate_core::fact::{Cost, Period};

    use super::*;

    proptest! {
        #[test]
        fn a_text_tells_its_parts(scope in "[0-9:,a]{0,6}", account in "[0-9:,é]{0,6}", name in "[0-9:,]{0,6}") {
            let budget = Budget::hard(Cost::from_nanos(1), Period::Day);
            let claim = Claim { scope: &scope, account: &account, name: &name, budget: &budget };

            let text = claim.text();
            prop_assert_eq!(split(&text), Some((&*scope, &*account, &*name)));
        }
    }
}
