use std::{
    borrow::Cow,
    hash::{BuildHasher, BuildHasherDefault, Hash, Hasher, RandomState},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

/// What a function of the request can return to say on whose account it is counted.
///
/// Texts, numbers and addresses name one account, `None` names none: then the limit does not apply. A list names
/// several, and all of them pay.
pub trait Account {
    /// Tells the name of each account.
    fn each(&self, tell: &mut dyn FnMut(&str));
}

impl<A: Account> Account for Option<A> {
    fn each(&self, tell: &mut dyn FnMut(&str)) {
        if let Some(account) = self {
            account.each(tell);
        }
    }
}

impl<A: Account> Account for Vec<A> {
    fn each(&self, tell: &mut dyn FnMut(&str)) {
        for account in self {
            account.each(tell);
        }
    }
}

macro_rules! by_text {
    ($($Text:ty),+) => {
        $(impl Account for $Text {
            fn each(&self, tell: &mut dyn FnMut(&str)) {
                tell(self);
            }
        })+
    };
}

macro_rules! by_display {
    ($($Shown:ty),+) => {
        $(impl Account for $Shown {
            fn each(&self, tell: &mut dyn FnMut(&str)) {
                tell(&self.to_string());
            }
        })+
    };
}

by_text!(&str, String, Box<str>, Arc<str>, Cow<'_, str>);
by_display!(u8, u16, u32, u64, u128, usize, i32, i64);
by_display!(IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr);

/// An account of a limit, as the tables in memory know it.
///
/// It is 128 bits of a hash under keys that only this process knows: two accounts that share one are not to be found, by
/// chance or on purpose, and no caller's name is kept, however long it is.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) struct AccountId(u64, u64);

impl AccountId {
    /// As good as random.
    pub(crate) const fn prefix(self) -> u64 {
        self.0
    }
}

impl Hash for AccountId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0);
    }
}

/// Makes [`AccountId`]s.
pub(crate) struct AccountIds(RandomState, RandomState);

impl AccountIds {
    pub(crate) fn new() -> Self {
        Self(RandomState::new(), RandomState::new())
    }

    pub(crate) fn of(&self, limit: impl Hash, subject: Subject<'_>) -> AccountId {
        self.hash((limit, subject))
    }

    pub(crate) fn hash(&self, account: impl Hash) -> AccountId {
        AccountId(self.0.hash_one(&account), self.1.hash_one(&account))
    }
}

/// Who pays, of one limit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject<'a> {
    /// Within whose names, if others give the same ones.
    pub(crate) within: Option<&'a str>,
    /// None for all those who have no name.
    pub(crate) account: Option<&'a str>,
    /// Where each model has an account of its own.
    pub(crate) model: Option<&'a str>,
}

impl Subject<'_> {
    /// As one text; two subjects of a limit never have the same.
    pub(crate) fn text(self) -> Arc<str> {
        let Self { within, model, .. } = self;
        let account = self.account.unwrap_or_default();
        let length = account.len();
        match (within.map(|it| (it.len(), it)), model) {
            (None, None) => account.into(),
            (None, Some(model)) => format!("{length}:{account}{model}").into(),
            (Some((long, within)), None) => format!("{long}:{within}{account}").into(),
            (Some((long, within)), Some(model)) => {
                format!("{long}:{within}{length}:{account}{model}").into()
            }
        }
    }
}

/// Short, since each request pays for it: a text ends with a byte that is in no text, and so do these begin.
impl Hash for Subject<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        if let Some(within) = self.within {
            state.write_u8(0xfc);
            within.hash(state);
        }
        match (self.account, self.model) {
            (Some(account), None) => account.hash(state),
            (None, None) => state.write_u8(0xfe),
            (account, Some(model)) => {
                state.write_u8(0xfd);
                account.hash(state);
                model.hash(state);
            }
        }
    }
}

/// For keys that are hashes already.
pub(crate) type Hashed = BuildHasherDefault<First>;

#[derive(Default)]
pub(crate) struct First(u64);

impl Hasher for First {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("an account's id is one number")
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}
