mod split;
mod tamper;

use std::collections::VecDeque;

use bytes::Bytes;
use serde_json::Value;

use self::tamper::tamper;
use super::{
    Fault,
    body::{Cost, Piece},
    fault::Faults,
    mind::HALVES,
};

/// One event of a stream.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) name: Option<&'static str>,
    pub(crate) data: Value,
    pub(crate) kind: Kind,
    pub(crate) cost: Cost,
}

/// What an event is to the answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// Before any content.
    Start,
    Content,
    /// From the first of these on, the answer is known to end.
    End,
    /// A line that is no JSON.
    Done,
}

/// How events become bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Framing {
    /// Server-sent events.
    Events,
    /// One JSON array.
    Array,
}

impl Event {
    pub(crate) fn new(kind: Kind, data: Value) -> Self {
        Self {
            name: None,
            data,
            kind,
            cost: Cost::default(),
        }
    }

    pub(crate) fn named(kind: Kind, name: &'static str, data: Value) -> Self {
        Self {
            name: Some(name),
            ..Self::new(kind, data)
        }
    }

    /// Costs one token.
    pub(crate) fn token(self, reasoning: bool) -> Self {
        self.tokens(1, reasoning)
    }

    pub(crate) fn tokens(mut self, output: u64, reasoning: bool) -> Self {
        self.cost.output = output;
        self.cost.reasoning = if reasoning { output } else { 0 };
        self
    }
}

/// The bytes of a stream, with what goes wrong in it; `error` is how it tells of an error.
pub(crate) fn pieces(
    mut events: Vec<Event>,
    framing: Framing,
    faults: Faults,
    error: Event,
) -> VecDeque<Piece> {
    let middle = middle(&events);
    if faults.has(Fault::ErrorEvent) {
        events.truncate(middle);
        events.push(error);
    }
    let last_usage = events
        .iter()
        .rposition(|event| tamper::has_usage(&event.data));
    let end = if faults.has(Fault::Crlf) {
        "\r\n"
    } else {
        "\n"
    };
    let count = events.len();
    let mut pieces: VecDeque<Piece> = VecDeque::with_capacity(count + 2);
    let end_at = events
        .iter()
        .position(|event| matches!(event.kind, Kind::End | Kind::Done));
    for (at, mut event) in events.into_iter().enumerate() {
        tamper(&mut event.data, faults, Some(at) == last_usage);
        let mut text = String::new();
        match framing {
            Framing::Events => {
                if at == 0 && faults.has(Fault::Bom) {
                    text.push('\u{feff}');
                }
                if faults.has(Fault::Comments) {
                    text += &format!(": still here{end}{end}");
                }
                if let Some(name) = event.name {
                    text += &format!("event: {name}{end}");
                }
                text += &format!("data: {}{end}{end}", written(&event));
            }
            Framing::Array => {
                text += if at == 0 { "[" } else { ",\r\n" };
                text += &written(&event);
                if at + 1 == count {
                    text += "]";
                }
            }
        }
        let cut = [
            (Fault::CutAtStart, at == 0, 0),
            (Fault::CutInEvent, at == middle, text.len() / 2),
            (Fault::Cut, at == middle, 0),
            (Fault::CutBeforeEnd, Some(at) == end_at, 0),
        ];
        let cut = cut
            .into_iter()
            .find(|&(fault, here, _)| here && faults.has(fault));
        let stall =
            at == middle && faults.has(Fault::Stall) || at == 0 && faults.has(Fault::StallAtStart);
        if let Some((_, _, kept)) = cut {
            if kept > 0 {
                pieces.push_back(Piece::Bytes(
                    Bytes::copy_from_slice(&text.as_bytes()[..kept]),
                    event.cost,
                ));
            }
            pieces.push_back(broken(faults));
            break;
        }
        if stall {
            pieces.push_back(Piece::Stall);
            break;
        }
        split::split(text.into(), event.cost, faults, &mut pieces);
    }
    if faults.has(Fault::ErrorEvent) {
        pieces.push_back(Piece::End);
    }
    pieces
}

/// The bytes of a plain answer, with what goes wrong in it.
pub(crate) fn plain(mut answer: Value, faults: Faults) -> VecDeque<Piece> {
    tamper(&mut answer, faults, true);
    let text = halves(answer.to_string());
    let stall = faults.has(Fault::Stall) || faults.has(Fault::StallAtStart);
    let kept = match () {
        () if faults.has(Fault::CutAtStart) || faults.has(Fault::StallAtStart) => 0,
        () if stall
            || [Fault::Cut, Fault::CutInEvent]
                .iter()
                .any(|it| faults.has(*it)) =>
        {
            text.len() / 2
        }
        () if faults.has(Fault::CutBeforeEnd) => text.len() - 1,
        () => text.len(),
    };
    let whole = kept == text.len();
    let mut pieces = VecDeque::new();
    if kept > 0 {
        let text = Bytes::copy_from_slice(&text.as_bytes()[..kept]);
        split::split(text, Cost::default(), faults, &mut pieces);
    }
    if !whole {
        pieces.push_back(if stall { Piece::Stall } else { broken(faults) });
    }
    pieces
}

fn broken(faults: Faults) -> Piece {
    if faults.has(Fault::Clean) {
        Piece::End
    } else {
        Piece::Cut
    }
}

/// The event in the middle of the content.
fn middle(events: &[Event]) -> usize {
    let content = || {
        events
            .iter()
            .enumerate()
            .filter(|(_, event)| event.kind == Kind::Content)
    };
    let half = content().count() / 2;
    content().nth(half).map_or(events.len() / 2, |(at, _)| at)
}

fn written(event: &Event) -> String {
    match (&event.kind, &event.data) {
        (Kind::Done, Value::String(line)) => line.clone(),
        (_, data) => halves(data.to_string()),
    }
}

/// Writes the halves of surrogate pairs, which no string here can hold.
fn halves(text: String) -> String {
    if !text.contains(HALVES[0].0) {
        return if text.contains(HALVES[1].0) {
            text.replace(HALVES[1].0, HALVES[1].1)
        } else {
            text
        };
    }
    HALVES
        .iter()
        .fold(text, |text, (mark, half)| text.replace(mark, half))
}
