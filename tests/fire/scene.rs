use std::{
    env,
    sync::{Arc, RwLock, atomic::Ordering::Relaxed},
    time::{Duration, UNIX_EPOCH},
};

use tokio::time::sleep;
use tollgate_llm::simulated::{Prices, Simulated};
use tollgate_tests::{Gateway, Postgres, Provider, Redis, eventually};

use crate::{callers::Callers, random::Random};

/// One thing that goes wrong.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Blow {
    /// A gateway dies, and another starts in its place.
    KillGateway,
    /// A gateway is stopped in its tracks, and goes on later.
    FreezeGateway,
    /// Postgres dies, and is started again.
    KillPostgres,
    /// Redis starts, which was not there before.
    StartRedis,
    /// Redis dies, and is started again.
    KillRedis,
    /// Redis dies and forgets the last that it wrote, and a gateway dies with what it was just granted.
    LoseTailWithGateway,
    /// Redis forgets everything.
    FlushRedis,
    /// Redis hangs for a while.
    FreezeRedis,
}

/// Gateways before one provider, with one budget for all callers.
pub(crate) struct Scene {
    name: &'static str,
    replicas: usize,
    postgres: Option<Postgres>,
    redis: Option<Redis>,
    random: Random,
    seed: u64,
}

impl Scene {
    pub(crate) fn new(name: &'static str, replicas: usize) -> Self {
        let now = UNIX_EPOCH.elapsed().map_or(0, |it| it.as_millis() as u64);
        let seed = number("TOLLGATE_FIRE_SEED").unwrap_or(now);
        Self {
            name,
            replicas,
            postgres: None,
            redis: None,
            random: Random::new(seed),
            seed,
        }
    }

    pub(crate) fn with_postgres(mut self, postgres: Postgres) -> Self {
        self.postgres = Some(postgres);
        self
    }

    pub(crate) fn with_redis(mut self, redis: Redis) -> Self {
        self.redis = Some(redis);
        self
    }

    /// Lets callers call while these blows fall, and holds the provider's bill against the budget.
    pub(crate) async fn play(mut self, blows: &[Blow]) {
        println!("TOLLGATE_FIRE_SEED={}", self.seed);
        let seconds = number("TOLLGATE_FIRE_SECONDS").unwrap_or(10);
        let at_once = number("TOLLGATE_FIRE_CALLERS").unwrap_or(200);
        let prices = Prices {
            input: INPUT * 1_000_000,
            output: OUTPUT * 1_000_000,
            ..Prices::default()
        };
        let simulated = Simulated::new().key("sk-simulated").prices("sim", prices);
        let provider = Provider::start(simulated.pace(Duration::from_millis(2)));
        if let Some(postgres) = &mut self.postgres {
            postgres.start().await;
        }
        let config = self.config(&provider);
        let (mut gateways, mut urls) = (Vec::new(), Vec::new());
        for _ in 0..self.replicas {
            let gateway = Gateway::start(Some(&config)).await;
            urls.push(Arc::new(RwLock::new(gateway.url().to_owned())));
            gateways.push(gateway);
        }
        let callers = Callers::begin(&urls, at_once, KEY, &self.random);
        let between = Duration::from_secs(seconds) / blows.len().max(1) as u32;
        let heard = Arc::clone(&callers.heard);
        let served = || heard.answered.load(Relaxed) + heard.left.load(Relaxed);
        for blow in blows {
            // Something goes well between two blows, unless nothing goes any more.
            let before = served();
            sleep(between).await;
            for _ in 0..15 {
                if served() >= before + 20 {
                    break;
                }
                sleep(Duration::from_millis(100)).await;
            }
            let at = self.random.below(gateways.len() as u64) as usize;
            self.strike(*blow, &config, &mut gateways[at]).await;
            *urls[at].write().expect("nobody panics with it") = gateways[at].url().to_owned();
        }
        // Whatever is left is asked for, until nobody gets anything for a while.
        let mut before = u64::MAX;
        for _ in 0..10 {
            let now = served();
            if now == before {
                break;
            }
            before = now;
            sleep(Duration::from_secs(2)).await;
        }
        callers.end().await;
        let bill = eventually("the end of all answers", async || {
            let bill = provider.simulated().bill();
            (!bill.requests.iter().any(|entry| entry.open)).then_some(bill)
        })
        .await;
        let billed = u64::try_from(bill.total.nano_dollars).expect("it is little money");
        println!(
            "{}: {heard:?}\nbilled {billed} of {BUDGET} nano-dollars in {} requests; {:.2} % stranded",
            self.name,
            bill.total.requests,
            (BUDGET as f64 - billed as f64) / BUDGET as f64 * 100.0,
        );
        assert!(
            billed <= BUDGET,
            "TOLLGATE_FIRE_SEED={}: the provider billed {billed} of {BUDGET}",
            self.seed
        );
        // Else the scene says nothing.
        assert!(bill.total.requests > 200, "it was too quiet");
        let refused = heard.spent.load(Relaxed) + heard.unavailable.load(Relaxed);
        assert!(refused > 0, "nobody was refused");
    }

