mod access;
mod bedrock;
mod catalog;
mod error;
mod expand;
mod prices;
mod quota;
mod sections;
mod stores;
mod summary;

use std::{collections::HashSet, path::Path};

use secrecy::SecretString;
use serde::Deserialize;
use tollgate::{
    core::fact::Mode,
    llm::{Dialect, Prices},
};

use self::access::check_secret;
pub(crate) use self::{
    access::{Admin, Auth, CertificateName, Issuer, Tls},
    catalog::{Model, Provider, Strategy},
    error::{ConfigError, Mistake},
    prices::{PriceFile, changed},
    quota::{OnDisconnect, Quotas, WhenAway, check as check_terms},
    sections::{Audit, Balance, Batch, Breaker, Cache, Key, Server, Simulated, Timeout},
    stores::{Database, Redis},
};

/// All of the gateway's configuration, as in the file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    #[serde(default)]
    pub(crate) server: Server,
    #[serde(default)]
    pub(crate) admin: Admin,
    pub(crate) database: Option<Database>,
    pub(crate) redis: Option<Redis>,
    #[serde(default)]
    pub(crate) auth: Auth,
    #[serde(default)]
    pub(crate) keys: Vec<Key>,
    #[serde(default)]
    pub(crate) providers: Vec<Provider>,
    #[serde(default)]
    pub(crate) models: Vec<Model>,
    #[serde(default)]
    pub(crate) prices: PriceFile,
    #[serde(default)]
    pub(crate) quota: Quotas,
    pub(crate) cache: Option<Cache>,
    pub(crate) batch: Option<Batch>,
    #[serde(default)]
    pub(crate) breaker: Breaker,
    #[serde(default)]
    pub(crate) balance: Balance,
    #[serde(default)]
    pub(crate) timeout: Timeout,
    #[serde(default)]
    pub(crate) audit: Audit,
    #[serde(default)]
    pub(crate) simulated: Simulated,
}

impl Config {
    /// Reads a file.
    pub(crate) fn load(path: &Path) -> Result<Self, ConfigError> {
        let text =
            std::fs::read_to_string(path).map_err(|error| ConfigError::Read(path.into(), error))?;
        Self::parse(&text).map_err(|mistake| ConfigError::Parse(path.into(), mistake))
    }

    /// What holds without a file: the simulated provider, and those whose keys are in the environment.
    pub(crate) fn built_in() -> Result<Self, ConfigError> {
        let mut config = Self::parse(BUILT_IN)
            .map_err(|mistake| ConfigError::Parse("(built in)".into(), mistake))?;
        config.database = Some(Database::in_file("tollgate-data/tollgate.db"));
        for (variable, dialect) in KEYS {
            if let Some(key) = std::env::var(variable).ok().filter(|key| !key.is_empty()) {
                config.add(dialect, key.into());
            }
        }
        Ok(config)
    }

    /// Adds a provider at its usual address, and all of its models that the built-in table knows.
    fn add(&mut self, dialect: Dialect, key: SecretString) {
        let provider = Provider::usual(dialect, key);
        let prices = Prices::built_in();
        let known = prices.iter().filter(|(name, ..)| *name == provider.name);
        self.models
            .extend(known.map(|(name, model, _)| Model::of(name, model)));
        self.providers.push(provider);
    }

    /// Reads a text; errors say the line and the column.
    pub(crate) fn parse(text: &str) -> Result<Self, Mistake> {
        toml::from_str(text).map_err(|error| Mistake::new(&error, text))
    }

