use super::StreamWriter;
use crate::{
    canon::Signature,
    openai::responses::{
        answer::call_id_of,
        item::{Item, Status},
    },
};

impl StreamWriter {
    /// Begins a call, and ends another that had the same index.
    pub(super) fn call(
        &mut self,
        index: u32,
        call_id: &str,
        name: String,
        signature: Option<&Signature>,
        out: &mut Vec<u8>,
    ) {
        self.begin(out);
        self.close(Status::Completed, out);
        let id = self.response.item_id("fc", self.items.len());
        let call_id = call_id_of(call_id, signature, &id).into_owned();
        self.kept += call_id.len() + name.len();
        let item = Item::FunctionCall {
            id,
            status: Status::InProgress,
            call_id: call_id.into(),
            name: name.into(),
            arguments: "".into(),
        };
        let item = self.add(item, out);
        if let Some(before) = self.calls.insert(index, item) {
            self.close_call(before, Status::Completed, out);
        }
    }

    pub(super) fn argue(&mut self, item: usize, json: &str, out: &mut Vec<u8>) {
        if let Item::FunctionCall { id, arguments, .. } = &mut self.items[item]
            && !json.is_empty()
        {
            self.kept += json.len();
            self.events.arguments_delta(item, id, json, out);
            arguments.to_mut().push_str(json);
        }
    }

    /// Closes the calls, in the order of the output.
    pub(super) fn close_calls(&mut self, status: impl Fn(usize) -> Status, out: &mut Vec<u8>) {
        let mut calls: Vec<usize> = std::mem::take(&mut self.calls).into_values().collect();
        calls.sort_unstable();
        for item in calls {
            self.close_call(item, status(item), out);
        }
    }

    fn close_call(&mut self, item: usize, status: Status, out: &mut Vec<u8>) {
        if matches!(&self.items[item], Item::FunctionCall { arguments, .. } if arguments.is_empty())
        {
            self.argue(item, "{}", out); // The deltas are to make up the whole.
        }
        self.events.arguments_done(item, &self.items[item], out);
        self.end(item, status, out);
    }
}
