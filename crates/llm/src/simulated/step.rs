use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

use serde::{Deserialize, Serialize};

use super::{Fault, fault::Faults};

/// How one of the next requests is answered.
///
/// ```
/// use tollgate_llm::simulated::{Fault, Step};
///
/// let refused = Step::status(429).retry_after(3);
/// let cut = Step::fault(Fault::CutInEvent).and(Fault::Crlf).model("sim-large");
/// ```
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Step {
    /// Holds for requests of this model alone; others leave it in the queue.
    pub model: Option<String>,
    /// How many requests it answers; 0 counts as 1.
    pub times: u32,
    /// Refuses with this status.
    pub status: Option<u16>,
    /// The refusal's code (OpenAI), type (Anthropic) or status (Gemini), if not the one that goes with the status.
    pub code: Option<String>,
    /// The refusal's words.
    pub message: Option<String>,
    /// The seconds after which to try again: in `Retry-After`, or in `RetryInfo` where that is the custom.
    pub retry_after: Option<u64>,
    /// Fields of the answer's head.
    pub headers: BTreeMap<String, String>,
    /// Milliseconds before the head of the answer.
    pub wait_ms: u64,
    /// What the model says, instead of its own text.
    pub text: Option<String>,
    /// What goes wrong.
    pub faults: Vec<Fault>,
}

impl Step {
    /// An answer as it is without a script.
    #[must_use]
    pub fn good() -> Self {
        Self::default()
    }

    /// A refusal with this status.
    #[must_use]
    pub fn status(status: u16) -> Self {
        let status = Some(status);
        Self {
            status,
            ..Self::default()
        }
    }

    /// An answer with this fault.
    #[must_use]
    pub fn fault(fault: Fault) -> Self {
        Self::default().and(fault)
    }

    /// Adds a fault.
    #[must_use]
    pub fn and(mut self, fault: Fault) -> Self {
        self.faults.push(fault);
        self
    }

    /// Holds for requests of this model alone.
    #[must_use]
    pub fn model(mut self, model: impl Into<String>) -> Self {
        self.model = Some(model.into());
        self
    }

    /// Answers so many requests.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = times;
        self
    }

    /// Says this code in a refusal.
    #[must_use]
    pub fn code(mut self, code: impl Into<String>) -> Self {
        self.code = Some(code.into());
        self
    }

    /// Says after how many seconds to try again.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// Sets a field of the answer's head.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.insert(name.into(), value.into());
        self
    }

    /// Waits so many milliseconds before the head of the answer.
    #[must_use]
    pub fn wait_ms(mut self, wait: u64) -> Self {
        self.wait_ms = wait;
        self
    }

    /// Says this text.
    #[must_use]
    pub fn text(mut self, text: impl Into<String>) -> Self {
        self.text = Some(text.into());
        self
    }

    /// Adds what the model's name asks for.
    pub(crate) fn with_name(mut self, model: &str) -> (Self, Faults) {
        let asked = model.split('+').find_map(|piece| {
            let (_, status) = piece.rsplit_once("error-")?;
            status.parse().ok().filter(|it| (100..1000).contains(it))
        });
        if self.status.is_none() && asked.is_some() {
            self.status = asked;
            self.retry_after = self.retry_after.or(Some(1));
        }
        let faults = self.faults.iter().copied().collect::<Faults>();
        (self, faults | Faults::named(model))
    }
}

/// The steps that are yet to come; clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Script(Arc<Mutex<VecDeque<Step>>>);

impl Script {
    /// Adds steps, and says how many there are then. What is over the bound is left out.
    pub(crate) fn add(&self, steps: impl IntoIterator<Item = Step>) -> usize {
        let mut queue = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let room = MOST.saturating_sub(queue.len());
        queue.extend(steps.into_iter().take(room));
        queue.len()
    }

    pub(crate) fn clear(&self) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    /// The first step that holds for this model.
    pub(crate) fn next(&self, model: &str) -> Step {
        let mut queue = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |step: &Step| step.model.as_deref().is_none_or(|it| it == model);
        let Some(at) = queue.iter().position(fits) else {
            return Step::default();
        };
        match queue.get_mut(at) {
            Some(step) if step.times > 1 => {
                step.times -= 1;
                step.clone()
            }
            _ => queue.remove(at).unwrap_or_default(),
        }
    }
}

const MOST: usize = 10_000;
