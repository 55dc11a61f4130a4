use std::collections::VecDeque;

use crate::canon::Signature;

/// Tool calls that wait until the one before them is written. There are few: providers that interleave calls are rare.
#[derive(Debug, Default)]
pub(super) struct Pending {
    calls: VecDeque<Call>,
    bytes: usize,
}

#[derive(Debug)]
pub(super) struct Call {
    pub(super) index: u32,
    pub(super) id: String,
    pub(super) name: String,
    pub(super) signature: Option<Signature>,
    /// What has come of the arguments.
    pub(super) json: String,
}

impl Pending {
    /// Keeps a call; if there are too many, gives them all, and they are to be written as they are.
    pub(super) fn push(&mut self, call: Call) -> Option<VecDeque<Call>> {
        self.bytes += call.id.len() + call.name.len();
        self.calls.push_back(call);
        self.overflow()
    }

    /// Adds to the arguments of a call, if it waits here.
    pub(super) fn append(&mut self, index: u32, json: &str) -> Option<VecDeque<Call>> {
        let call = self.calls.iter_mut().find(|call| call.index == index)?;
        call.json.push_str(json);
        self.bytes += json.len();
        self.overflow()
    }

    pub(super) fn pop(&mut self) -> Option<Call> {
        let call = self.calls.pop_front()?;
        let taken = call.id.len() + call.name.len() + call.json.len();
        self.bytes = self.bytes.saturating_sub(taken);
        Some(call)
    }

    fn overflow(&mut self) -> Option<VecDeque<Call>> {
        if self.calls.len() <= MOST_CALLS && self.bytes <= MOST_BYTES {
            return None;
        }
        self.bytes = 0;
        Some(std::mem::take(&mut self.calls))
    }
}

/// Follows JSON that comes in pieces, to its end.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Scan {
    depth: usize,
    begun: bool,
    in_text: bool,
    escaped: bool,
}

impl Scan {
    pub(super) fn feed(&mut self, json: &str) {
        for byte in json.bytes() {
            if self.in_text {
                match byte {
                    _ if self.escaped => self.escaped = false,
                    b'\\' => self.escaped = true,
                    b'"' => self.in_text = false,
                    _ => {}
                }
                continue;
            }
            match byte {
                b'"' => self.in_text = true,
                b'{' | b'[' => {
                    self.begun = true;
                    self.depth += 1;
                }
                b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
        }
    }

    /// Whether an object or a list has come to its end.
    pub(super) const fn is_complete(self) -> bool {
        self.begun && self.depth == 0 && !self.in_text
    }
}

const MOST_CALLS: usize = 128;
const MOST_BYTES: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::{Call, MOST_BYTES, MOST_CALLS, Pending, Scan};

    #[test]
    fn an_object_is_complete_at_its_last_brace() {
        let json = r#"{"a\"}":[{"b":"}\\"}],"c":1}"#;
        let mut scan = Scan::default();
        for (at, _) in json.char_indices() {
            assert!(!scan.is_complete(), "{}", &json[..at]);
            scan.feed(&json[at..=at]);
        }
        assert!(scan.is_complete());
        assert!(!Scan::default().is_complete());
    }

    #[test]
    fn what_waits_is_bounded() {
        let call = |index| Call {
            index,
            id: "i".to_owned(),
            name: "n".to_owned(),
            signature: None,
            json: String::new(),
        };
        let mut pending = Pending::default();
        assert!((0..128).all(|index| pending.push(call(index)).is_none()));
        assert_eq!(pending.push(call(128)).unwrap().len(), MOST_CALLS + 1);
        assert!(pending.push(call(0)).is_none());
        assert!(pending.append(1, "never begun").is_none());
        assert!(pending.append(0, &"x".repeat(MOST_BYTES)).is_some());
        assert!(pending.pop().is_none());
    }
}
