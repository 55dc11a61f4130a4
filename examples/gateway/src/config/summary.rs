use std::fmt::Write;

use super::{Config, SIMULATED};

impl Config {
    /// What the configuration means, for people.
    pub(crate) fn summary(&self) -> String {
        let mut text = String::from("The configuration is valid.\n\n");
        self.write(&mut text)
            .expect("writing to a string cannot fail");
        text
    }

    fn write(&self, text: &mut String) -> std::fmt::Result {
        let server = &self.server;
        writeln!(
            text,
            "callers    http://{}, {} workers, bodies to {}",
            server.listen, server.workers, server.max_body
        )?;
        writeln!(text, "operators  http://{}", server.admin)?;
        for key in &self.keys {
            let models = key
                .models
                .as_ref()
                .map_or("all models".into(), |models| models.join(", "));
            let made = if key.is_fresh {
                " (made at each start, since no keys are configured)"
            } else {
                ""
            };
            writeln!(text, "key        {}: {models}{made}", key.id)?;
        }
        if self.auth.anonymous {
            writeln!(text, "key        none needed")?;
        }
        if self.simulated.is_on() {
            for (name, dialect) in SIMULATED {
                writeln!(text, "provider   {name}: {dialect:?}, built in")?;
            }
        }
        for provider in &self.providers {
            let key = if provider.has_key() {
                "with a key"
            } else {
                "without a key"
            };
            write!(
                text,
                "provider   {}: {:?} at {} {key}",
                provider.name,
                provider.dialect,
                provider.base_url()
            )?;
            if provider.http2 {
                write!(text, ", HTTP/2")?;
            }
            if let Some(ca) = &provider.ca {
                write!(text, ", trusting {}", ca.display())?;
            }
            writeln!(text)?;
        }
        for model in &self.models {
            let targets = model
                .targets
                .iter()
                .map(|target| format!("{}/{} ({})", target.provider, target.model, target.weight));
            let targets: Vec<_> = targets.collect();
            writeln!(
                text,
                "model      {}: {:?} over {}",
                model.name,
                model.strategy,
                targets.join(", ")
            )?;
        }
        let quota = &self.quota.default;
        let limit = |limit: Option<std::num::NonZeroU32>| {
            limit.map_or("unlimited".into(), |limit| limit.to_string())
        };
        writeln!(
            text,
            "quota      {} requests a minute, {} at once, for each key",
            limit(quota.requests_per_minute),
            limit(quota.concurrency)
        )?;
        match &self.cache {
            Some(cache) => writeln!(text, "cache      {} for {:?}", cache.max_bytes, cache.ttl)?,
            None => writeln!(text, "cache      off")?,
        }
        writeln!(text, "audit      {}", self.audit.path.display())
    }
}
