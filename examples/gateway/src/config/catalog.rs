use std::{borrow::Cow, collections::BTreeMap, path::PathBuf, sync::Arc};

use secrecy::SecretString;
use serde::Deserialize;
use tollgate::{
    core::fact::{Abilities, Clearance, Target},
    llm::{Candidate, Dialect, Endpoint, EndpointError, ModelInfo, Price, Prices},
};

use super::{ConfigError, bedrock::Bedrock, expand};

/// Who serves models.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Provider {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) dialect: Dialect,
    #[serde(default, deserialize_with = "expand::optional_text")]
    base_url: Option<String>,
    #[serde(default, deserialize_with = "expand::secret")]
    pub(crate) api_key: Option<SecretString>,
    /// More headers, such as one that a proxy on the way wants.
    #[serde(default, deserialize_with = "expand::secrets")]
    headers: BTreeMap<String, SecretString>,
    #[serde(default = "yes")]
    include_usage: bool,
    #[serde(default = "yes")]
    responses: bool,
    #[serde(default)]
    legacy_max_tokens: bool,
    #[serde(default)]
    lenient: bool,
    anthropic_version: Option<String>,
    azure_api_version: Option<String>,
    bedrock: Option<Bedrock>,
    #[serde(default)]
    pub(crate) http2: bool,
    pub(crate) ca: Option<PathBuf>,
}

impl Provider {
    /// A provider at its usual address.
    pub(crate) fn usual(dialect: Dialect, key: SecretString) -> Self {
        Self {
            name: dialect.as_str().to_owned(),
            dialect,
            base_url: None,
            api_key: Some(key),
            headers: BTreeMap::new(),
            include_usage: true,
            responses: true,
            legacy_max_tokens: false,
            lenient: false,
            anthropic_version: None,
            azure_api_version: None,
            bedrock: None,
            http2: false,
            ca: None,
        }
    }

    /// Where it is.
    pub(crate) fn base_url(&self) -> Cow<'_, str> {
        match (&self.base_url, &self.bedrock, self.dialect) {
            (Some(url), ..) => Cow::Borrowed(url),
            (None, Some(bedrock), _) => bedrock.base_url().into(),
            (None, None, Dialect::Anthropic) => "https://api.anthropic.com/v1".into(),
            (None, None, Dialect::Gemini) => {
                "https://generativelanguage.googleapis.com/v1beta".into()
            }
            (None, None, _) => "https://api.openai.com/v1".into(),
        }
    }

    /// Whether a credential goes there.
    pub(crate) const fn has_key(&self) -> bool {
        self.api_key.is_some() || self.bedrock.is_some()
    }

    /// Where it is and how it is spoken to; reads the file of its authorities.
    pub(crate) fn endpoint(&self) -> Result<Endpoint, ConfigError> {
        if let Some(bedrock) = &self.bedrock {
            let mistake = match self.dialect {
                Dialect::Anthropic => bedrock.mistake(self.api_key.is_some()),
                _ => Some("needs `dialect = \"anthropic\"`"),
            };
            if let Some(mistake) = mistake {
                let name = &self.name;
                let message = format!("`bedrock` of the provider `{name}` {mistake}");
                return Err(ConfigError::Invalid(message));
            }
        }
        let endpoint = self.address();
        let endpoint = endpoint.map_err(|error| ConfigError::Endpoint(self.name.clone(), error))?;
        let Some(path) = &self.ca else {
            return Ok(endpoint);
        };
        if !self.base_url().starts_with("https:") {
            return Err(ConfigError::Invalid(format!(
                "the provider `{}` has a `ca`, which needs a base URL of https",
                self.name
            )));
        }
        let refused = |error| ConfigError::Ca(self.name.clone(), path.clone(), error);
        let pem = std::fs::read(path).map_err(|error| refused(error.into()))?;
        endpoint.ca(&pem).map_err(|error| refused(error.into()))
    }

    fn address(&self) -> Result<Endpoint, EndpointError> {
        let mut endpoint = Endpoint::new(&*self.name, &self.base_url())?
            .dialect(self.dialect)
            .asks_for_usage(self.include_usage)
            .responses(self.responses)
            .legacy_max_tokens(self.legacy_max_tokens)
            .lenient(self.lenient)
            .http2(self.http2);
        #[cfg(feature = "bedrock")]
        if let Some(bedrock) = &self.bedrock {
            endpoint = bedrock.set(endpoint)?;
        }
        if let Some(version) = &self.anthropic_version {
            endpoint = endpoint.anthropic_version(version)?;
        }
        if let Some(version) = &self.azure_api_version {
            endpoint = endpoint.azure(&**version);
        }
        if let Some(key) = &self.api_key {
            endpoint = endpoint.key(key.clone())?;
        }
        for (name, value) in &self.headers {
            let name = name.parse().map_err(|_| EndpointError::Header)?;
            endpoint = endpoint.header(name, value.clone())?;
        }
        Ok(endpoint)
    }
}

