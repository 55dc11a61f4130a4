mod answer;
mod anthropic;
mod candidate;
mod gemini;
mod layer;
mod model;
mod openai;
mod query;

use std::{cmp::Reverse, collections::HashMap, fmt, sync::Arc};

pub use self::{
    candidate::Candidate,
    layer::{CatalogFuture, CatalogLayer, CatalogService},
    model::Model,
};

/// The models that clients can ask for, and who can serve them. Clones share the models.
///
/// A name with a `*` is a pattern: the model serves all names that it covers and that are not models themselves.
///
/// ```
/// use tollgate_core::fact::Target;
/// use tollgate_llm::{Catalog, Model};
///
/// let catalog: Catalog = [
///     Model::new("fast", [Target::model("openai", "gpt-4o-mini")]),
///     Model::new("openai/*", [Target::model("openai", "*")]),
/// ]
/// .into_iter()
/// .collect();
///
/// assert_eq!(catalog.get("fast").unwrap().candidates().len(), 1);
/// assert_eq!(catalog.get("openai/gpt-4o").unwrap().name(), "openai/*");
/// ```
#[derive(Clone, Default)]
pub struct Catalog(Arc<Models>);

#[derive(Default)]
struct Models {
    in_order: Vec<Model>,
    by_name: HashMap<Arc<str>, usize>,
    /// The longest pattern first, since it says the most.
    patterns: Vec<usize>,
}

impl Catalog {
    /// The model that serves this name. Of several patterns that cover it, the longest does.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Model> {
        let Models {
            in_order,
            by_name,
            patterns,
        } = &*self.0;
        // A pattern is no name, so that nobody asks a provider for `*`.
        if name.contains('*') {
            return None;
        }
        match by_name.get(name) {
            Some(&index) => in_order.get(index),
            None => {
                let mut patterns = patterns.iter().filter_map(|&index| in_order.get(index));
                patterns.find(|model| model.serves(name))
            }
        }
    }

    /// All models, patterns among them, in the order in which they were given.
    pub fn iter(&self) -> impl Iterator<Item = &Model> {
        self.0.in_order.iter()
    }
}

impl FromIterator<Model> for Catalog {
    /// Of two models with one name the later one counts.
    fn from_iter<I: IntoIterator<Item = Model>>(models: I) -> Self {
        let mut all = Models::default();
        for model in models {
            let next = all.in_order.len();
            let name = Arc::clone(model.name_arc());
            match *all.by_name.entry(name).or_insert(next) {
                index if index < next => all.in_order[index] = model,
                _ => all.in_order.push(model),
            }
        }
        let indexes = 0..all.in_order.len();
        all.patterns = indexes
            .filter(|&index| all.in_order[index].is_pattern())
            .collect();
        all.patterns
            .sort_by_key(|&index| Reverse(all.in_order[index].name().len()));
        Self(Arc::new(all))
    }
}

impl fmt::Debug for Catalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.iter().map(Model::name))
            .finish()
    }
}
