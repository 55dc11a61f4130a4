//! What usage costs, and what is known of models.

use std::path::PathBuf;

use proptest::prelude::*;
use serde_json::Value;
use tollgate_core::fact::{Abilities, Usage};
use tollgate_llm::{
    Dollars, DollarsError, ModelInfo, ModelKind, Price, PriceError, Prices, Rates, TokenKind,
};

fn rates([input, read, write, hour, output, reasoning]: [Option<u64>; 6]) -> Rates {
    let dollars = |nanos: Option<u64>| nanos.map(Dollars::from_nanos);
    Rates {
        input: dollars(input),
        cache_read: dollars(read),
        cache_write: dollars(write),
        cache_write_1h: dollars(hour),
        output: dollars(output),
        reasoning: dollars(reasoning),
    }
}

fn usage(
    [
        input,
        cache_read,
        cache_write,
        cache_write_1h,
        output,
        reasoning,
    ]: [u64; 6],
) -> Usage {
    Usage {
        input,
        cache_read,
        cache_write,
        cache_write_1h,
        output,
        reasoning,
        estimated: false,
    }
}

/// Rates of which input and output are known.
fn some_rates() -> impl Strategy<Value = Rates> {
    // Cheap and dear ones, so that a tier is often far below another.
    let rate = prop_oneof![0..1000_u64, 0..100_000_000_000_u64];
    let maybe = || proptest::option::of(rate.clone());
    let all = (
        rate.clone(),
        maybe(),
        maybe(),
        maybe(),
        rate.clone(),
        maybe(),
    );
    all.prop_map(|(input, read, write, hour, output, reasoning)| {
        rates([Some(input), read, write, hour, Some(output), reasoning])
    })
}

fn some_price() -> impl Strategy<Value = Price> {
    let tiers = proptest::collection::vec((0..3000_u64, some_rates()), 0..3);
    (some_rates(), tiers, 0..1_000_000_u64).prop_map(|(base, tiers, fee)| {
        let price = Price::new(base).per_request(Dollars::from_nanos(fee));
        let tiers = tiers.into_iter();
        tiers.fold(price, |price, (tokens, rates)| price.above(tokens, rates))
    })
}

proptest! {
    #[test]
    fn a_cost_is_the_sum_of_its_parts_rounded_up_once(
        prices in proptest::array::uniform6(0..100_000_000_000_u64),
        used in proptest::array::uniform6(0..10_000_000_u64),
    ) {
        let mut used = used;
        used[5] = used[5].min(used[4]);

        let cost = Price::new(rates(prices.map(Some))).cost(&usage(used)).unwrap();

        used[4] -= used[5];
        let millionths: u128 = prices.iter().zip(used).map(|(&price, used)| u128::from(price) * u128::from(used)).sum();
        let nanos = u128::try_from(cost.nanos()).unwrap();
        prop_assert!(nanos * 1_000_000 >= millionths);
        prop_assert!(nanos * 1_000_000 < millionths + 1_000_000);
    }

    #[test]
    fn no_usage_within_the_bounds_costs_more_than_the_worst(
        price in some_price(),
        used in proptest::array::uniform6(prop_oneof![Just(0), 0..1500_u64]),
        spare in (prop_oneof![Just(0), 0..2000_u64], prop_oneof![Just(0), 0..2000_u64]),
    ) {
        let used = usage(used);

        let worst = price.worst(used.total_input() + spare.0, used.output + spare.1).unwrap();

        if let Ok(cost) = price.cost(&used) {
            prop_assert!(cost <= worst, "{cost:?} {worst:?}");
        }
    }

    #[test]
    fn numbers_of_any_size_cost_something_or_are_refused(
        prices in proptest::array::uniform6(proptest::option::of(any::<u64>())),
        used in proptest::array::uniform6(any::<u64>()),
        fee: u64,
    ) {
        let price = Price::new(rates(prices)).above(used[0], rates(prices)).per_request(Dollars::from_nanos(fee));

        let cost = price.cost(&usage(used));
        let worst = price.worst(used[0], used[4]);

        for cost in [cost, worst].into_iter().flatten() {
            prop_assert!(cost.nanos() >= 0);
        }
    }

    #[test]
    fn an_amount_is_read_as_it_is_written(nanos: u64) {
        let dollars = Dollars::from_nanos(nanos);

        prop_assert_eq!(dollars.to_string().parse(), Ok(dollars));
    }

    #[test]
    fn a_number_in_a_configuration_is_what_its_text_says(micros in 0..1_000_000_000_000_u64) {
        let text = Dollars::from_nanos(micros * 1000).to_string();

        let number: Dollars = serde_json::from_str(&text).unwrap();

        prop_assert_eq!(number.nanos(), micros * 1000);
    }

    #[test]
    fn no_text_of_an_amount_panics(text in "[-0-9.e ]{0,40}|\\PC*") {
        let _ = text.parse::<Dollars>();
    }
}

