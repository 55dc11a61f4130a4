/// What becomes of a shared rate while its store is away.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Away {
    /// Requests are answered with `503` and `rates_unavailable`.
    #[default]
    Deny,
    /// This process keeps its share of the rate, one of so many.
    LocalShare(u32),
    /// Nothing is counted.
    Allow,
}

impl Away {
    /// The answer as a word: `deny`, `local-share` or `allow`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deny => "deny",
            Self::LocalShare(_) => "local-share",
            Self::Allow => "allow",
        }
    }
}
