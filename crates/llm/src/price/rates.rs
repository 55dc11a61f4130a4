use super::{Dollars, PriceError};

/// What a million tokens of each kind cost; nothing where that is not known.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Rates {
    /// Input that was neither read from nor written to the provider's cache.
    pub input: Option<Dollars>,
    /// Input read from the provider's cache.
    pub cache_read: Option<Dollars>,
    /// Input written to the provider's cache, to be kept for minutes.
    pub cache_write: Option<Dollars>,
    /// Input written to the provider's cache, to be kept for an hour.
    pub cache_write_1h: Option<Dollars>,
    /// Output.
    pub output: Option<Dollars>,
    /// The part of the output that was reasoning; as the rest of it where there is no rate.
    pub reasoning: Option<Dollars>,
}

impl Rates {
    /// The rate of this kind of token.
    #[must_use]
    pub fn get(&self, kind: TokenKind) -> Option<Dollars> {
        match kind {
            TokenKind::Input => self.input,
            TokenKind::CacheRead => self.cache_read,
            TokenKind::CacheWrite => self.cache_write,
            TokenKind::CacheWrite1h => self.cache_write_1h,
            TokenKind::Output => self.output,
            TokenKind::Reasoning => self.reasoning.or(self.output),
        }
    }

    /// The dearest rates that input and output may come to, where those of input and output are known.
    pub(super) fn dearest(&self) -> Self {
        let cached = [self.cache_read, self.cache_write, self.cache_write_1h];
        let dearest_input = cached.into_iter().fold(self.input, Option::max);
        Self {
            input: self.input.and(dearest_input),
            output: self.output.and(self.output.max(self.reasoning)),
            ..Self::default()
        }
    }

    /// What these tokens cost, in millionths of nano-dollars.
    pub(super) fn amount<const N: usize>(
        &self,
        used: [(TokenKind, u64); N],
    ) -> Result<u128, PriceError> {
        let mut sum = 0_u128;
        for (kind, tokens) in used.into_iter().filter(|&(_, tokens)| tokens > 0) {
            let rate = self.get(kind).ok_or(PriceError::Unknown { kind })?;
            let amount = u128::from(tokens) * u128::from(rate.nanos());
            sum = sum.checked_add(amount).ok_or(PriceError::Overflow)?;
        }
        Ok(sum)
    }
}

/// A kind of token that has a price of its own.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum TokenKind {
    /// Input that was neither read from nor written to the provider's cache.
    Input,
    /// Input read from the provider's cache.
    CacheRead,
    /// Input written to the provider's cache, to be kept for minutes.
    CacheWrite,
    /// Input written to the provider's cache, to be kept for an hour.
    CacheWrite1h,
    /// Output that was not reasoning.
    Output,
    /// Output that was reasoning.
    Reasoning,
}

impl TokenKind {
    /// The kind as a label, such as `cache_read`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::CacheRead => "cache_read",
            Self::CacheWrite => "cache_write",
            Self::CacheWrite1h => "cache_write_1h",
            Self::Output => "output",
            Self::Reasoning => "reasoning",
        }
    }
}
