use std::sync::Arc;

use tollgate_quota::RateAccount;

/// The names of keys. What comes from callers is hashed, so that no text can be taken for another or for syntax; the part in
/// braces says where a cluster keeps it.
#[derive(Clone, Debug)]
pub(crate) struct Keys(Arc<str>);

impl Keys {
    /// # Panics
    /// When the prefix has braces.
    pub(crate) fn new(prefix: impl Into<Arc<str>>) -> Self {
        let prefix = prefix.into();
        assert!(
            !prefix.contains(['{', '}']),
            "a prefix of keys has no braces"
        );
        Self(prefix)
    }

    /// Of a rate. All of a tenant are in one place.
    pub(crate) fn rate(&self, account: &RateAccount) -> String {
        let RateAccount {
            tenant,
            limit,
            account,
        } = account;
        let place = digest(&[tenant]);
        let all = digest(&[tenant, limit, account]);
        format!("{}:{{{}}}:{all}", self.0, &place[..16])
    }

    /// Of a budget's window.
    pub(crate) fn budget(&self, account: &str, window: u64) -> String {
        format!("{}:b:{{{}}}:{window}", self.0, digest(&[account]))
    }
}

impl Default for Keys {
    fn default() -> Self {
        Self::new("tollgate")
    }
}

/// Each part goes in after its length, so that different parts are different bytes.
fn digest(parts: &[&str]) -> String {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    hasher.finalize().to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn different_accounts_have_different_keys(a in parts(), b in parts()) {
            let keys = Keys::default();
            let account = |[tenant, limit, account]: &[String; 3]| RateAccount {
                tenant: tenant.as_str().into(),
                limit: limit.as_str().into(),
                account: account.as_str().into(),
            };
            let (first, second) = (keys.rate(&account(&a)), keys.rate(&account(&b)));

            prop_assert_eq!(a == b, first == second);
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b":{}".contains(&byte);
            prop_assert_eq!(first.bytes().find(|&byte| !plain(byte)), None);
            prop_assert_eq!(place(&first) == place(&second), a[0] == b[0]);
        }
    }

    #[test]
    fn a_budget_is_no_rate() {
        let keys = Keys::default();
        let account = RateAccount {
            tenant: "b".into(),
            limit: "b".into(),
            account: "1".into(),
        };

        assert!(keys.budget("b", 1).starts_with("tollgate:b:{"));
        assert!(keys.rate(&account).starts_with("tollgate:{"));
    }

    /// Few letters, so that parts are often the same when they are put together.
    fn parts() -> impl Strategy<Value = [String; 3]> {
        let part = || "[a:{}\\n\u{e9}]{0,3}";
        [part(), part(), part()]
    }

    fn place(key: &str) -> &str {
        let (_, rest) = key.split_once('{').unwrap();
        rest.split_once('}').unwrap().0
    }
}
