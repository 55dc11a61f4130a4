use std::ops::Range;

use bytes::{Bytes, BytesMut};
use serde::Deserialize;
use serde_json::value::RawValue;
use tollgate_core::share_out;

use super::{
    fields::Fields,
    input::{Embeddings, span},
};

/// An answer for each member: the same bytes but for `data`, which has the member's vectors, counted from zero, and the
/// numbers of `usage`, of which it has the member's share.
pub(super) fn split(body: &Bytes, members: &[Embeddings]) -> Option<Vec<Bytes>> {
    let fields = Fields::read(body)?;
    let data = fields.get("data")?;
    if body.len() - data.get().len() > MOST_BESIDES {
        return None; // It is copied for each member.
    }
    let vectors = vectors(data, members.iter().map(Embeddings::count).sum())?;
    let weights: Vec<u64> = members.iter().map(Embeddings::weight).collect();
    let mut edits: Vec<(Range<usize>, Edit)> = vec![(span(body, data.get()), Edit::Data)];
    let usage = fields.get("usage");
    let usage = usage.and_then(|usage| Fields::read(usage.get().as_bytes()));
    for (_, count) in usage.iter().flat_map(Fields::iter) {
        if let Ok(whole) = count.get().parse() {
            let shares = Edit::Shares(share_out(whole, &weights));
            edits.push((span(body, count.get()), shares));
        }
    }
    edits.sort_unstable_by_key(|(at, _)| at.start);
    let mut rest = &vectors[..];
    let answer = |(index, member): (usize, &Embeddings)| {
        let own = rest.split_off(..member.count())?;
        Some(write(body, &edits, index, own))
    };
    members.iter().enumerate().map(answer).collect()
}

enum Edit {
    Data,
    Shares(Vec<u64>),
}

fn write(
    body: &[u8],
    edits: &[(Range<usize>, Edit)],
    member: usize,
    vectors: &[Vector<'_>],
) -> Bytes {
    let data: usize = vectors.iter().map(|vector| vector.json.len() + 5).sum();
    let besides = edits
        .iter()
        .fold(body.len(), |left, (at, _)| left - at.len());
    let mut answer = BytesMut::with_capacity(data + besides + 20 * edits.len());
    let mut from = 0;
    for (at, edit) in edits {
        answer.extend_from_slice(&body[from..at.start]);
        match edit {
            Edit::Data => write_data(&mut answer, vectors),
            Edit::Shares(shares) => answer.extend_from_slice(shares[member].to_string().as_bytes()),
        }
        from = at.end;
    }
    answer.extend_from_slice(&body[from..]);
    answer.freeze()
}

fn write_data(answer: &mut BytesMut, vectors: &[Vector<'_>]) {
    answer.extend_from_slice(b"[");
    for (index, Vector { json, at, .. }) in vectors.iter().enumerate() {
        if index > 0 {
            answer.extend_from_slice(b",");
        }
        answer.extend_from_slice(&json.as_bytes()[..at.start]);
        answer.extend_from_slice(index.to_string().as_bytes());
        answer.extend_from_slice(&json.as_bytes()[at.end..]);
    }
    answer.extend_from_slice(b"]");
}

/// One of `data`, as it stands, and where its index stands in it.
struct Vector<'a> {
    json: &'a str,
    index: usize,
    at: Range<usize>,
}

impl<'a> Vector<'a> {
    fn read(json: &'a RawValue) -> Option<Self> {
        #[derive(Deserialize)]
        struct Indexed<'a> {
            #[serde(borrow)]
            index: &'a RawValue,
        }
        let json = json.get();
        // Serde would also take an array.
        let object = json.starts_with('{').then_some(json)?;
        let Indexed { index } = serde_json::from_str(object).ok()?;
        Some(Self {
            json,
            index: index.get().parse().ok()?,
            at: span(json.as_bytes(), index.get()),
        })
    }
}

/// The vectors in the order of their indices, of which there must be each.
fn vectors(data: &RawValue, count: usize) -> Option<Vec<Vector<'_>>> {
    let list: Vec<&RawValue> = serde_json::from_str(data.get()).ok()?;
    let vectors: Option<Vec<_>> = list.into_iter().map(Vector::read).collect();
    let mut vectors = vectors.filter(|vectors| vectors.len() == count)?;
    vectors.sort_by_key(|vector| vector.index);
    let complete = vectors
        .iter()
        .enumerate()
        .all(|(index, vector)| vector.index == index);
    complete.then_some(vectors)
}

/// What an answer may have beside its vectors: a few fields.
const MOST_BESIDES: usize = 64 << 10;
