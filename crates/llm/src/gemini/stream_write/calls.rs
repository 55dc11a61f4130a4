use std::borrow::Cow;

use crate::{
    canon::Signature,
    gemini::wire::{FunctionCall, Part, args},
};

/// Calls whose arguments are still to come. Here they are said whole, and those of several calls may interleave.
#[derive(Debug, Default)]
pub(super) struct Calls {
    open: Vec<Call>,
    size: usize,
}

#[derive(Debug)]
pub(super) struct Call {
    choice: u32,
    index: u32,
    id: String,
    name: String,
    arguments: String,
    signature: Option<Signature>,
}

impl Calls {
    /// A call begins; false if that is too much.
    pub(super) fn begin(
        &mut self,
        choice: u32,
        index: u32,
        id: String,
        name: String,
        signature: Option<Signature>,
    ) -> bool {
        self.size += id.len() + name.len() + signature.as_ref().map_or(0, |it| it.value.len());
        self.open.push(Call {
            choice,
            index,
            id,
            name,
            arguments: String::new(),
            signature,
        });
        self.open.len() <= MOST_CALLS && self.size <= MOST
    }

    /// A piece of a call's arguments has come; false if that is too much.
    pub(super) fn add(&mut self, choice: u32, index: u32, json: &str) -> bool {
        self.size += json.len();
        // The last one almost always.
        let mut calls = self.open.iter_mut().rev();
        if let Some(call) = calls.find(|call| call.choice == choice && call.index == index) {
            call.arguments.push_str(json);
        }
        self.size <= MOST
    }

    /// Takes an answer's calls, in their order.
    pub(super) fn of(&mut self, choice: u32) -> Vec<Call> {
        let (mut of, others): (Vec<_>, _) = std::mem::take(&mut self.open)
            .into_iter()
            .partition(|call| call.choice == choice);
        self.open = others;
        of.sort_by_key(|call| call.index);
        for call in &mut of {
            self.size = self.size.saturating_sub(call.arguments.len());
            // Between the tokens of JSON, where alone it can stand, a line's end is as good as a space.
            if memchr::memchr2(b'\n', b'\r', call.arguments.as_bytes()).is_some() {
                call.arguments = call.arguments.replace(['\n', '\r'], " ");
            }
        }
        of
    }
}

impl Call {
    /// As a part; nothing if its arguments are no object.
    pub(super) fn part(&self) -> Option<Part<'_>> {
        let call = FunctionCall {
            id: &self.id,
            name: &self.name,
            args: Cow::Borrowed(args(&self.arguments)?),
        };
        Some(Part::call(call, self.signature.as_ref()))
    }
}

/// So many bytes are held.
const MOST: usize = 8 << 20;
/// So many calls; each piece looks for its own among them.
const MOST_CALLS: usize = 256;
