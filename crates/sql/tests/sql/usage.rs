use std::sync::Arc;

use jiff::civil::{Date, date};
use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, TestRunner},
};
use secrecy::SecretString;
use tollgate_quota::usage::{
    MemoryUsage, UsageBatch, UsageField, UsageKey, UsageQuery, UsageStore, UsageSums,
};
use tollgate_sql::{Database, SqlUsage};

use crate::on_both;

on_both! {
    a_batch_that_comes_again_is_not_added_again
    the_sums_are_those_that_memory_has
    sums_stop_at_the_most_that_can_be_held
    a_large_batch_is_taken_whole
}

async fn a_batch_that_comes_again_is_not_added_again(url: SecretString) {
    let stores = [open(&url).await, open(&url).await];
    let first = batch(1, 1, vec![(key("a", "m"), one())]);
    for store in [&stores[0], &stores[1], &stores[0]] {
        store.add(first.clone()).await.unwrap(); // as if the commit had gone unheard
    }
    stores[1]
        .add(batch(1, 2, vec![(key("a", "m"), one())]))
        .await
        .unwrap();
    stores[0].add(first).await.unwrap(); // late
    stores[0]
        .add(batch(2, 1, vec![(key("a", "m"), one())]))
        .await
        .unwrap();

    let rows = stores[0].query(UsageQuery::new(DAY, DAY)).await.unwrap();

    assert_eq!(rows[0].sums.requests, 3);
}

async fn the_sums_are_those_that_memory_has(url: SecretString) {
    let (sql, memory) = (open(&url).await, MemoryUsage::new());
    let mut runner = TestRunner::new(Config::default());
    for number in 1..=20 {
        let rows = proptest::collection::btree_map(any_key(), any_sums(), 0..30);
        let rows = rows.new_tree(&mut runner).unwrap().current();
        let batch = batch(1, number, rows.into_iter().collect());
        sql.add(batch.clone()).await.unwrap();
        memory.add(batch).await.unwrap();
    }

    for _ in 0..60 {
        let query = any_query().new_tree(&mut runner).unwrap().current();
        let (found, mut expected) = (
            sql.query(query.clone()).await,
            memory.query(query.clone()).await,
        );
        let (mut found, expected) = (found.unwrap(), expected.as_mut().unwrap());
        // A Postgres may order letters by its own rules.
        found.sort_by(|a, b| a.by.cmp(&b.by));
        expected.sort_by(|a, b| a.by.cmp(&b.by));
        assert_eq!(&found, expected, "{query:?}");
    }
}

async fn sums_stop_at_the_most_that_can_be_held(url: SecretString) {
    let store = open(&url).await;
    let huge = UsageSums {
        input: u64::MAX,
        output: 1,
        ..one()
    };
    for number in 1..=3 {
        let rows = vec![(key("a", "m"), huge), (key("a", "n"), huge)];
        store.add(batch(1, number, rows)).await.unwrap();
    }

    let query = UsageQuery::new(DAY, DAY);
    let each = store
        .query(query.clone().by(UsageField::Model))
        .await
        .unwrap();
    let sum = store.query(query).await.unwrap();

    let most = i64::MAX as u64;
    assert_eq!((each[0].sums.input, each[0].sums.output), (most, 3));
    assert_eq!((sum[0].sums.input, sum[0].sums.output), (2 * most, 6));
}

async fn a_large_batch_is_taken_whole(url: SecretString) {
    let store = open(&url).await;
    let rows = (0..4_096).map(|row| (key(&format!("{row:0128}"), "m"), one()));

    store.add(batch(1, 1, rows.collect())).await.unwrap();

    let rows = store.query(UsageQuery::new(DAY, DAY)).await.unwrap();
    assert_eq!(rows[0].sums.requests, 4_096);
    let none = store
        .query(UsageQuery::new(DAY, DAY).of(UsageField::Team, "'; DROP TABLE x; --"))
        .await;
    assert_eq!(none.unwrap(), []);
}

async fn open(url: &SecretString) -> SqlUsage {
    SqlUsage::new(Database::open(url).await.unwrap())
}

fn batch(reporter: u128, number: u64, rows: Vec<(UsageKey, UsageSums)>) -> Arc<UsageBatch> {
    Arc::new(UsageBatch {
        reporter,
        number,
        rows,
    })
}

fn key(team: &str, model: &str) -> UsageKey {
    UsageKey {
        day: DAY,
        org: "acme".into(),
        team: team.into(),
        user: String::new(),
        key: "key".into(),
        model: model.into(),
        provider: "openai".into(),
        served: model.into(),
    }
}

fn one() -> UsageSums {
    UsageSums {
        requests: 1,
        ..UsageSums::default()
    }
}

fn any_key() -> impl Strategy<Value = UsageKey> {
    (0..4_i8, "[ab]{0,1}", "[a'\"%é]{0,2}", "[xy]").prop_map(|(day, team, user, model)| UsageKey {
        day: date(2026, 11, 20 + day),
        user,
        ..key(&team, &model)
    })
}

fn any_sums() -> impl Strategy<Value = UsageSums> {
    (0..5_u64, any::<u32>(), 0..u64::MAX / 1_000_000).prop_map(|(requests, input, cost_nanos)| {
        UsageSums {
            requests,
            input: input.into(),
            cost_nanos,
            estimated: requests + 1,
            ..UsageSums::default()
        }
    })
}

fn any_query() -> impl Strategy<Value = UsageQuery> {
    let fields = proptest::sample::subsequence(UsageField::ALL.to_vec(), 0..4);
    let filter = proptest::option::of("[ab]{0,1}");
    (0..4_i8, 0..4_i8, fields, filter).prop_map(|(from, to, fields, team)| {
        let query = UsageQuery::new(date(2026, 11, 20 + from), date(2026, 11, 20 + to));
        let query = fields.into_iter().fold(query, UsageQuery::by);
        match team {
            Some(team) => query.of(UsageField::Team, team),
            None => query,
        }
    })
}

const DAY: Date = date(2026, 11, 23);
