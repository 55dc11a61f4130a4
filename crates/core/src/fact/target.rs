use std::{sync::Arc, time::Duration};

use serde::Serialize;

use super::Clearance;

/// One of several that can serve a request. Whoever chooses puts it into the request's extensions and the attempt's
/// trail; the service inside knows how to reach it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Target {
    /// Its name, unique among its like.
    pub name: Arc<str>,
    /// Who runs it, such as the name of an endpoint.
    pub provider: Arc<str>,
    /// What a model is called there; empty where there are no models.
    pub model: Arc<str>,
    /// Its share where several serve; nothing if it is for emergencies only.
    #[serde(skip)]
    pub weight: u32,
    /// How confidential the data may be that goes there.
    #[serde(skip)]
    pub clearance: Option<Clearance>,
}

impl Target {
    /// A target by its name, which is also its provider's, with a weight of one.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        let name = name.into();
        Self {
            provider: Arc::clone(&name),
            name,
            model: Arc::default(),
            weight: 1,
            clearance: None,
        }
    }

    /// A provider's model, named `provider/model`.
    #[must_use]
    pub fn model(provider: impl Into<Arc<str>>, model: impl Into<Arc<str>>) -> Self {
        let (provider, model) = (provider.into(), model.into());
        Self {
            name: format!("{provider}/{model}").into(),
            provider,
            model,
            weight: 1,
            clearance: None,
        }
    }

    /// Sets its share.
    #[must_use]
    pub fn with_weight(mut self, weight: u32) -> Self {
        self.weight = weight;
        self
    }

    /// Says how confidential the data may be that goes there.
    #[must_use]
    pub fn with_clearance(mut self, clearance: Clearance) -> Self {
        self.clearance = Some(clearance);
        self
    }
}

/// How one of several tries went; in the attempt's own node, beside its [`Target`].
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub struct Attempt {
    /// The status of its answer, if there was one.
    pub status: Option<u16>,
    /// How long it took to the head of the answer, or to fail.
    #[serde(serialize_with = "millis")]
    pub took: Duration,
}

fn millis<S: serde::Serializer>(took: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(took.as_secs_f64() * 1e3)
}

/// Marks an attempt whose answer is about to be discarded for another's, before it is dropped.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub struct Superseded;

/// Whether a request has begun to go out. Only who sends it writes this, and a missing fact means that it may have.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Dispatch {
    /// Nothing was sent yet.
    No,
    /// The first byte may have been sent.
    Yes,
}