    /// Checks what one field alone cannot show.
    pub(crate) fn validate(&mut self) -> Result<(), ConfigError> {
        let say = |what: String| Err(ConfigError::Invalid(what));
        let mut names = HashSet::new();
        if self.simulated.is_on() {
            names.extend(SIMULATED.map(|(name, _)| name));
        }
        for provider in &self.providers {
            if !names.insert(&*provider.name) {
                return say(format!("there are two providers named `{}`", provider.name));
            }
            provider.endpoint()?;
        }
        let mut models = HashSet::new();
        for model in &self.models {
            if !models.insert(&model.name) {
                return say(format!("there are two models named `{}`", model.name));
            }
            if !(1..=MOST_TARGETS).contains(&model.targets.len()) {
                return say(format!(
                    "the model `{}` needs 1 to {MOST_TARGETS} targets",
                    model.name
                ));
            }
            for target in &model.targets {
                if !names.contains(&*target.provider) {
                    return say(format!(
                        "the model `{}` has a target at the provider `{}`, which is not configured",
                        model.name, target.provider
                    ));
                }
            }
        }
        if self.models.is_empty() {
            return say("no models are configured: add [[models]] with a name and targets".into());
        }
        self.validate_numbers()?;
        self.validate_stores()?;
        self.validate_access()?;
        self.validate_parts()
    }

    /// Makes what can be made without starting: what is wrong with files and addresses is found out here.
    fn validate_parts(&self) -> Result<(), ConfigError> {
        self.prices()?;
        let tls = self.server.tls.as_ref();
        let parts = [
            crate::access::tokens(&self.auth.issuers).map(drop),
            tls.map_or(Ok(()), |tls| crate::tls::acceptor(tls).map(drop)),
            self.redis
                .as_ref()
                .map_or(Ok(()), |redis| crate::stores::redis(redis).map(drop)),
        ];
        let made: Result<(), crate::Error> = parts.into_iter().collect();
        made.map_err(|error| ConfigError::Invalid(crate::chain(&*error)))
    }

    fn validate_numbers(&self) -> Result<(), ConfigError> {
        let rules = [
            (
                (1..=MOST_WORKERS).contains(&self.server.workers),
                "`server.workers` is 1 to 1024",
            ),
            (
                self.server.max_body.as_u64() > 0,
                "`server.max_body` must be more than nothing",
            ),
            (
                self.breaker.failure_rate > 0.0 && self.breaker.failure_rate <= 1.0,
                "`breaker.failure_rate` is a share, above 0 and up to 1",
            ),
            (
                self.balance.attempts > 0,
                "`balance.attempts` is at least 1",
            ),
            (
                (0.0..=10.0).contains(&self.balance.retry_ratio),
                "`balance.retry_ratio` is 0 to 10",
            ),
            (
                !self.timeout.first_byte.is_zero()
                    && !self.timeout.idle.is_zero()
                    && !self.timeout.total.is_zero(),
                "a `timeout` must be longer than nothing",
            ),
        ];
        match rules.into_iter().find(|(holds, _)| !holds) {
            Some((_, rule)) => Err(ConfigError::Invalid(rule.into())),
            None => Ok(()),
        }
    }

    fn validate_stores(&self) -> Result<(), ConfigError> {
        if let Some(database) = &self.database {
            database.validate()?;
            if !database.is_embedded() && self.auth.pepper.is_none() {
                let rule = "`auth.pepper` is needed with Postgres: all gateways make digests of keys with the same secret";
                return Err(ConfigError::Invalid(rule.into()));
            }
        }
        if let Some(redis) = &self.redis {
            redis.validate()?;
        }
        for key in &self.keys {
            quota::check(&format!("keys.{}.quota", key.id), &key.quota)?;
        }
        let hard = |key: &&Key| key.quota.budgets.iter().any(|it| it.mode == Mode::Hard);
        if let Some(key) = self.keys.iter().find(hard)
            && self.database.is_none()
            && !self.quota.volatile
        {
            return Err(quota::homeless(&format!("keys.{}.quota", key.id)));
        }
        self.quota.validate(self.database.is_some())
    }

