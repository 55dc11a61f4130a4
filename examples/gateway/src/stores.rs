use std::{
    fs,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use secrecy::{ExposeSecret, SecretString};
use tokio::time::timeout;
use tollgate::{
    auth::{KeyRing, Keys, Pepper, RingPolicy},
    quota::{
        Bank, Journal, Ledger,
        bank::Punctual,
        usage::{MemoryUsage, RollUp},
    },
    redis::{Redis, RedisRates, RedisReserve},
    sql::{Database, SqlAuthority, SqlKeys, SqlUsage},
};

use crate::{
    Error,
    admin::{BudgetDesk, KeyDesk},
    config::{self, Config},
};

/// What the gateway remembers, and where.
#[derive(Clone, Debug)]
pub(crate) struct Stores {
    database: Option<Database>,
    /// Keys in the database, if there is one.
    pub(crate) keys: Option<KeyDesk>,
    /// What is granted of budgets, if they are in a database.
    pub(crate) budgets: Option<BudgetDesk>,
    pub(crate) ledger: Ledger,
    pub(crate) usage: RollUp,
    /// Rates that gateways share.
    pub(crate) rates: Option<RedisRates>,
}

impl Stores {
    /// Opens them. A Redis or a Postgres that is away is found later.
    pub(crate) async fn open(config: &Config) -> Result<Self, Error> {
        let redis = config.redis.as_ref().map(redis).transpose()?;
        let prefix = config.redis.as_ref().map_or("", |redis| &redis.prefix);
        let rates = redis.clone().map(|redis| {
            let rates = RedisRates::new(redis).prefix(prefix);
            let leases = config.redis.as_ref().is_some_and(|redis| redis.leases);
            if leases { rates.leased() } else { rates }
        });
        let Some(configured) = &config.database else {
            return Ok(Self {
                database: None,
                keys: None,
                budgets: None,
                ledger: told(Ledger::volatile(), config),
                usage: RollUp::new(MemoryUsage::new()),
                rates,
            });
        };
        let database = Database::attach(&configured.url)
            .await
            .map_err(|error| format!("cannot open the database: {}", crate::chain(&error)))?;
        let mut authority = SqlAuthority::new(database.clone());
        if configured.promotion_is_synchronous {
            authority = authority.promotion_is_synchronous();
        }
        let budgets = (!config.quota.volatile).then(|| BudgetDesk(authority.clone()));
        let ledger = if config.quota.volatile {
            Ledger::volatile()
        } else {
            // The embedded one goes by this machine's own clock.
            let bank = match configured.is_embedded() {
                true => Bank::new(authority),
                false => Bank::new(Punctual::new(authority)),
            };
            let bank = match redis {
                Some(redis) => bank.with_reserve(RedisReserve::new(redis).prefix(prefix)),
                None => bank,
            };
            match journal(config, configured) {
                Some(journal) => Ledger::with_journal(bank, journal),
                None => Ledger::new(bank),
            }
        };
        let pepper = Pepper::new(pepper(config, configured)?.expose_secret());
        let policy = RingPolicy::new()
            .max_stale(config.auth.max_stale)
            .prefix("tg-");
        let ring = KeyRing::watch(SqlKeys::new(database.clone()), pepper.clone(), policy);
        if database.is_open() {
            // Else the first callers would be told that keys cannot be checked.
            let _ = timeout(READS, ring.reached(0)).await;
        } else {
            tracing::warn!("the database is away: what needs it will work when it is there");
        }
        Ok(Self {
            keys: Some(KeyDesk {
                keys: Keys::new(SqlKeys::new(database.clone()), pepper),
                ring,
            }),
            budgets,
            ledger: told(ledger, config),
            usage: RollUp::new(SqlUsage::new(database.clone())),
            database: Some(database),
            rates,
        })
    }

    /// Gives back what is not needed any more, hands over what was counted, and leaves the embedded database in one file.
    pub(crate) async fn close(&self) {
        tokio::join!(self.ledger.close(), self.usage.close());
        if let Some(database) = &self.database
            && timeout(CLOSES, database.close()).await.is_err()
        {
            tracing::warn!("the database is still in use");
        }
    }
}

/// A ledger that tells operators what they should know.
fn told(ledger: Ledger, config: &Config) -> Ledger {
    ledger
        .patience(config.quota.patience)
        .warn_at(config.quota.warn_at)
        .on_warning(|warning| tracing::warn!(?warning, "a budget is nearly spent"))
}

/// The configured journal, or one beside the embedded database. Of two gateways in a folder, one has it.
fn journal(config: &Config, database: &config::Database) -> Option<Journal> {
    let beside = || Some(database.file()?.with_extension("journal"));
    let path = config.quota.journal.clone().or_else(beside)?;
    let journal = Journal::open(&path);
    if let Err(error) = &journal {
        let error = crate::chain(error);
        tracing::warn!(path = %path.display(), error, "what a kill leaves of budgets will stay spent");
    }
    journal.ok()
}

/// Redis as it is configured; nothing is asked of it yet.
pub(crate) fn redis(config: &config::Redis) -> Result<Redis, Error> {
    let redis = if config.cluster {
        Redis::cluster(std::slice::from_ref(&config.url))?
    } else {
        Redis::open(&config.url)?
    };
    let redis = redis.deadline(config.deadline);
    Ok(match &config.ca {
        None => redis,
        Some(path) => {
            let pem = fs::read(path)
                .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
            redis.ca(pem)?
        }
    })
}

/// The configured pepper, or one in a file beside the embedded database, made when it is needed first.
fn pepper(config: &Config, database: &config::Database) -> Result<SecretString, Error> {
    if let Some(pepper) = &config.auth.pepper {
        return Ok(pepper.clone());
    }
    let path = database.file().ok_or("the database is not a file")?;
    let path = path.with_extension("pepper");
    let read = |path: &Path| fs::read_to_string(path).map(|text| text.trim().to_owned());
    let pepper = match read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // Of two gateways that start at once, one makes it.
            match make(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => read(&path),
                made => made.and_then(|()| read(&path)),
            }
        }
        read => read,
    };
    let pepper = pepper.map_err(|error| format!("cannot use {}: {error}", path.display()))?;
    if pepper.is_empty() {
        return Err(format!("there is no pepper in {}", path.display()).into());
    }
    Ok(pepper.into())
}

/// Written whole before it has its name, so that nobody reads half of it.
fn make(path: &Path) -> io::Result<()> {
    let mut random = [0; 32];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    let beside: PathBuf = path.with_extension(format!("pepper-{}", std::process::id()));
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&beside)?;
    file.write_all(hex::encode(random).as_bytes())?;
    file.sync_all()?;
    let linked = fs::hard_link(&beside, path);
    fs::remove_file(&beside)?;
    linked
}

/// How long the database's connections may take to end.
const CLOSES: Duration = Duration::from_secs(5);

/// How long the gateway waits for its keys before it takes requests.
const READS: Duration = Duration::from_secs(10);
