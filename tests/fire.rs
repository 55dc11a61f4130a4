//! A hard budget under fire: gateways and stores are killed while callers ask for more than there is, and the provider's own
//! bill is held against the budget.
//!
//! `TOLLGATE_FIRE_SECONDS` sets how long each scene lasts, `TOLLGATE_FIRE_CALLERS` how many call at once at each gateway, and
//! `TOLLGATE_FIRE_SEED` what happens. What was stranded, and what was refused while there was money, is printed.

#[path = "fire/blow.rs"]
mod blow;
#[path = "fire/callers.rs"]
mod callers;
#[path = "fire/random.rs"]
mod random;
#[path = "fire/report.rs"]
mod report;
#[path = "fire/scene.rs"]
mod scene;
#[path = "fire/setting.rs"]
mod setting;

use tollgate_tests::{Postgres, Redis};

use crate::{blow::Blow, scene::Scene};

#[tokio::test(flavor = "multi_thread")]
async fn over_sqlite_one_gateway_is_killed_ten_times_and_the_budget_holds() {
    let blows = [Blow::KillGateway; 10];
    Scene::new("SQLite", 1).play(&blows).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn over_sqlite_the_power_fails_ten_times_and_the_budget_holds() {
    let Some(scene) = Scene::new("SQLite without power", 1).with_forgetful_disk() else {
        return;
    };
    scene.play(&[Blow::LosePower; 10]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn over_postgres_gateways_and_the_store_are_killed_ten_times_each_and_the_budget_holds() {
    let Some(postgres) = Postgres::new() else {
        return;
    };
    let blows = [Blow::KillGateway, Blow::KillPostgres].repeat(10);
    let scene = Scene::new("Postgres", 4).with_postgres(postgres);
    scene.play(&blows).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn over_postgres_and_redis_all_are_killed_ten_times_each_and_forget_and_the_budget_holds() {
    let (Some(postgres), Some(redis)) = (Postgres::new(), Redis::new()) else {
        return;
    };
    let mut blows = vec![Blow::StartRedis];
    for round in 0..10 {
        blows.extend([Blow::KillGateway, Blow::KillPostgres, Blow::KillRedis]);
        blows.push(match round % 4 {
            0 => Blow::LoseTailWithGateway,
            1 => Blow::FlushRedis,
            2 => Blow::FreezeGateway,
            _ => Blow::FreezeRedis,
        });
    }
    let scene = Scene::new("Postgres and Redis", 4);
    scene
        .with_postgres(postgres)
        .with_redis(redis)
        .play(&blows)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn over_postgres_gateways_are_stopped_across_an_hours_end_and_the_budgets_hold() {
    let Some(postgres) = Postgres::new() else {
        return;
    };
    let scene = Scene::new("Postgres across an hour's end", 4).with_postgres(postgres);
    across_an_hours_end(scene).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn over_postgres_and_redis_gateways_are_stopped_across_an_hours_end_and_the_budgets_hold() {
    let (Some(postgres), Some(redis)) = (Postgres::new(), Redis::new()) else {
        return;
    };
    let scene = Scene::new("Postgres and Redis across an hour's end", 4).with_postgres(postgres);
    across_an_hours_end(scene.with_redis(redis)).await;
}

async fn across_an_hours_end(scene: Scene) {
    let Some(scene) = scene.per_hour() else {
        return;
    };
    let blows = [
        Blow::FreezeAcrossTheEnd,
        Blow::KillGateway,
        Blow::KillPostgres,
        Blow::FreezeGateway,
    ];
    scene.play(&blows).await;
}
