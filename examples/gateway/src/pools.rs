use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use tollgate::{
    balance::{Pool, Strategy},
    core::fact::{Abilities, Call, Operation},
    llm::Catalog,
};

use crate::config::{self, Config};

/// The targets to choose from, for each kind of call. A pool remembers what it has learned of its targets, so it is made
/// once.
#[derive(Clone)]
pub(crate) struct Pools {
    catalog: Catalog,
    strategies: Arc<HashMap<String, Strategy>>,
    made: Arc<RwLock<HashMap<Kind, Pool>>>,
}

/// What the choice depends on.
#[derive(Clone, Eq, Hash, PartialEq)]
struct Kind {
    model: Arc<str>,
    embeddings: bool,
    stateful: bool,
    needs: [bool; 3],
}

impl Pools {
    pub(crate) fn new(config: &Config, catalog: Catalog) -> Self {
        let strategy = |model: &config::Model| {
            let strategy = match model.strategy {
                config::Strategy::Weighted => Strategy::Weighted,
                config::Strategy::LeastBusy => Strategy::LeastBusy,
            };
            (model.name.clone(), strategy)
        };
        Self {
            catalog,
            strategies: Arc::new(config.models.iter().map(strategy).collect()),
            made: Arc::default(),
        }
    }

    /// The targets that can serve a call; nothing if its model does not exist.
    pub(crate) fn of(&self, call: &Call) -> Option<Pool> {
        let Abilities {
            tools,
            images,
            json_schema,
            ..
        } = call.abilities;
        let kind = Kind {
            model: Arc::clone(&call.model),
            embeddings: call.operation == Operation::Embeddings,
            stateful: call.stateful,
            needs: [tools, images, json_schema],
        };
        let made = self.made.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(pool) = made.get(&kind) {
            return Some(pool.clone());
        }
        drop(made);
        let model = self.catalog.get(&call.model)?;
        let targets = model.candidates_for(call);
        let targets = targets.map(|candidate| candidate.target.clone());
        let strategy = self.strategies.get(model.name()).copied();
        // What a provider keeps is found there only, so such calls all go to one place.
        let most = if call.stateful { 1 } else { usize::MAX };
        let pool = Pool::new(targets.take(most)).strategy(strategy.unwrap_or(Strategy::Weighted));
        let mut made = self.made.write().unwrap_or_else(PoisonError::into_inner);
        if made.len() >= MOST_POOLS {
            made.clear(); // A pattern serves names without end; what was learned is learned again.
        }
        // Another call may have made it in the meantime, and learned something.
        Some(made.entry(kind).or_insert(pool).clone())
    }
}

const MOST_POOLS: usize = 4096;
