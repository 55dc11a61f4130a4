mod layer;

use std::{collections::HashMap, fmt, sync::Arc, time::SystemTime};

use serde_json::{Value, json};
use tollgate_core::fact::Target;

pub use self::layer::{CatalogFuture, CatalogLayer, CatalogService};

/// The models that clients can ask for, and the targets that serve them. Clones share the models.
///
/// ```
/// use tollgate_core::fact::Target;
/// use tollgate_llm::{Catalog, Model};
///
/// let catalog: Catalog = [Model::new("fast", [Target::model("openai", "gpt-4o-mini")])].into_iter().collect();
/// assert_eq!(catalog.get("fast").unwrap().targets().len(), 1);
/// ```
#[derive(Clone, Default)]
pub struct Catalog(Arc<Models>);

#[derive(Default)]
struct Models {
    by_name: HashMap<Arc<str>, Model>,
    in_order: Vec<Arc<str>>,
}

impl Catalog {
    /// The model that a client asks for by this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Model> {
        self.0.by_name.get(name)
    }

    /// All models, in the order in which they were given.
    pub fn iter(&self) -> impl Iterator<Item = &Model> {
        self.0.in_order.iter().filter_map(|name| self.get(name))
    }
}

impl FromIterator<Model> for Catalog {
    /// Of two models with one name the later one counts.
    fn from_iter<I: IntoIterator<Item = Model>>(models: I) -> Self {
        let mut all = Models::default();
        for model in models {
            let name = Arc::clone(&model.name);
            if all.by_name.insert(Arc::clone(&name), model).is_none() {
                all.in_order.push(name);
            }
        }
        Self(Arc::new(all))
    }
}

impl fmt::Debug for Catalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.0.in_order).finish()
    }
}

/// What a client can ask for by one name.
#[derive(Clone, Debug)]
pub struct Model {
    name: Arc<str>,
    targets: Arc<[Target]>,
    created: u64,
}

impl Model {
    /// A model by the name that clients use, served by these targets.
    pub fn new(name: impl Into<Arc<str>>, targets: impl IntoIterator<Item = Target>) -> Self {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        Self {
            name: name.into(),
            targets: targets.into_iter().collect(),
            created: now.map_or(0, |now| now.as_secs()),
        }
    }

    /// The name that clients use.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The targets that serve it.
    #[must_use]
    pub fn targets(&self) -> &[Target] {
        &self.targets
    }

    fn json(&self) -> Value {
        json!({ "id": self.name, "object": "model", "created": self.created, "owned_by": "tollgate" })
    }
}