    fn validate_access(&mut self) -> Result<(), ConfigError> {
        let say = |what: String| Err(ConfigError::Invalid(what));
        let (mut ids, mut digests) = (HashSet::new(), HashSet::new());
        for key in &self.keys {
            if !ids.insert(&key.id) {
                return say(format!("there are two keys with the id `{}`", key.id));
            }
            if !digests.insert(key.digest()?) {
                return say(format!("the key `{}` is another's too", key.id));
            }
            if !key.names().all(can_be_name) {
                return say(format!(
                    "the key {:?} has a name that is empty, too long, or has control characters",
                    key.id
                ));
            }
            if let Some(secret) = &key.key {
                check_secret(&format!("the key `{}`", key.id), secret)?;
            }
        }
        self.auth.validate()?;
        let loopback = self.server.admin.ip().is_loopback();
        match &self.admin.token {
            Some(token) => check_secret("`admin.token`", token)?,
            None if loopback => {}
            None => {
                return say(format!(
                    "`admin.token` is needed, since keys and usage are served at {}, which is not on loopback",
                    self.server.admin
                ));
            }
        }
        if self.auth.certificates.is_some()
            && self
                .server
                .tls
                .as_ref()
                .is_none_or(|tls| tls.client_ca.is_none())
        {
            return say("`auth.certificates` needs `server.tls.client_ca`".into());
        }
        let twice = |it: &&Issuer| it.jwks_url.is_some() && it.jwks_file.is_some();
        if let Some(issuer) = self.auth.issuers.iter().find(twice) {
            return say(format!(
                "the issuer `{}` has both a `jwks_url` and a `jwks_file`",
                issuer.issuer
            ));
        }
        if self.auth.anonymous && !self.server.listen.ip().is_loopback() {
            let listen = self.server.listen;
            return say(format!(
                "`auth.anonymous` is for loopback only, and the gateway would listen on {listen}"
            ));
        }
        let others = self.auth.anonymous
            || !self.auth.issuers.is_empty()
            || self.auth.certificates.is_some();
        if self.keys.is_empty() && !others {
            self.keys.push(Key::fresh());
        }
        Ok(())
    }
}

/// Names are in headers, logs and the keys of stores.
fn can_be_name(name: &str) -> bool {
    (1..=LONGEST_NAME).contains(&name.len()) && !name.chars().any(char::is_control)
}

/// The names under which targets reach the simulated provider, in each of its dialects.
pub(crate) const SIMULATED: [(&str, Dialect); 3] = [
    ("simulated", Dialect::OpenAi),
    ("simulated-anthropic", Dialect::Anthropic),
    ("simulated-gemini", Dialect::Gemini),
];
/// The variables of the environment that turn a provider on.
const KEYS: [(&str, Dialect); 3] = [
    ("OPENAI_API_KEY", Dialect::OpenAi),
    ("ANTHROPIC_API_KEY", Dialect::Anthropic),
    ("GEMINI_API_KEY", Dialect::Gemini),
];

const MOST_TARGETS: usize = 64;
const MOST_WORKERS: usize = 1024;
const LONGEST_NAME: usize = 200;
const BUILT_IN: &str = include_str!("config/built_in.toml");

#[cfg(test)]
mod tests {
    use super::Config;

    #[test]
    fn what_is_built_in_is_valid() {
        let mut config = Config::parse(super::BUILT_IN).unwrap();
        for (_, dialect) in super::KEYS {
            config.add(dialect, "sk-0123456789abcdef".into());
        }
        config.validate().unwrap();
        for name in ["gpt-5.4", "claude-haiku-4-5", "gemini-2.5-flash"] {
            assert!(
                config.models.iter().any(|model| model.name == name),
                "{name}"
            );
        }
    }

    #[test]
    fn an_unknown_key_is_an_error_with_its_place() {
        let error = Config::parse("[server]\nlisten = \"127.0.0.1:0\"\nlissten = 1\n").unwrap_err();
        let words = error.to_string();
        assert!(
            words.contains("line 3, column 1") && words.contains("lissten"),
            "{words}"
        );
    }

    #[test]
    fn an_error_shows_no_secret_that_stands_in_its_line() {
        for text in [
            "[[providers]]\nname = \"p\"\napikey = \"sk-canary\"\n",
            "keys = \"sk-canary\"\n",
            "[[keys]]\nid = \"k\"\nkey = \"sk-canary",
        ] {
            let words = Config::parse(text).unwrap_err().to_string();
            assert!(
                words.contains("line ") && !words.contains("canary"),
                "{words}"
            );
        }
    }

