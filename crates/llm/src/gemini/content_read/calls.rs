use std::collections::{HashMap, VecDeque};

/// Which calls of a conversation wait for their results. Results name a call by its id, if their caller kept it, or by
/// the function's name, in the order of the calls.
#[derive(Debug, Default)]
pub(super) struct Calls {
    ids: Vec<Option<String>>,
    by_id: HashMap<String, usize>,
    by_name: HashMap<String, VecDeque<usize>>,
}

impl Calls {
    /// A call is made; gives its id. One that has none is named after its place, so that the same conversation is
    /// written the same way again, and the provider's cache knows it.
    pub(super) fn call(&mut self, id: Option<String>, name: &str) -> String {
        let index = self.ids.len();
        let id = id.unwrap_or_else(|| format!("call_{index}"));
        self.ids.push(Some(id.clone()));
        self.by_id.insert(id.clone(), index);
        let waiting = self.by_name.entry(name.to_owned()).or_default();
        waiting.push_back(index);
        id
    }

    /// A result has come; gives the id of its call, or its own if there is no such call.
    pub(super) fn result(&mut self, id: Option<String>, name: &str) -> String {
        if let Some(id) = &id
            && let Some(&index) = self.by_id.get(id)
            && let Some(taken) = self.ids[index].take()
        {
            return taken;
        }
        let waiting = self.by_name.get_mut(name);
        let first = waiting.and_then(|waiting| {
            // Those that were answered by id stand there still; each is passed over once.
            while let Some(index) = waiting.pop_front() {
                if let Some(id) = self.ids[index].take() {
                    return Some(id);
                }
            }
            None
        });
        first
            .or(id)
            .unwrap_or_else(|| format!("call_{}", self.ids.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::Calls;

    #[test]
    fn results_find_their_calls_by_id_or_in_the_order_of_the_calls() {
        let mut calls = Calls::default();
        assert_eq!(calls.call(None, "f"), "call_0");
        assert_eq!(calls.call(Some("x".to_owned()), "f"), "x");
        assert_eq!(calls.call(None, "g"), "call_2");
        assert_eq!(calls.call(None, "f"), "call_3");

        assert_eq!(calls.result(Some("x".to_owned()), "f"), "x");
        assert_eq!(calls.result(None, "f"), "call_0");
        assert_eq!(calls.result(Some("theirs".to_owned()), "f"), "call_3");
        assert_eq!(calls.result(None, "g"), "call_2");
        assert_eq!(calls.result(None, "g"), "call_4");
        assert_eq!(calls.result(Some("theirs".to_owned()), "g"), "theirs");
    }
}
