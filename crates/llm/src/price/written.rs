use serde::Deserialize;

use super::{Dollars, Price, Rates};

/// A price as it is written down, its amounts in dollars or in nano-dollars.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written<D> {
    #[serde(flatten)]
    rates: WrittenRates<D>,
    per_request: Option<D>,
    #[serde(default = "Vec::new")]
    above: Vec<WrittenTier<D>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenTier<D> {
    tokens: u64,
    #[serde(flatten)]
    rates: WrittenRates<D>,
}

#[derive(Deserialize)]
struct WrittenRates<D> {
    input: Option<D>,
    cache_read: Option<D>,
    cache_write: Option<D>,
    cache_write_1h: Option<D>,
    output: Option<D>,
    reasoning: Option<D>,
}

impl<D: Into<Dollars>> From<Written<D>> for Price {
    fn from(written: Written<D>) -> Self {
        let fee = written.per_request.map(Into::into).unwrap_or_default();
        let price = Self::new(written.rates.into()).per_request(fee);
        let above = written.above.into_iter();
        above.fold(price, |price, tier| {
            price.above(tier.tokens, tier.rates.into())
        })
    }
}

impl<D: Into<Dollars>> From<WrittenRates<D>> for Rates {
    fn from(written: WrittenRates<D>) -> Self {
        Self {
            input: written.input.map(Into::into),
            cache_read: written.cache_read.map(Into::into),
            cache_write: written.cache_write.map(Into::into),
            cache_write_1h: written.cache_write_1h.map(Into::into),
            output: written.output.map(Into::into),
            reasoning: written.reasoning.map(Into::into),
        }
    }
}
