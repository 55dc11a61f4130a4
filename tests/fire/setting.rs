use std::sync::{Arc, RwLock};

use tempfile::TempDir;
use tollgate_tests::{Gateway, Provider};

/// Gateways with one configuration and one environment, each in a folder of its own, where it is started again.
pub(crate) struct Gateways {
    config: String,
    environment: Vec<(String, String)>,
    running: Vec<Gateway>,
    pub(crate) urls: Vec<Arc<RwLock<String>>>,
}

impl Gateways {
    pub(crate) async fn start(
        config: String,
        environment: Vec<(String, String)>,
        folders: Vec<Arc<TempDir>>,
    ) -> Self {
        let mut gateways = Self {
            config,
            environment,
            running: Vec::new(),
            urls: Vec::new(),
        };
        for folder in folders {
            let gateway = gateways.start_one(folder).await;
            let url = gateway.url().to_owned();
            gateways.urls.push(Arc::new(RwLock::new(url)));
            gateways.running.push(gateway);
        }
        gateways
    }

    async fn start_one(&self, folder: Arc<TempDir>) -> Gateway {
        let environment = self.environment.iter();
        let environment: Vec<_> = environment.map(|(name, it)| (&**name, &**it)).collect();
        Gateway::start_in(folder, Some(&self.config), &environment).await
    }

    pub(crate) fn count(&self) -> usize {
        self.running.len()
    }

    pub(crate) fn kill(&mut self, at: usize) {
        self.running[at].kill();
    }

    /// Kills one if it lives, and starts another in its folder.
    pub(crate) async fn restart(&mut self, at: usize) {
        self.kill(at);
        let gateway = self.start_one(self.running[at].shared_folder()).await;
        *self.urls[at].write().expect("nobody panics with it") = gateway.url().to_owned();
        self.running[at] = gateway;
    }

    /// What was granted in the last window, by the first's word, in nano-dollars.
    pub(crate) async fn granted(&self) -> u64 {
        let budgets = self.running[0].admin("/api/budgets").await.json();
        let granted = budgets["data"][0]["granted_usd"].as_str();
        let dollars: f64 = granted.and_then(|it| it.parse().ok()).expect("it is one");
        (dollars * 1e9).round() as u64
    }

    /// The power may fail as often as it likes: that is no old database, and closes no budget.
    pub(crate) fn assert_trusted(&self, at: usize) {
        let printed = self.running[at].printed();
        assert!(!printed.contains("restored"), "{printed}");
    }

    pub(crate) fn freeze(&self, at: usize, frozen: bool) {
        self.running[at].freeze(frozen);
    }
}

/// A configuration with one budget for all callers, over these stores.
pub(crate) fn config(
    provider: &Provider,
    database: &str,
    redis: Option<String>,
    (budget, every): (u64, &str),
) -> String {
    let url = provider.url();
    let redis = redis.map_or_else(String::new, |url| format!("[redis]\nurl = \"{url}\"\n"));
    // Nano-dollars a token, in dollars a million tokens.
    let (input, output) = (INPUT as f64 / 1e3, OUTPUT as f64 / 1e3);
    let budget = budget as f64 / 1e9;
    format!(
        r#"
        {redis}
        [database]
        url = "{database}"
        [auth]
        pepper = "a pepper for a test"
        [quota.teams.fire]
        budget = {{ usd = {budget}, every = "{every}", hard = true }}
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

pub(crate) const KEY: &str = "tg-fire-0123456789abcdef";
/// In nano-dollars a token.
pub(crate) const INPUT: u64 = 2_000;
/// In nano-dollars a token.
pub(crate) const OUTPUT: u64 = 10_000;
