//! The halves of the dialect together.

mod answers;
mod asks_read;
mod asks_refused;
mod asks_written;
mod contents_written;
mod embeddings;
mod golden;
mod hostile;
mod round_trip;
mod streams_read;
mod streams_written;
mod thoughts;

use serde_json::Value;

use super::{NAMES, StreamReader, StreamWriter, read_ask, write_ask};
use crate::canon::{
    Ask, Delta, Losses, Media, Part, ReadStream, Role, Source, Target, Turn, WriteStream,
};

fn target(model: &str) -> Target<'_> {
    Target {
        model,
        max_output: 4096,
        version: "",
        legacy_max_tokens: false,
    }
}

fn asked(body: &Value) -> Ask {
    read_ask(body.to_string().as_bytes(), "m", false).unwrap()
}

/// What is refused, by its field.
fn refused(body: &Value) -> String {
    let refusal = read_ask(body.to_string().as_bytes(), "m", false).unwrap_err();
    refusal.details()["param"].as_str().unwrap().to_owned()
}

fn written(ask: &Ask, model: &str) -> (Value, Losses) {
    let mut losses = Losses::default();
    let body = write_ask(ask, &target(model), &mut losses);
    (serde_json::from_slice(&body).unwrap(), losses)
}

fn hints(losses: &Losses) -> Vec<&str> {
    losses.all().skip(losses.fields().len()).collect()
}

fn read_events<'a>(events: impl IntoIterator<Item = &'a str>) -> Vec<Delta> {
    let mut reader = StreamReader::default();
    let mut out = Vec::new();
    for event in events {
        reader.read(event.as_bytes(), &mut out).unwrap();
    }
    reader.finish(&mut out);
    out
}

fn write_events(deltas: impl IntoIterator<Item = Delta>, ask: &Ask, array: bool) -> String {
    let mut writer = StreamWriter::new(ask, array);
    let mut out = Vec::new();
    for delta in deltas {
        writer.write(delta, &mut out);
    }
    String::from_utf8(out).unwrap()
}

/// The data of each event.
fn data(stream: &str) -> Vec<&str> {
    let events = stream.split_terminator("\n\n");
    events
        .map(|event| event.strip_prefix("data: ").unwrap())
        .collect()
}

fn nobody() -> Ask {
    Ask::new(&NAMES)
}

fn ask(turns: impl IntoIterator<Item = (Role, Vec<Part>)>) -> Ask {
    let turns = turns.into_iter().enumerate();
    Ask {
        turns: turns
            .map(|(at, (role, parts))| Turn { role, parts, at })
            .collect(),
        ..nobody()
    }
}

fn media(source: Source, media_type: &str) -> Part {
    Part::Media(Media {
        source,
        media_type: media_type.to_owned(),
        detail: None,
        name: None,
        cached: false,
    })
}