    #[cfg(feature = "bedrock")]
    #[test]
    fn bedrock_has_its_address_by_its_region() {
        for credential in [
            "bedrock = { region = \"eu-west-1\", access_key_id = \"a\", secret_access_key = \"b\", session_token = \"c\" }",
            "api_key = \"k\"\nbedrock = { region = \"eu-west-1\" }",
        ] {
            let text = format!(
                "[[providers]]\nname = \"p\"\ndialect = \"anthropic\"\n{credential}\n\
                 [[models]]\nname = \"m\"\ntargets = [{{ provider = \"p\", model = \"x\" }}]\n"
            );
            let mut config = Config::parse(&text).unwrap();
            config.validate().unwrap();
            let expected = "https://bedrock-runtime.eu-west-1.amazonaws.com";
            assert_eq!(config.providers[0].base_url(), expected);
        }
    }

    #[test]
    fn what_cannot_work_is_refused_with_the_reason() {
        let model = "[[models]]\nname = \"m\"\ntargets = [{ provider = \"p\", model = \"x\" }]\n";
        let provider = "[[providers]]\nname = \"p\"\nbase_url = \"http://localhost/v1\"\n";
        let bedrock = "[[providers]]\nname = \"p\"\ndialect = \"anthropic\"\n";
        let trusting = provider.replace("http:", "https:");
        let anonymous = "[server]\nlisten = \"0.0.0.0:1\"\n[auth]\nanonymous = true\n[simulated]\nenabled = true\n";
        let issuer = "[[auth.issuers]]\nissuer = \"https://x.example\"\naudience = \"a\"\n";
        let two_ways = "[[keys]]\nid = \"k\"\nkey = \"0123456789abcdef\"\nkey_sha256 = \"00\"\n";
        let twice = "[[keys]]\nid = \"a\"\nkey = \"0123456789abcdef\"\n[[keys]]\nid = \"b\"\nkey = \"0123456789abcdef\"\n";
        for (text, reason) in [
            (model.to_owned(), "not configured"),
            (format!("{provider}{provider}{model}"), "two providers"),
            (format!("{provider}{model}{model}"), "two models"),
            (provider.to_owned(), "no models"),
            (
                format!("{provider}{model}[[keys]]\nid = \"k\"\n"),
                "needs either",
            ),
            (
                format!("{provider}{model}[[keys]]\nid = \"k\"\nkey = \"short\"\n"),
                "shorter",
            ),
            (format!("{provider}{model}{two_ways}"), "needs either"),
            (format!("{anonymous}{provider}{model}"), "loopback only"),
            (
                format!("{provider}{model}[[keys]]\nid = \"k\"\nkey_sha256 = \"zz\"\n"),
                "SHA-256",
            ),
            (format!("{provider}{model}{twice}"), "another's"),
            (
                format!("{provider}{model}[server]\nworkers = 0\n"),
                "workers",
            ),
            (
                format!("{provider}{model}[[keys]]\nid = \"k\"\nkey = \"0123456789 abcdef\"\n"),
                "cannot be sent",
            ),
            (
                format!("{provider}{model}[[keys]]\nid = \"k\\n\"\nkey = \"0123456789abcdef\"\n"),
                "control characters",
            ),
            (
                format!("{provider}{model}[admin]\ntoken = \"\"\n"),
                "`admin.token` is shorter",
            ),
            (
                format!("{provider}{model}[server]\nadmin = \"0.0.0.0:1\"\n"),
                "`admin.token` is needed",
            ),
            (
                format!("{provider}{model}[auth]\npepper = \"\"\n"),
                "`auth.pepper` is shorter",
            ),
            (
                format!("{provider}{model}{issuer}jwks_file = \"nowhere.json\"\n"),
                "nowhere.json",
            ),
            (
                format!("{provider}{model}{issuer}jwks_url = \"http://x.example/keys\"\n"),
                "`https://x.example` cannot be used: an issuer's keys come over HTTPS",
            ),
            (
                format!("{provider}{model}{issuer}leeway = \"1y\"\n"),
                "expired tokens",
            ),
            (
                format!("{provider}{model}{issuer}jwks_url = \"https://x\"\njwks_file = \"y\"\n"),
                "both",
            ),
            (
                format!(
                    "{provider}{model}[server]\ntls = {{ cert = \"no.pem\", key = \"no.pem\" }}\n"
                ),
                "no.pem",
            ),
            (
                format!("{provider}{model}[redis]\nurl = \"redis://:canary@host:x\"\n"),
                "Redis",
            ),
            (
                format!("{provider}{model}[database]\nurl = \"sqlite://:memory:\"\n"),
                "names a file",
            ),
            (
                format!("{provider}{model}[database]\nurl = \"sqlite://x.db?mode=rwc\"\n"),
                "names a file",
            ),
            (
                format!("{provider}{model}[prices]\nfile = \"nowhere.toml\"\n"),
                "nowhere.toml",
            ),
            (
                format!("{provider}{model}[breaker]\nfailure_rate = nan\n"),
                "failure_rate",
            ),
            (
                format!("{provider}{model}[balance]\nretry_ratio = -1.0\n"),
                "retry_ratio",
            ),
            (
                format!("{provider}{model}[quota.default]\nrequests_per_day = 1\nburst = 99999\n"),
                "hundred years",
            ),
            (
                format!(
                    "{provider}{model}[quota.default]\nbudget = {{ usd = 1, every = \"day\", hard = true }}\n"
                ),
                "needs a [database]",
            ),
            (
                format!(
                    "{provider}{model}[quota.default]\nbudget = {{ usd = 1, every = \"day\", zone = \"Mars/Base\" }}\n"
                ),
                "zone",
            ),
            (
                format!(
                    "{provider}{model}[quota.default]\nbudgets = [{{ usd = 1, every = \"day\" }}, {{ usd = 9, every = \"month\" }}]\n"
                ),
                "give one a `name`",
            ),
            (
                format!("{provider}{model}[database]\nurl = \"mysql://x\"\n"),
                "sqlite://",
            ),
            (
                format!("{provider}{model}[database]\nurl = \"postgres://x/y\"\n"),
                "auth.pepper",
            ),
            (
                format!("{provider}{model}[redis]\nurl = \"http://x\"\n"),
                "redis://",
            ),
            (
                format!("{provider}{model}[auth.certificates]\nidentity = \"dns\"\n"),
                "client_ca",
            ),
            (
                format!("{provider}{model}[timeout]\nidle = \"0s\"\n"),
                "timeout",
            ),
            (
                format!("{}{model}", provider.replace("http:", "ftp:")),
                "base URL",
            ),
            (
                format!("{provider}ca = \"x.pem\"\n{model}"),
                "base URL of https",
            ),
            (
                format!("{trusting}ca = \"nowhere.pem\"\n{model}"),
                "nowhere.pem as its `ca`: No such file",
            ),
            (
                format!("{provider}bedrock = {{ region = \"eu-west-1\" }}\n{model}"),
                "dialect = \"anthropic\"",
            ),
            (
                format!("{bedrock}bedrock = {{ region = \"x.y\" }}\n{model}"),
                "region",
            ),
            (
                format!(
                    "{bedrock}bedrock = {{ region = \"eu-west-1\", access_key_id = \"a\" }}\n{model}"
                ),
                match cfg!(feature = "bedrock") {
                    true => "secret_access_key",
                    false => "built with the feature",
                },
            ),
            (
                format!("{trusting}ca = \"Cargo.toml\"\n{model}"),
                "Cargo.toml as its `ca`: there is no certificate",
            ),
        ] {
            let words = match Config::parse(&text) {
                Ok(mut config) => crate::chain(&config.validate().unwrap_err()),
                Err(mistake) => mistake.to_string(),
            };
            assert!(words.contains(reason), "{words}");
            assert!(!words.contains("canary"), "{words}");
        }
    }
}