/// What clients ask for, and who serves it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Model {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) strategy: Strategy,
    pub(crate) targets: Vec<ModelTarget>,
}

impl Model {
    /// A provider's model, by the provider's name for it.
    pub(crate) fn of(provider: &str, model: &str) -> Self {
        Self {
            name: model.to_owned(),
            strategy: Strategy::default(),
            targets: vec![ModelTarget {
                provider: provider.to_owned(),
                model: model.to_owned(),
                weight: 1,
                region: None,
                classification: None,
                quality: None,
                info: ModelInfo::default(),
            }],
        }
    }
}

/// A provider's model.
#[derive(Debug, Deserialize)]
#[serde(from = "WrittenTarget")]
pub(crate) struct ModelTarget {
    pub(crate) provider: String,
    pub(crate) model: String,
    pub(crate) weight: u32,
    region: Option<String>,
    classification: Option<Clearance>,
    quality: Option<u32>,
    /// What is said of it here, in the place of what the table of models knows.
    pub(crate) info: ModelInfo,
}

impl ModelTarget {
    /// The target, and what is known of it; the provider speaks this dialect.
    pub(crate) fn candidate(&self, prices: &Prices, dialect: Dialect) -> Candidate {
        let mut target = Target::model(&*self.provider, &*self.model).with_weight(self.weight);
        if let Some(clearance) = self.classification {
            target = target.with_clearance(clearance);
        }
        // What is said here was added to the table under the provider's own name.
        let named = prices.get(&self.provider, &self.model).is_some();
        let list: Arc<str> = match named {
            true => self.provider.as_str().into(),
            false => dialect.as_str().into(),
        };
        let mut candidate = Candidate::new(target)
            .with_info(self.info.clone())
            .listed_in(prices, list);
        if let Some(region) = &self.region {
            candidate = candidate.with_region(&**region);
        }
        match self.quality {
            Some(quality) => candidate.with_quality(quality),
            None => candidate,
        }
    }
}

/// A target as it stands in the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenTarget {
    provider: String,
    model: String,
    #[serde(default = "one")]
    weight: u32,
    region: Option<String>,
    classification: Option<Clearance>,
    quality: Option<u32>,
    price: Option<Price>,
    context_window: Option<u64>,
    max_output: Option<u64>,
    abilities: Option<Abilities>,
}

impl From<WrittenTarget> for ModelTarget {
    fn from(written: WrittenTarget) -> Self {
        Self {
            provider: written.provider,
            model: written.model,
            weight: written.weight,
            region: written.region,
            classification: written.classification,
            quality: written.quality,
            info: ModelInfo {
                price: written.price,
                context_window: written.context_window,
                max_output: written.max_output,
                abilities: written.abilities,
                ..ModelInfo::default()
            },
        }
    }
}

/// How a target is chosen.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Strategy {
    #[default]
    Weighted,
    LeastBusy,
}

const fn yes() -> bool {
    true
}

const fn one() -> u32 {
    1
}
