use std::sync::LazyLock;

use serde::Deserialize;

use super::{Dollars, ModelInfo, ModelKind, Price, Prices, written::Written};

/// The table that this crate ships.
pub(super) fn prices() -> &'static Prices {
    &BUILT_IN.prices
}

/// The day of that table.
pub(super) fn date() -> &'static str {
    &BUILT_IN.date
}

struct BuiltIn {
    date: String,
    prices: Prices,
}

impl From<File> for BuiltIn {
    fn from(file: File) -> Self {
        let models = file.models.into_iter();
        let prices = models.fold(Prices::new(), |prices, row| {
            let info = ModelInfo {
                kind: Some(row.kind),
                price: row.price.map(Price::from),
                context_window: row.context_window,
                max_output: row.max_output,
                abilities: None, // No public list says these reliably.
            };
            prices.with(row.provider, row.model, info)
        });
        Self {
            date: file.date,
            prices,
        }
    }
}

#[derive(Deserialize)]
struct File {
    date: String,
    models: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    provider: String,
    model: String,
    kind: ModelKind,
    price: Option<Written<Nanos>>,
    context_window: Option<u64>,
    max_output: Option<u64>,
}

#[derive(Deserialize)]
#[serde(transparent)]
struct Nanos(u64);

impl From<Nanos> for Dollars {
    fn from(Nanos(nanos): Nanos) -> Self {
        Self::from_nanos(nanos)
    }
}

static BUILT_IN: LazyLock<BuiltIn> = LazyLock::new(|| {
    let file = include_str!("../../data/models.json");
    let file: File = serde_json::from_str(file).expect("the shipped table is well-formed");
    file.into()
});
