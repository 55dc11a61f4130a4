use crate::{
    canon::{Delta, Fault},
    halves::Halves,
    openai::{
        chat::{new_id, piece::Call},
        error,
    },
};

/// One tool call of a stream.
#[derive(Debug)]
pub(super) struct CallReader {
    choice: u32,
    index: u32,
    /// The server's number, which may be the same for all.
    number: Option<u64>,
    /// The server's id.
    id: String,
    /// Empty as long as it is not known; until then nothing is said.
    name: String,
    /// Arguments that came before the name.
    held: String,
    halves: Halves,
    braces: Braces,
    /// Whether any arguments were given.
    given: bool,
}

impl CallReader {
    pub(super) fn new(choice: u32, index: u32, first: &Call) -> Self {
        Self {
            choice,
            index,
            number: first.index,
            id: String::new(),
            name: String::new(),
            held: String::new(),
            halves: Halves::default(),
            braces: Braces::default(),
            given: false,
        }
    }

    pub(super) fn has_index(&self, index: u64) -> bool {
        self.number == Some(index)
    }

    pub(super) fn has_id(&self, id: &str) -> bool {
        self.id == id
    }

    /// Whether this piece begins another call with the same number. Some servers repeat the id and the name in every
    /// piece, others number all calls with zero, and some give no ids.
    pub(super) fn is_followed_by(&self, piece: &Call) -> bool {
        if piece.name.is_empty() || self.name.is_empty() {
            return false;
        }
        if piece.id.is_empty() || self.id.is_empty() {
            let whole = self.braces.are_closed() && !piece.arguments.is_empty();
            return piece.name != self.name || whole;
        }
        piece.id != self.id
    }

    pub(super) fn read(&mut self, mut piece: Call, out: &mut Vec<Delta>) -> Result<(), Fault> {
        if self.id.is_empty() {
            self.id = piece.id;
        }
        if self.name.is_empty() && !piece.name.is_empty() {
            self.name = piece.name;
            self.start(out);
        }
        self.halves.join(&mut piece.arguments);
        self.braces.read(&piece.arguments);
        self.arguments(piece.arguments, out)
    }

    /// There is no more of it.
    pub(super) fn close(&mut self, out: &mut Vec<Delta>) {
        if self.name.is_empty() {
            self.start(out); // It has no name, which is the caller's to judge.
        }
        if let Some(half) = self.halves.finish() {
            self.say(half.to_string(), out);
        }
        if !self.given {
            self.say("{}".to_owned(), out);
        }
    }

    fn start(&mut self, out: &mut Vec<Delta>) {
        let id = match self.id.as_str() {
            "" => new_id("call_"),
            id => id.to_owned(),
        };
        out.push(Delta::ToolCall {
            choice: self.choice,
            index: self.index,
            id,
            name: self.name.clone(),
            signature: None,
        });
        let held = std::mem::take(&mut self.held);
        self.say(held, out);
    }

    fn arguments(&mut self, json: String, out: &mut Vec<Delta>) -> Result<(), Fault> {
        if !self.name.is_empty() {
            self.say(json, out);
        } else if self.held.len() + json.len() <= MOST_HELD {
            self.held.push_str(&json);
        } else {
            return Err(error::invalid());
        }
        Ok(())
    }

    fn say(&mut self, json: String, out: &mut Vec<Delta>) {
        if !json.is_empty() {
            self.given = true;
            out.push(Delta::Arguments {
                choice: self.choice,
                index: self.index,
                json,
            });
        }
    }
}

/// Tells when an object that comes in pieces is complete.
#[derive(Debug, Default)]
struct Braces {
    depth: u32,
    begun: bool,
    in_text: bool,
    escaped: bool,
}

impl Braces {
    fn read(&mut self, json: &str) {
        for byte in json.bytes() {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' if self.in_text => self.escaped = true,
                b'"' => self.in_text = !self.in_text,
                _ if self.in_text => {}
                b'{' | b'[' => {
                    self.begun = true;
                    self.depth = self.depth.saturating_add(1);
                }
                b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
        }
    }

    const fn are_closed(&self) -> bool {
        self.begun && self.depth == 0 && !self.in_text
    }
}

/// How much is held for a call whose name has not come.
const MOST_HELD: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::Braces;

    #[test]
    fn an_object_in_pieces_is_closed_by_its_last_brace() {
        for (pieces, closed) in [
            (&["{}"][..], true),
            (&["{\"a", "\": \"}\\", "\"}\"", "}"], true),
            (&["{\"a\": [1, {}]"], false),
            (&["{\"a\": \"}"], false),
            (&[""], false),
        ] {
            let mut braces = Braces::default();
            pieces.iter().for_each(|piece| braces.read(piece));
            assert_eq!(braces.are_closed(), closed, "{pieces:?}");
        }
    }
}
