use std::collections::HashMap;

/// The names of the tools that were called, by the calls' ids: results commonly say only the id, and Google wants the
/// name beside it.
#[derive(Debug, Default)]
pub(crate) struct Called(HashMap<String, String>);

impl Called {
    pub(crate) fn insert(&mut self, id: &str, name: &str) {
        if can_be_repeated(name) {
            self.0.insert(id.to_owned(), name.to_owned());
        }
    }

    /// The name of the tool that was called so, if it is known.
    pub(crate) fn name(&self, id: &str) -> Option<String> {
        self.0.get(id).cloned()
    }
}

/// Whether each result may repeat a tool's name. With long ones, many results would make a huge request of a small one.
pub(crate) const fn can_be_repeated(name: &str) -> bool {
    name.len() <= LONGEST_NAME
}

/// More than any provider takes.
const LONGEST_NAME: usize = 256;
