use std::{borrow::Cow, sync::Arc, time::SystemTime};

use tollgate_core::fact::{Abilities, Call, Principal};

use super::Candidate;
use crate::wildcard;

/// What a client can ask for by one name, or by all names that a pattern covers.
#[derive(Clone, Debug)]
pub struct Model {
    name: Arc<str>,
    candidates: Arc<[Candidate]>,
    created: u64,
}

impl Model {
    /// A model by the name that clients use, served by any of these. One `*` in it stands for any run of characters.
    ///
    /// A candidate whose model at the provider is empty is asked for the name that the client uses. A `*` there is what
    /// the name's `*` stands for.
    pub fn new<C: Into<Candidate>>(
        name: impl Into<Arc<str>>,
        candidates: impl IntoIterator<Item = C>,
    ) -> Self {
        let name = name.into();
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let candidates = candidates.into_iter().map(Into::into);
        let candidates = if name.contains('*') {
            candidates.collect()
        } else {
            candidates
                .map(|candidate| candidate.asked_for(&name, None).into_owned())
                .collect()
        };
        Self {
            name,
            candidates,
            created: now.map_or(0, |now| now.as_secs()),
        }
    }

    /// Sets when the model came to be, in seconds since 1970; by default, now.
    #[must_use]
    pub fn with_created(mut self, seconds: u64) -> Self {
        self.created = seconds;
        self
    }

    /// The name that clients use, or the pattern.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// When the model came to be, in seconds since 1970.
    #[must_use]
    pub fn created(&self) -> u64 {
        self.created
    }

    /// All that can serve it, as they were given.
    #[must_use]
    pub fn candidates(&self) -> &[Candidate] {
        &self.candidates
    }

    /// Those that can do what the call needs, in their order, with the model that each is to be asked for. Where
    /// nothing is known of one, it is taken to be able.
    pub fn candidates_for(&self, call: &Call) -> impl Iterator<Item = Cow<'_, Candidate>> {
        let run = self.run(&call.model);
        let all = self.candidates.iter();
        let all = all.map(move |candidate| match run {
            Some(_) => candidate.asked_for(&call.model, run),
            None => Cow::Borrowed(candidate),
        });
        all.filter(|candidate| candidate.can_serve(call))
    }

    /// The most tokens of input that all candidates take, as far as it is known.
    #[must_use]
    pub fn context_window(&self) -> Option<u64> {
        let all = self.candidates.iter();
        all.filter_map(|it| it.info.context_window).min()
    }

    /// The most tokens of output that all candidates give, as far as it is known.
    #[must_use]
    pub fn max_output(&self) -> Option<u64> {
        let all = self.candidates.iter();
        all.filter_map(|it| it.info.max_output).min()
    }

    /// Whether the name stands for many.
    #[must_use]
    pub fn is_pattern(&self) -> bool {
        self.name.contains('*')
    }

    /// Whether it is asked for by this name.
    pub(super) fn serves(&self, name: &str) -> bool {
        *self.name == *name || self.run(name).is_some()
    }

    /// Whether this caller may ask for it; nobody asks for a pattern.
    pub(super) fn is_visible(&self, principal: Option<&Principal>) -> bool {
        !self.is_pattern() && principal.is_none_or(|it| it.may_call(&self.name))
    }

    /// What none of the candidates can do, of what the call needs, or else all that it needs.
    pub(super) fn lacks(&self, call: &Call) -> Abilities {
        let able = |candidate: &Candidate| candidate.info.abilities.unwrap_or(call.abilities);
        let all = self.candidates.iter().map(able);
        let lacks = call
            .abilities
            .without(all.fold(Abilities::default(), Abilities::or));
        if lacks == Abilities::default() {
            return call.abilities;
        }
        lacks
    }

    pub(super) fn name_arc(&self) -> &Arc<str> {
        &self.name
    }

    /// What the pattern's `*` stands for in this name.
    fn run<'a>(&self, name: &'a str) -> Option<&'a str> {
        wildcard::run(&self.name, name)
    }
}