    async fn strike(&mut self, blow: Blow, config: &str, gateway: &mut Gateway) {
        match blow {
            Blow::KillGateway => restart(gateway, config).await,
            Blow::FreezeGateway => {
                gateway.freeze(true);
                sleep(PAUSE).await;
                gateway.freeze(false);
            }
            Blow::KillPostgres => {
                if let Some(postgres) = &mut self.postgres {
                    postgres.kill();
                    postgres.start().await;
                }
            }
            Blow::StartRedis => {
                if let Some(redis) = &mut self.redis {
                    redis.start().await;
                }
            }
            Blow::KillRedis => {
                if let Some(redis) = &mut self.redis {
                    redis.kill();
                    sleep(PAUSE).await;
                    redis.start().await;
                }
            }
            Blow::LoseTailWithGateway => {
                if let Some(redis) = &mut self.redis {
                    redis.kill();
                    gateway.kill();
                    redis.lose_tail(20_000);
                    redis.start().await;
                }
                restart(gateway, config).await;
            }
            Blow::FlushRedis => {
                if let Some(redis) = &self.redis {
                    redis.command("FLUSHALL").await;
                }
            }
            Blow::FreezeRedis => {
                if let Some(redis) = &self.redis {
                    redis.freeze(true);
                    sleep(PAUSE).await;
                    redis.freeze(false);
                }
            }
        }
    }

    fn config(&self, provider: &Provider) -> String {
        let url = provider.url();
        let database = match &self.postgres {
            Some(postgres) => postgres.url(),
            None => "sqlite://tollgate-data/tollgate.db".into(),
        };
        let redis = self.redis.as_ref().map_or_else(String::new, |redis| {
            format!("[redis]\nurl = \"{}\"\n", redis.url())
        });
        let (input, output) = (dollars(INPUT), dollars(OUTPUT));
        let budget = BUDGET as f64 / 1e9;
        format!(
            r#"
            {redis}
            [database]
            url = "{database}"
            [auth]
            pepper = "a pepper for a test"
            [quota.teams.fire]
            budget = {{ usd = {budget}, every = "total", hard = true }}
            [[keys]]
            id = "caller"
            key = "{KEY}"
            team = "fire"
            [[providers]]
            name = "behind"
            base_url = "{url}/v1"
            api_key = "sk-simulated"
            [[models]]
            name = "sim"
            targets = [{{ provider = "behind", model = "sim", price = {{ input = {input}, output = {output} }} }}]
            "#
        )
    }
}

/// Kills a gateway if it lives, and starts another in its folder.
async fn restart(gateway: &mut Gateway, config: &str) {
    let folder = gateway.shared_folder();
    gateway.kill();
    *gateway = Gateway::start_in(folder, Some(config), &[]).await;
}

/// Nano-dollars a token, in dollars a million tokens.
fn dollars(nanos: u64) -> f64 {
    nanos as f64 / 1e3
}

fn number(name: &str) -> Option<u64> {
    env::var(name).ok()?.parse().ok()
}

const KEY: &str = "tg-fire-0123456789abcdef";
/// In nano-dollars a token.
const INPUT: u64 = 2_000;
/// In nano-dollars a token.
const OUTPUT: u64 = 10_000;
/// In nano-dollars.
const BUDGET: u64 = 1_000_000_000;
const PAUSE: Duration = Duration::from_millis(700);