#[test]
fn what_is_not_known_is_not_free() {
    let price = Price::new(rates([Some(1), None, None, None, Some(1), None]));
    for (used, expected) in [
        ([0, 1, 0, 0, 0, 0], Err(TokenKind::CacheRead)),
        ([0, 0, 1, 0, 0, 0], Err(TokenKind::CacheWrite)),
        ([0, 0, 0, 1, 0, 0], Err(TokenKind::CacheWrite1h)),
        ([1, 0, 0, 0, 0, 0], Ok(1)),
        ([0, 0, 0, 0, 9, 9], Ok(1)),
        ([0, 0, 0, 0, 0, 0], Ok(0)),
    ] {
        let cost = price.cost(&usage(used)).map(|cost| cost.nanos());
        let expected = expected.map_err(|kind| PriceError::Unknown { kind });
        assert_eq!(cost, expected, "{used:?}");
    }

    let unknown = Price::new(rates([None, Some(5), None, None, None, Some(5)]));
    for (bounds, kind) in [((1, 0), TokenKind::Input), ((0, 1), TokenKind::Output)] {
        let worst = unknown.worst(bounds.0, bounds.1);
        assert_eq!(worst, Err(PriceError::Unknown { kind }));
        assert_eq!(kind.as_str().len(), 5 + usize::from(bounds.1 == 1));
    }
}

#[test]
fn reasoning_costs_what_output_costs_unless_it_has_a_rate() {
    let million = usage([0, 0, 0, 0, 1_000_000, 400_000]);
    let cost = |reasoning| {
        let price = Price::new(rates([None, None, None, None, Some(10), reasoning]));
        price.cost(&million).unwrap().nanos()
    };

    assert_eq!((cost(None), cost(Some(5)), cost(Some(0))), (10, 8, 6));
}

#[test]
fn a_tier_holds_for_the_whole_request_and_counts_cached_input() {
    let price = Price::new(rates([Some(1_000_000), Some(0), None, None, Some(0), None]))
        .above(
            2000,
            rates([Some(5_000_000), Some(0), None, None, None, None]),
        )
        .above(
            1000,
            rates([Some(2_000_000), Some(0), None, None, Some(9_000_000), None]),
        );
    let cost = |input, cache_read| price.cost(&usage([input, cache_read, 0, 0, 0, 0])).unwrap();

    assert_eq!(cost(1000, 0).nanos(), 1000);
    assert_eq!(cost(1001, 0).nanos(), 2002);
    assert_eq!(cost(1, 1000).nanos(), 2);
    assert_eq!(cost(2001, 0).nanos(), 10_005);
    let cheaper = price
        .clone()
        .above(3000, rates([Some(0), Some(0), None, None, Some(0), None]));
    assert_eq!(
        cheaper.worst(4000, 0).unwrap().nanos(),
        15_000,
        "less input may cost more"
    );
    assert_eq!(price.worst(1000, 10).unwrap().nanos(), 1000);
    assert_eq!(price.worst(1500, 10).unwrap().nanos(), 3090);
    let kind = TokenKind::Output;
    let unknown = Err(PriceError::Unknown { kind });
    assert_eq!(
        price.worst(2001, 1),
        unknown,
        "a tier takes no rates from others"
    );
}

#[test]
fn what_cannot_be_held_is_refused() {
    let dear = Price::new(rates([
        Some(u64::MAX),
        Some(u64::MAX),
        None,
        None,
        Some(1),
        None,
    ]));
    let overflow = Err(PriceError::Overflow);

    assert_eq!(
        dear.cost(&usage([u64::MAX, u64::MAX, 0, 0, 0, 0])),
        overflow
    );
    assert_eq!(dear.cost(&usage([1_000_000, 0, 0, 0, 0, 0])), overflow);
    assert_eq!(dear.worst(u64::MAX, u64::MAX), overflow);
    let fee = Price::new(Rates::default()).per_request(Dollars::from_nanos(u64::MAX));
    assert_eq!(fee.cost(&Usage::default()), overflow);
}

