use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use tollgate::llm::{Dialect, ModelInfo, Prices};

use super::{Config, ConfigError, Mistake, SIMULATED};

/// What models cost and can do, where that is not as in the built-in table.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct PriceFile {
    /// Read again whenever it changes.
    pub(crate) file: Option<PathBuf>,
}

impl Config {
    /// The built-in table, then the file, then what stands beside a target.
    pub(crate) fn prices(&self) -> Result<Prices, ConfigError> {
        let mut prices = Prices::built_in();
        if let Some(path) = &self.prices.file {
            for listed in read(path)? {
                prices = prices.with(listed.provider, listed.model, listed.info);
            }
        }
        let targets = self.models.iter().flat_map(|model| &model.targets);
        for target in targets.filter(|target| target.info != ModelInfo::default()) {
            let dialect = self.dialect(&target.provider).as_str();
            let info = match prices.get(dialect, &target.model) {
                Some(listed) => target.info.clone().or(listed),
                None => target.info.clone(),
            };
            prices = prices.with(&*target.provider, &*target.model, info);
        }
        Ok(prices)
    }

    /// What a provider speaks.
    pub(crate) fn dialect(&self, provider: &str) -> Dialect {
        let own = self.providers.iter().find(|it| it.name == provider);
        let simulated = || SIMULATED.iter().find(|(name, _)| *name == provider);
        match own {
            Some(own) => own.dialect,
            None => simulated().map_or(Dialect::OpenAi, |(_, dialect)| *dialect),
        }
    }
}

/// One of a file's models, by the provider's name or its dialect's.
#[derive(Deserialize)]
struct Listed {
    provider: String,
    model: String,
    #[serde(flatten)]
    info: ModelInfo,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    models: Vec<Listed>,
}

fn read(path: &Path) -> Result<Vec<Listed>, ConfigError> {
    let text = fs::read_to_string(path);
    let text = text.map_err(|error| ConfigError::Read(path.into(), error))?;
    let list: Result<List, _> = toml::from_str(&text);
    match list {
        Ok(list) => Ok(list.models),
        Err(error) => Err(ConfigError::Parse(path.into(), Mistake::new(&error, &text))),
    }
}

/// When a file was changed last.
pub(crate) fn changed(path: &Path) -> Result<std::time::SystemTime, io::Error> {
    fs::metadata(path)?.modified()
}
