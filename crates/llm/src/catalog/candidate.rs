use std::{borrow::Cow, sync::Arc};

use tollgate_core::fact::{Call, Operation, Target};

use crate::{ModelInfo, ModelKind, Prices};

/// One that can serve a model, and what is known of it, for whoever chooses.
///
/// ```
/// use tollgate_core::fact::Target;
/// use tollgate_llm::{Candidate, Model, Prices};
///
/// let prices = Prices::built_in();
/// let near = Candidate::new(Target::model("near", "gpt-4o"))
///     .listed_in(&prices, "openai")
///     .with_region("eu");
/// let model = Model::new("gpt-4o", [near]);
///
/// assert_eq!(model.context_window(), Some(128_000));
/// ```
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Where it is, and what the model is called there.
    pub target: Target,
    /// What is known of the model there.
    pub info: ModelInfo,
    /// Where the data goes, such as `eu`.
    pub region: Option<Arc<str>>,
    /// How good its answers are, on any scale on which more is better.
    pub quality: Option<u32>,
    /// Where `info` is found once the model is known.
    listed: Option<(Prices, Arc<str>)>,
}

impl Candidate {
    /// A candidate of which no more is known.
    #[must_use]
    pub fn new(target: Target) -> Self {
        Self {
            target,
            info: ModelInfo::default(),
            region: None,
            quality: None,
            listed: None,
        }
    }

    /// Sets what is known of the model.
    #[must_use]
    pub fn with_info(mut self, info: ModelInfo) -> Self {
        self.info = info;
        self
    }

    /// Fills what is not set by [`with_info`](Self::with_info) from what the table knows of the model under this
    /// provider's name. For a pattern, this happens when it is asked for.
    #[must_use]
    pub fn listed_in(mut self, prices: &Prices, provider: impl Into<Arc<str>>) -> Self {
        self.listed = Some((prices.clone(), provider.into()));
        self
    }

    /// Says where the data goes.
    #[must_use]
    pub fn with_region(mut self, region: impl Into<Arc<str>>) -> Self {
        self.region = Some(region.into());
        self
    }

    /// Says how good the answers are.
    #[must_use]
    pub fn with_quality(mut self, quality: u32) -> Self {
        self.quality = Some(quality);
        self
    }

    /// Whether it can do what the call needs, as far as it is known.
    #[must_use]
    pub fn can_serve(&self, call: &Call) -> bool {
        let embeds = call.operation == Operation::Embeddings;
        let fits = |kind| (kind == ModelKind::Embeddings) == embeds;
        let ModelInfo {
            kind, abilities, ..
        } = &self.info;
        kind.is_none_or(fits) && abilities.is_none_or(|it| it.cover(call.abilities))
    }

    /// The candidate for one name, of which a pattern's `*` stands for `run`.
    pub(super) fn asked_for(&self, name: &str, run: Option<&str>) -> Cow<'_, Self> {
        let model: Option<Arc<str>> = match (&*self.target.model, run) {
            ("", _) => Some(name.into()),
            (model, Some(run)) if model.contains('*') => Some(model.replacen('*', run, 1).into()),
            _ => None,
        };
        if model.is_none() && self.listed.is_none() {
            return Cow::Borrowed(self);
        }
        let mut candidate = self.clone();
        if let Some(model) = model {
            let target = &mut candidate.target;
            // Each is a target of its own: what is learned of one says nothing of the others.
            if *target.name == *format!("{}/{}", target.provider, target.model) {
                target.name = format!("{}/{model}", target.provider).into();
            }
            target.model = model;
        }
        if let Some((prices, provider)) = candidate.listed.take()
            && let Some(known) = prices.get(&provider, &candidate.target.model)
        {
            candidate.info = candidate.info.or(known);
        }
        Cow::Owned(candidate)
    }
}

impl From<Target> for Candidate {
    fn from(target: Target) -> Self {
        Self::new(target)
    }
}
