use std::{fmt, sync::Arc};

use tokio::sync::watch;
use tollgate_core::fact::{Cost, Usage};

use crate::{Dialect, ModelInfo, Price, PriceError, Prices};

/// What a call is billed by: the price that it was begun at, or that of its end if that is dearer. Who holds money for it
/// cannot know which of them the provider goes by.
pub(crate) struct Tariff {
    price: Option<Price>,
    later: Option<Later>,
}

/// Where the price of the end is found.
struct Later {
    prices: watch::Receiver<Prices>,
    endpoint: Arc<str>,
    dialect: Dialect,
    model: Arc<str>,
}

impl Tariff {
    /// What is known now of an endpoint's model, without its price, which is that of now or of the end.
    pub(crate) fn watch(
        prices: &watch::Receiver<Prices>,
        endpoint: &Arc<str>,
        dialect: Dialect,
        model: &Arc<str>,
    ) -> (ModelInfo, Self) {
        let info = |prices: &Prices| prices.at(endpoint, dialect, model).cloned();
        let (info, later) = if prices.has_changed().is_err() {
            (info(&prices.borrow()), None) // Nobody can change them any more.
        } else {
            let mut prices = prices.clone();
            let info = info(&prices.borrow_and_update());
            let later = Later {
                prices,
                endpoint: Arc::clone(endpoint),
                dialect,
                model: Arc::clone(model),
            };
            (info, Some(later))
        };
        let mut info = info.unwrap_or_default();
        let price = info.price.take();
        (info, Self { price, later })
    }

    /// What this usage costs, if there is a price.
    pub(crate) fn cost(&self, usage: &Usage) -> Option<Result<Cost, PriceError>> {
        let cost = self.price.as_ref()?.cost(usage);
        let later = self.later.as_ref().and_then(Later::price);
        let Some(later) = later else {
            return Some(cost);
        };
        Some(cost.and_then(|cost| Ok(cost.max(later.cost(usage)?))))
    }
}

impl Later {
    /// The price of now, if it may be another.
    fn price(&self) -> Option<Price> {
        if let Ok(false) = self.prices.has_changed() {
            return None;
        }
        let prices = self.prices.borrow();
        let info = prices.at(&self.endpoint, self.dialect, &self.model)?;
        info.price.clone()
    }
}

impl From<Option<Price>> for Tariff {
    fn from(price: Option<Price>) -> Self {
        Self { price, later: None }
    }
}

impl fmt::Debug for Tariff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tariff")
            .field("price", &self.price)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rates;

    #[test]
    fn what_becomes_dearer_on_the_way_is_billed_so_and_what_becomes_cheaper_is_not() {
        let prices = |dollars: &str| {
            let rate = Some(dollars.parse().unwrap());
            let price = Price::new(Rates {
                input: rate,
                output: rate,
                ..Rates::default()
            });
            let info = ModelInfo {
                price: Some(price),
                ..ModelInfo::default()
            };
            Prices::new().with("p", "m", info)
        };
        let (sender, receiver) = watch::channel(prices("2"));
        let usage = Usage {
            output: 1_000_000,
            ..Usage::default()
        };
        let tariff = || Tariff::watch(&receiver, &"p".into(), Dialect::OpenAi, &"m".into()).1;
        let dollars =
            |tariff: &Tariff| tariff.cost(&usage).unwrap().unwrap().nanos() / 1_000_000_000;
        let open = tariff();

        for (now, open_costs, new_costs) in [("2", 2, 2), ("5", 5, 5), ("1", 2, 1)] {
            sender.send(prices(now)).unwrap();
            assert_eq!(
                (dollars(&open), dollars(&tariff())),
                (open_costs, new_costs)
            );
        }
        sender.send(Prices::new()).unwrap();
        assert_eq!(dollars(&open), 2, "nobody says that it is dearer");
        sender.send(prices("7")).unwrap();
        drop(sender);
        assert_eq!((dollars(&open), dollars(&tariff())), (7, 7));
    }
}