#[test]
fn amounts_that_are_none_are_refused_with_the_reason() {
    for (text, expected) in [
        ("2.5", Ok(2_500_000_000)),
        ("0.000000001", Ok(1)),
        ("1.10000000000000", Ok(1_100_000_000)),
        ("18446744073.709551615", Ok(u64::MAX)),
        ("18446744073.709551616", Err(DollarsError::TooLarge)),
        ("99999999999999999999999", Err(DollarsError::TooLarge)),
        ("0.0000000001", Err(DollarsError::TooPrecise)),
        ("-1", Err(DollarsError::Negative)),
        ("NaN", Err(DollarsError::NotDecimal)),
        ("1e3", Err(DollarsError::NotDecimal)),
        ("1.", Err(DollarsError::NotDecimal)),
        (".5", Err(DollarsError::NotDecimal)),
        ("+1", Err(DollarsError::NotDecimal)),
        ("1.2.3", Err(DollarsError::NotDecimal)),
        ("", Err(DollarsError::NotDecimal)),
    ] {
        assert_eq!(text.parse().map(Dollars::nanos), expected, "{text}");
    }
}

#[test]
fn a_price_is_configured_in_dollars_for_a_million_tokens() {
    let price: Price = toml::from_str(
        r#"
        input = 2.5
        output = "10"
        cache_read = 1
        per_request = 0.005
        above = [{ tokens = 200_000, input = 0.1, output = 15 }]
        "#,
    )
    .unwrap();

    let expected = Price::new(rates([
        Some(2_500_000_000),
        Some(1_000_000_000),
        None,
        None,
        Some(10_000_000_000),
        None,
    ]))
    .per_request(Dollars::from_nanos(5_000_000))
    .above(
        200_000,
        rates([
            Some(100_000_000),
            None,
            None,
            None,
            Some(15_000_000_000),
            None,
        ]),
    );
    assert_eq!(price, expected);
    for wrong in [
        "input = -1",
        "input = -0.5",
        "input = nan",
        "input = inf",
        "input = 1e-10",
        "input = 1e300",
        "input = true",
        "inputs = 1",
        "above = [{ tokens = 1, cahce_read = 1 }]",
        "above = [{ input = 1 }]",
    ] {
        assert!(toml::from_str::<Price>(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn what_is_configured_goes_before_what_is_built_in() {
    let known = Prices::built_in();
    let ours: ModelInfo =
        toml::from_str("price = { input = 1 }\nabilities = { tools = true }").unwrap();

    let prices = known
        .clone()
        .with("openai", "gpt-4o", ours.clone())
        .with(
            "openai",
            "gpt-4o-2024-11-20",
            ModelInfo {
                max_output: Some(4096),
                ..ModelInfo::default()
            },
        )
        .with("home", "own", ours.clone());

    let model = prices.get("openai", "gpt-4o").unwrap();
    assert_eq!(model.price, ours.price, "a price is taken whole");
    assert_eq!(
        (model.context_window, model.kind),
        (Some(128_000), Some(ModelKind::Chat))
    );
    assert_eq!(
        model.abilities,
        Some(Abilities {
            tools: true,
            ..Abilities::default()
        })
    );
    let dated = prices.get("openai", "gpt-4o-2024-11-20").unwrap();
    assert_eq!((dated.max_output, &dated.price), (Some(4096), &ours.price));
    assert_eq!(prices.get("openai", "gpt-4o-2024-08-06"), Some(model));
    assert_eq!(prices.get("home", "own"), Some(&ours));
    for (provider, name) in [
        ("openai", "gpt-4o-mini-x"),
        ("openai", "gpt-4"),
        ("nobody", "gpt-4o"),
        ("", ""),
    ] {
        assert_eq!(prices.get(provider, name), None, "{provider} {name}");
    }
    assert_ne!(known.get("openai", "gpt-4o").unwrap().price, ours.price);
}

#[test]
fn a_date_that_costs_more_than_the_model_does_now_is_known_by_itself() {
    let prices = Prices::built_in();
    for provider in ["openai", "azure"] {
        let price = |model| prices.get(provider, model).unwrap().price.clone().unwrap();
        let worst = |model| price(model).worst(1000, 1000).unwrap();
        assert!(worst("gpt-4o-2024-05-13") > worst("gpt-4o"), "{provider}");
    }
}

#[test]
fn every_built_in_price_bounds_what_fills_the_window() {
    assert_eq!(Prices::built_in_date(), "2026-11-23");
    for (provider, name, info) in Prices::built_in().iter() {
        let Some(price) = &info.price else { continue };
        let (window, output) = (info.context_window.unwrap(), info.max_output.unwrap_or(0));

        let worst = price.worst(window, output).unwrap();

        let cost = price
            .cost(&usage([window, 0, 0, 0, output, output]))
            .unwrap();
        assert!(worst >= cost && cost.nanos() > 0, "{provider} {name}");
        assert!(
            worst.nanos() < 500_000_000_000,
            "{provider} {name} cannot cost $500"
        );
    }
}

/// Reads the shared list in place, where there is one.
#[test]
fn the_built_in_table_says_what_the_shared_list_says() {
    let shared = std::env::var_os("TOLLGATE_SHARED_DATA").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data")),
        PathBuf::from,
    );
    let Ok(list) = std::fs::read(shared.join("model-prices.json")) else {
        eprintln!("passed over: there is no shared list of prices");
        return;
    };
    let list: Value = serde_json::from_slice(&list).unwrap();
    let models = list["models"].as_array().unwrap();
    let prices = Prices::built_in();

    for model in models {
        let (provider, id) = (
            model["provider"].as_str().unwrap(),
            model["id"].as_str().unwrap(),
        );
        let name = id.strip_prefix(&format!("{provider}/")).unwrap_or(id);
        let info = prices
            .get(provider, name)
            .unwrap_or_else(|| panic!("{id} is missing"));
        // Dollars a token, as text: fifteen places on are nano-dollars a million tokens.
        let nanos = |value: &Value| {
            let text = format!("{:.16}", value.as_f64()?);
            let (nanos, rest) = text.split_at(text.len() - 1);
            assert_eq!(rest, "0", "{id}");
            Some(nanos.replace('.', "").parse::<u64>().unwrap())
        };
        let expected = [
            "input",
            "cache_read",
            "cache_write",
            "cache_write_1h",
            "output",
            "reasoning_output",
        ]
        .map(|field| nanos(&model[field]));
        let ours = |rates: &Rates| {
            [
                rates.input,
                rates.cache_read,
                rates.cache_write,
                rates.cache_write_1h,
                rates.output,
                rates.reasoning,
            ]
            .map(|rate| rate.map(Dollars::nanos))
        };
        match &info.price {
            Some(price) => {
                assert_eq!(ours(price.rates(0)), expected, "{id}");
                let long = price.rates(u64::MAX);
                for (key, value) in model["tiers"].as_object().into_iter().flatten() {
                    let Some(key) = key.strip_suffix("k_tokens") else {
                        continue;
                    };
                    let (key, mark) = key.rsplit_once("_above_").unwrap();
                    let mark = mark.parse::<u64>().unwrap() * 1000;
                    assert_eq!(price.rates(mark), price.rates(0), "{id}");
                    assert_eq!(price.rates(mark + 1), long, "{id}");
                    let index = match key {
                        "input_cost_per_token" => 0,
                        "cache_read_input_token_cost" => 1,
                        "cache_creation_input_token_cost" => 2,
                        "cache_creation_input_token_cost_above_1hr" => 3,
                        "output_cost_per_token" => 4,
                        key => panic!("{key}"),
                    };
                    assert_eq!(ours(long)[index], nanos(value), "{id} {key}");
                }
            }
            // Nobody gives chats away: zeros for all are as good as no word.
            None => assert!(expected.iter().flatten().all(|&rate| rate == 0), "{id}"),
        }
        assert_eq!(
            info.context_window,
            model["context_window"].as_u64(),
            "{id}"
        );
        assert_eq!(info.max_output, model["max_output"].as_u64(), "{id}");
        assert_eq!(
            info.kind == Some(ModelKind::Embeddings),
            model["mode"] == "embedding",
            "{id}"
        );
    }
    // Ours alone: a snapshot that is dearer than the model whose name it begins with, at two providers.
    let own = prices
        .iter()
        .filter(|(_, model, _)| *model == "gpt-4o-2024-05-13");
    assert_eq!(prices.iter().count() - own.count(), models.len());
}
