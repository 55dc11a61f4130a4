use std::{
    env,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, UNIX_EPOCH},
};

use tempfile::TempDir;
use tokio::time::sleep;
use tollgate_llm::simulated::{Prices, Simulated};
use tollgate_tests::{ForgetfulDisk, HoursEnd, Postgres, Provider, Redis, eventually};

use crate::{
    blow::Blow,
    callers::{Callers, Heard},
    random::Random,
    report::Report,
    setting::{Gateways, INPUT, OUTPUT, config},
};

/// Gateways before one provider, with one budget for all callers.
pub(crate) struct Scene {
    name: &'static str,
    folders: Vec<Arc<TempDir>>,
    postgres: Option<Postgres>,
    redis: Option<Redis>,
    disk: Option<ForgetfulDisk>,
    hours_end: Option<HoursEnd>,
    random: Random,
    seed: u64,
}

impl Scene {
    pub(crate) fn new(name: &'static str, replicas: usize) -> Self {
        let now = UNIX_EPOCH.elapsed().map_or(0, |it| it.as_millis() as u64);
        let seed = number("TOLLGATE_FIRE_SEED").unwrap_or(now);
        let folder = || TempDir::new().expect("there is room for a folder");
        Self {
            name,
            folders: (0..replicas).map(|_| Arc::new(folder())).collect(),
            postgres: None,
            redis: None,
            disk: None,
            hours_end: None,
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

    /// The one gateway's disk forgets what was not synced.
    pub(crate) fn with_forgetful_disk(mut self) -> Option<Self> {
        self.disk = Some(ForgetfulDisk::new(self.folders[0].path())?);
        Some(self)
    }

    /// The budget is one for each hour, and an hour ends in the middle.
    pub(crate) fn per_hour(mut self) -> Option<Self> {
        let end = HoursEnd::new()?;
        self.postgres = self.postgres.map(|postgres| {
            let environment = end.environment().into_iter();
            environment.fold(postgres, |it, (name, value)| it.with(&name, &value))
        });
        self.hours_end = Some(end);
        Some(self)
    }

    /// Lets callers call while these blows fall, and holds the provider's bill against the budget.
    pub(crate) async fn play(mut self, blows: &[Blow]) {
        println!("TOLLGATE_FIRE_SEED={}", self.seed);
        let provider = provider();
        if let Some(postgres) = &mut self.postgres {
            postgres.start().await;
        }
        if self.hours_end.is_some()
            && let Some(redis) = &mut self.redis
        {
            redis.start().await;
        }
        let folders = self.folders.clone();
        let mut gateways =
            Gateways::start(self.config(&provider), self.environment(), folders).await;
        if let Some(end) = &mut self.hours_end {
            end.comes_in(BEFORE_THE_END).await;
        }
        let at_once = number("TOLLGATE_FIRE_CALLERS").unwrap_or(200);
        let callers = Callers::begin(&gateways.urls, at_once, &self.random);
        let between = Duration::from_secs(seconds()) / blows.len().max(10) as u32;
        let heard = Arc::clone(&callers.heard);
        for blow in blows {
            // The end of an hour waits for nobody.
            if !matches!(blow, Blow::FreezeAcrossTheEnd) {
                quiet(&heard, between).await;
            }
            self.strike(*blow, &mut gateways).await;
        }
        // Else the scene says nothing.
        eventually("many answers", async || {
            (heard.served() > 200).then_some(())
        })
        .await;
        // Whatever is left is asked for, until nobody gets anything for a while.
        let mut before = u64::MAX;
        for _ in 0..10 {
            let now = heard.served();
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

        let (budget, windows) = (self.budget(), self.windows(&gateways).await);
        let (limit, granted) = (budget * windows.len() as u64, windows.iter().sum());
        let report = Report::new(&bill, &heard, limit, granted);
        report.print(self.name, &heard);
        let (billed, seed) = (report.billed, self.seed);
        assert!(
            billed <= granted && windows.iter().all(|granted| *granted <= budget),
            "TOLLGATE_FIRE_SEED={seed}: the provider billed {billed} of {budget} in each of {windows:?}"
        );
        assert!(heard.refused() > 0, "nobody was refused");
        if self.hours_end.is_some() {
            assert_eq!(windows.len(), 2, "an hour has ended, and another begun");
        }
    }

    async fn strike(&mut self, blow: Blow, gateways: &mut Gateways) {
        let at = self.random.below(gateways.count() as u64) as usize;
        match blow {
            Blow::KillGateway => gateways.restart(at).await,
            Blow::FreezeGateway => {
                gateways.freeze(at, true);
                sleep(PAUSE).await;
                gateways.freeze(at, false);
            }
            Blow::FreezeAcrossTheEnd => {
                let Some(end) = &self.hours_end else { return };
                sleep(end.left().saturating_sub(BEFORE_THE_END / 2)).await;
                let half = 0..gateways.count() / 2;
                half.clone().for_each(|at| gateways.freeze(at, true));
                assert!(end.left() > Duration::ZERO, "the end came too early");
                gateways.restart(gateways.count() - 1).await;
                sleep(end.left() + PAUSE).await;
                half.for_each(|at| gateways.freeze(at, false));
            }
            Blow::LosePower => {
                gateways.kill(at);
                if let Some(disk) = &self.disk {
                    // The journal is not synced, and counts for nothing after a reboot.
                    let data = self.folders[at].path().join("tollgate-data");
                    std::fs::remove_file(data.join("tollgate.journal")).expect("it was there");
                    gateways.assert_trusted(at);
                    disk.lose_power("tollgate-data", || self.random.below(2) == 0);
                }
                gateways.restart(at).await;
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
                    sleep(Duration::from_millis(self.random.below(500))).await;
                    redis.start().await;
                }
            }
            Blow::LoseTailWithGateway => {
                if let Some(redis) = &mut self.redis {
                    redis.kill();
                    gateways.kill(at);
                    redis.lose_tail(20_000);
                    redis.start().await;
                }
                gateways.restart(at).await;
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
        let database = match &self.postgres {
            Some(postgres) => postgres.url(),
            None => "sqlite://tollgate-data/tollgate.db".into(),
        };
        let every = match self.hours_end {
            Some(_) => "hour",
            None => "total",
        };
        config(
            provider,
            &database,
            self.redis.as_ref().map(Redis::url),
            (self.budget(), every),
        )
    }

    /// In each window, in nano-dollars.
    fn budget(&self) -> u64 {
        match self.folders.len() {
            _ if self.hours_end.is_some() => 700_000_000, // there is less time for it
            1 => 1_000_000_000,
            _ => 2_000_000_000,
        }
    }

    /// Of the gateways.
    fn environment(&self) -> Vec<(String, String)> {
        let disk = self.disk.iter().flat_map(ForgetfulDisk::environment);
        let time = self.hours_end.iter().flat_map(HoursEnd::environment);
        disk.chain(time).collect()
    }

    /// What was granted in each, in nano-dollars.
    async fn windows(&self, gateways: &Gateways) -> Vec<u64> {
        let Some(postgres) = &self.postgres else {
            return vec![gateways.granted().await];
        };
        let rows = postgres.sql("SELECT granted FROM tollgate_window ORDER BY number");
        let granted = rows.lines().map(|row| row.parse().expect("it is a number"));
        granted.collect()
    }
}

/// Lets something go well between two blows, unless nothing goes any more.
async fn quiet(heard: &Heard, time: Duration) {
    let (served, spent) = (heard.served(), heard.spent.load(Relaxed));
    sleep(time).await;
    for _ in 0..15 {
        let since = heard.served() - served;
        if since >= 20 || since == 0 && heard.spent.load(Relaxed) >= spent + 50 {
            break;
        }
        sleep(Duration::from_millis(100)).await;
    }
}

fn provider() -> Provider {
    let prices = Prices {
        input: INPUT * 1_000_000,
        output: OUTPUT * 1_000_000,
        ..Prices::default()
    };
    let simulated = Simulated::new().key("sk-simulated").prices("sim", prices);
    Provider::start(simulated.pace(Duration::from_millis(2)))
}

fn seconds() -> u64 {
    number("TOLLGATE_FIRE_SECONDS").unwrap_or(10)
}

fn number(name: &str) -> Option<u64> {
    env::var(name).ok()?.parse().ok()
}

const PAUSE: Duration = Duration::from_millis(700);
/// A busy machine may need half of it to stop a few processes.
const BEFORE_THE_END: Duration = Duration::from_secs(5);
