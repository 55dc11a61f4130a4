mod built_in;
mod info;
mod prices;
mod rates;
mod written;

use std::{fmt, sync::Arc};

use serde::Deserialize;
use tollgate_core::fact::{Cost, Usage};
pub use tollgate_core::fact::{Dollars, DollarsError};

use self::written::Written;
pub use self::{
    info::{ModelInfo, ModelKind},
    prices::Prices,
    rates::{Rates, TokenKind},
};

/// What a provider asks for a model: rates for each kind of token, other rates for long inputs, and a fee.
///
/// In a configuration it is written in decimal dollars, the rates for a million tokens: `input = 2.5`, `output = 10`,
/// `per_request = 0.005`, `above = [{ tokens = 200_000, input = 5, output = 15 }]`.
///
/// ```
/// use tollgate_core::fact::Usage;
/// use tollgate_llm::{Price, Rates};
///
/// let price = Price::new(Rates {
///     input: Some("2.50".parse().unwrap()),
///     output: Some("10".parse().unwrap()),
///     ..Rates::default()
/// });
/// let usage = Usage { input: 1000, output: 200, ..Usage::default() };
///
/// assert_eq!(price.cost(&usage).unwrap().nanos(), 4_500_000); // 0.45 cents
/// ```
#[derive(Clone, Debug, Eq, PartialEq, Deserialize)]
#[serde(from = "Written<Dollars>")]
pub struct Price {
    rates: Rates,
    above: Arc<[Tier]>,
    per_request: Dollars,
}

impl Price {
    /// A price without a fee, whose rates hold for inputs of any length.
    #[must_use]
    pub fn new(rates: Rates) -> Self {
        Self {
            rates,
            above: Arc::default(),
            per_request: Dollars::default(),
        }
    }

    /// Sets the rates of requests with more than so many tokens of input, cached ones included. They hold for the whole
    /// request, and a rate that is not among them is not known for it.
    #[must_use]
    pub fn above(mut self, tokens: u64, rates: Rates) -> Self {
        let others = self.above.iter().filter(|tier| tier.tokens != tokens);
        let mut above: Vec<_> = others.copied().collect();
        above.push(Tier { tokens, rates });
        above.sort_by_key(|tier| tier.tokens);
        self.above = above.into();
        self
    }

    /// Sets what each request costs besides its tokens, even if it uses none.
    #[must_use]
    pub fn per_request(mut self, fee: Dollars) -> Self {
        self.per_request = fee;
        self
    }

    /// The rates of a request with so many tokens of input, cached ones included.
    #[must_use]
    pub fn rates(&self, input: u64) -> &Rates {
        let tier = self.above.iter().rfind(|tier| input > tier.tokens);
        tier.map_or(&self.rates, |tier| &tier.rates)
    }

    /// What this usage costs: the sum of its parts, rounded up once, to a nano-dollar.
    ///
    /// Reasoning is a part of the output, and costs as much if it has no rate of its own.
    ///
    /// # Errors
    ///
    /// If tokens of a kind were used whose rate is not known, or the cost cannot be held.
    pub fn cost(&self, usage: &Usage) -> Result<Cost, PriceError> {
        let rates = self.rates(usage.total_input());
        let reasoning = usage.reasoning.min(usage.output);
        let amount = rates.amount([
            (TokenKind::Input, usage.input),
            (TokenKind::CacheRead, usage.cache_read),
            (TokenKind::CacheWrite, usage.cache_write),
            (TokenKind::CacheWrite1h, usage.cache_write_1h),
            (TokenKind::Output, usage.output - reasoning),
            (TokenKind::Reasoning, reasoning),
        ])?;
        self.round_up(amount)
    }

    /// The most that a request can cost whose input and output are not longer than this, however its input is split
    /// among kinds of known rates. It grows with both bounds, which makes it the size of a hold.
    ///
    /// # Errors
    ///
    /// If the rate of input or output is not known, or the cost cannot be held.
    pub fn worst(&self, input: u64, output: u64) -> Result<Cost, PriceError> {
        // Output may cost more where input costs less, so no tier that can be reached is left out.
        let begins = self
            .above
            .iter()
            .map(|tier| (Some(tier.tokens), &tier.rates));
        let tiers = std::iter::once((None, &self.rates)).chain(begins);
        let ends = self.above.iter().map(|tier| tier.tokens);
        let mut worst = 0;
        for ((begin, rates), end) in tiers.zip(ends.chain([u64::MAX])) {
            if begin.is_none_or(|begin| input > begin) {
                let dearest = rates.dearest();
                let longest = input.min(end);
                let amount =
                    dearest.amount([(TokenKind::Input, longest), (TokenKind::Output, output)])?;
                worst = amount.max(worst);
            }
        }
        self.round_up(worst)
    }

    /// Whether it says what tokens of this kind cost, however long the input is.
    pub(crate) fn knows(&self, kind: TokenKind) -> bool {
        let above = self.above.iter().map(|tier| &tier.rates);
        let mut tiers = std::iter::once(&self.rates).chain(above);
        tiers.all(|rates| rates.get(kind).is_some())
    }

    /// An amount in millionths of nano-dollars, and the fee, in whole ones.
    fn round_up(&self, amount: u128) -> Result<Cost, PriceError> {
        let nanos = amount.div_ceil(MILLION) + u128::from(self.per_request.nanos());
        let nanos = i64::try_from(nanos).map_err(|_| PriceError::Overflow)?;
        Ok(Cost::from_nanos(nanos))
    }
}

/// The rates of requests whose input is longer than `tokens`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Tier {
    tokens: u64,
    rates: Rates,
}

/// Why there is no cost.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum PriceError {
    /// Tokens of this kind were used, and what they cost is not known.
    Unknown {
        /// Which tokens.
        kind: TokenKind,
    },
    /// The cost is more than can be held.
    Overflow,
}

impl fmt::Display for PriceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { kind } => {
                write!(f, "the price of {} tokens is not known", kind.as_str())
            }
            Self::Overflow => f.write_str("the cost is more than can be held"),
        }
    }
}

impl std::error::Error for PriceError {}

/// Rates are for so many tokens.
const MILLION: u128 = 1_000_000;
