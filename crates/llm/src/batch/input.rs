use std::{fmt, ops::Range};

use bytes::{Bytes, BytesMut};
use serde_json::value::RawValue;

/// What one request asks to be embedded: where its inputs stand in its body.
#[derive(Clone)]
pub struct Embeddings {
    body: Bytes,
    /// The whole value of `input`.
    input: Range<usize>,
    /// The inputs without the list around them, commas included.
    items: Range<usize>,
    kind: Kind,
    count: usize,
    weight: u64,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Texts,
    Tokens,
}

impl Embeddings {
    /// Reads the value of `input`; nothing if it is not what the API takes.
    pub(super) fn read(body: &Bytes, input: &RawValue) -> Option<Self> {
        let span = span(body, input.get());
        let (kind, count, weight, inside) = match input.get().as_bytes().first()? {
            b'"' => (Kind::Texts, 1, length(input), input.get()),
            b'[' => {
                let list: Vec<&RawValue> = serde_json::from_str(input.get()).ok()?;
                let inside = input.get().strip_prefix('[')?.strip_suffix(']')?;
                match list.first()?.get().as_bytes().first()? {
                    b'"' if list.iter().all(|it| it.get().starts_with('"')) => {
                        let weight = list.iter().map(|text| length(text)).sum();
                        (Kind::Texts, list.len(), weight, inside)
                    }
                    b'[' => {
                        let tokens = list
                            .iter()
                            .map(|it| count_tokens(it))
                            .sum::<Option<u64>>()?;
                        (Kind::Tokens, list.len(), tokens, inside)
                    }
                    // A list of tokens is one input.
                    _ => (Kind::Tokens, 1, count_tokens(input)?, input.get()),
                }
            }
            _ => return None,
        };
        (count <= MOST_INPUTS).then(|| Self {
            input: span,
            items: self::span(body, inside),
            kind,
            count,
            weight,
            body: body.clone(),
        })
    }

    pub(super) const fn kind(&self) -> Kind {
        self.kind
    }

    pub(super) const fn count(&self) -> usize {
        self.count
    }

    pub(super) const fn weight(&self) -> u64 {
        self.weight
    }
}

// Inputs are the callers' texts.
impl fmt::Debug for Embeddings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Embeddings")
            .field("inputs", &self.count)
            .finish_non_exhaustive()
    }
}

/// The first member's body with the inputs of all.
pub(super) fn join(members: &[Embeddings]) -> Bytes {
    let Some(first) = members.first() else {
        return Bytes::new();
    };
    let inputs: usize = members.iter().map(|member| member.items.len() + 1).sum();
    let mut body = BytesMut::with_capacity(first.body.len() + inputs + 1);
    body.extend_from_slice(&first.body[..first.input.start]);
    for (index, member) in members.iter().enumerate() {
        body.extend_from_slice(if index == 0 { b"[" } else { b"," });
        body.extend_from_slice(&member.body[member.items.clone()]);
    }
    body.extend_from_slice(b"]");
    body.extend_from_slice(&first.body[first.input.end..]);
    body.freeze()
}

/// Where a part of some bytes stands in them.
pub(super) fn span(whole: &[u8], part: &str) -> Range<usize> {
    let start = part.as_ptr().addr() - whole.as_ptr().addr();
    start..start + part.len()
}

/// As written, without the quotes.
fn length(text: &RawValue) -> u64 {
    text.get().len().saturating_sub(2) as u64
}

fn count_tokens(list: &RawValue) -> Option<u64> {
    let tokens: Vec<u64> = serde_json::from_str(list.get()).ok()?;
    (!tokens.is_empty()).then_some(tokens.len() as u64)
}

/// What OpenAI takes in one request.
const MOST_INPUTS: usize = 2048;
