use serde_json::Value;

use crate::simulated::asked::{Caching, Hash, tokens};

/// What stands before the last mark for caching.
#[derive(Debug)]
pub(crate) struct Mark {
    hash: Hash,
    tokens: u64,
    pub(crate) caching: Option<Caching>,
}

impl Mark {
    pub(crate) fn new(model: &str) -> Self {
        Self {
            hash: Hash::new().add(model),
            tokens: 0,
            caching: None,
        }
    }

    pub(crate) fn add(&mut self, text: &str) {
        self.hash = self.hash.add(text);
        self.tokens += tokens(text);
    }

    pub(crate) fn pass(&mut self, block: &Value) {
        let mut bare = block.clone();
        // The mark is no part of what it marks.
        let mark = bare
            .as_object_mut()
            .and_then(|it| it.remove("cache_control"));
        self.add(&bare.to_string());
        if let Some(mark) = mark.filter(Value::is_object) {
            self.here(&mark);
        }
    }

    pub(crate) fn here(&mut self, mark: &Value) {
        let (hash, tokens, hour) = (self.hash.0, self.tokens, mark["ttl"] == "1h");
        self.caching = Some(Caching {
            hash,
            tokens,
            pays: true,
            hour,
        });
    }
}
