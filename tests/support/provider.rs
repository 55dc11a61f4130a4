use std::net::TcpListener as StdListener;

use tokio::{net::TcpListener, task::JoinHandle};
use tollgate_llm::simulated::Simulated;

/// The simulated provider on a port of this process, where a test can read its bill; gone when it is dropped.
#[derive(Debug)]
pub struct Provider {
    simulated: Simulated,
    url: String,
    task: JoinHandle<std::io::Result<()>>,
}

impl Provider {
    /// Starts one.
    ///
    /// # Panics
    ///
    /// When no port is free.
    #[must_use]
    pub fn start(simulated: Simulated) -> Self {
        let listener = StdListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        listener.set_nonblocking(true).expect("it is a socket");
        let listener = TcpListener::from_std(listener).expect("there is a runtime");
        Self {
            task: tokio::spawn(simulated.clone().serve(listener)),
            simulated,
            url: format!("http://{address}"),
        }
    }

    /// Where it is, without the version of an API.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The provider itself.
    #[must_use]
    pub fn simulated(&self) -> &Simulated {
        &self.simulated
    }

    /// The part of a configuration by which it serves models of these names.
    #[must_use]
    pub fn serving(&self, models: &[&str]) -> String {
        let provider = format!(
            r#"
            [[providers]]
            name = "behind"
            base_url = "{}/v1"
            api_key = "sk-simulated"
            "#,
            self.url
        );
        let models = models.iter().map(|name| {
            format!(
                r#"
                [[models]]
                name = "{name}"
                targets = [{{ provider = "behind", model = "sim" }}]
                "#
            )
        });
        provider + &models.collect::<String>()
    }

    /// The part of a configuration that makes it three providers, `behind-openai` and so on, each of which serves
    /// whatever model is asked for as `via-openai-…` and so on by the rest of its name.
    #[must_use]
    pub fn in_all_dialects(&self) -> String {
        let dialects = [("openai", "v1"), ("anthropic", "v1"), ("gemini", "v1beta")];
        let parts = dialects.map(|(dialect, version)| {
            format!(
                r#"
                [[providers]]
                name = "behind-{dialect}"
                dialect = "{dialect}"
                base_url = "{}/{version}"
                api_key = "sk-simulated"
                [[models]]
                name = "via-{dialect}-*"
                targets = [{{ provider = "behind-{dialect}", model = "*" }}]
                "#,
                self.url
            )
        });
        parts.concat()
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.task.abort();
    }
}
