use std::fmt::Write;

use tollgate::core::fact::{BudgetTerm, Dollars, Period, RateTerm, Terms};

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
            "callers    {}, {} workers, bodies to {}",
            server.url(),
            server.workers,
            server.max_body
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
        if let Some(database) = &self.database {
            writeln!(text, "database   {}", database.kind())?;
        }
        if let Some(redis) = &self.redis {
            let kind = if redis.cluster { "a cluster" } else { "one" };
            writeln!(
                text,
                "redis      {kind}, answers within {:?}",
                redis.deadline
            )?;
        }
        for issuer in &self.auth.issuers {
            writeln!(
                text,
                "issuer     {}: {:?}",
                issuer.issuer, issuer.algorithms
            )?;
        }
        let all = self.quota.all().filter(|(_, terms)| !terms.is_empty());
        for (name, terms) in all {
            writeln!(text, "quota      {name}: {}", in_words(terms))?;
        }
        match &self.cache {
            Some(cache) => writeln!(text, "cache      {} for {:?}", cache.max_bytes, cache.ttl)?,
            None => writeln!(text, "cache      off")?,
        }
        writeln!(text, "audit      {}", self.audit.path.display())
    }
}

/// Terms, such as `600 requests a minute, 20 at once, 50 USD a month (hard)`.
fn in_words(terms: &Terms) -> String {
    let rate = |rate: &RateTerm| {
        let window = match rate.window.as_secs() {
            1 => "second",
            60 => "minute",
            3600 => "hour",
            _ => "day",
        };
        let what = rate.measure.as_str().replace('_', " ");
        format!("{} {what} a {window}", rate.limit)
    };
    let budget = |budget: &BudgetTerm| {
        let dollars = Dollars::from_nanos(budget.limit.nanos().unsigned_abs());
        let every = match budget.every {
            Period::Total => "in total".into(),
            every => format!("a {}", every.as_str()),
        };
        let name = budget.name.as_deref();
        let name = name.map_or(String::new(), |name| format!("{name}: "));
        let strict = budget.strict.map_or("", |_| ", strict");
        let mode = budget.mode.as_str();
        format!("{name}{dollars} USD {every} ({mode}{strict})")
    };
    let at_once = terms.concurrency.map(|limit| format!("{limit} at once"));
    let all = terms.rates.iter().map(rate).chain(at_once);
    let all: Vec<_> = all.chain(terms.budgets.iter().map(budget)).collect();
    all.join(", ")
}
