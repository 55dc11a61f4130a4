//! A hard budget under fire: gateways and stores are killed while callers ask for more than there is, and the provider's own
//! bill is held against the budget.
//!
//! `TOLLGATE_FIRE_SECONDS` sets how long each scene lasts, `TOLLGATE_FIRE_CALLERS` how many call at once at each gateway, and
//! `TOLLGATE_FIRE_SEED` what happens. What was stranded, and what was refused while there was money, is printed.

#[path = "fire/callers.rs"]
mod callers;
#[path = "fire/random.rs"]
mod random;
#[path = "fire/scene.rs"]
mod scene;

use tollgate_tests::{Postgres, Redis};

use crate::scene::{Blow, Scene};

#[tokio::test(flavor = "multi_thread")]
async fn over_sqlite_one_gateway_is_killed_ten_times_and_the_budget_holds() {
    let blows = [Blow::KillGateway; 10];
    Scene::new("SQLite", 1).play(&blows).await;
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
async fn over_postgres_and_redis_everything_is_killed_and_forgets_and_the_budget_holds() {
    let (Some(postgres), Some(redis)) = (Postgres::new(), Redis::new()) else {
        return;
    };
    let mut blows = vec![Blow::StartRedis];
    for round in 0..10 {
        blows.extend([Blow::KillGateway, Blow::KillPostgres]);
        blows.push(match round % 5 {
            0 => Blow::KillRedis,
            1 => Blow::LoseTailWithGateway,
            2 => Blow::FlushRedis,
            3 => Blow::FreezeGateway,
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
