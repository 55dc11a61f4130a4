use std::time::{SystemTime, UNIX_EPOCH};

use tollgate_core::fact::Usage;

use super::{chat::new_id, usage, write::Object};

/// Writes the chunks of a stream, which all begin and end alike.
#[derive(Debug)]
pub(crate) struct Chunks {
    /// How ids begin, and what the chunks are called.
    kind: Kind,
    head: Vec<u8>,
    shows_usage: bool,
    usage: Option<Usage>,
}

/// How ids begin, and what an object is called.
pub(crate) type Kind = (&'static str, &'static str);

impl Chunks {
    /// Chunks of this kind, with the usage at their end if the caller asked for it.
    pub(crate) const fn new(kind: Kind, shows_usage: bool) -> Self {
        Self {
            kind,
            head: Vec::new(),
            shows_usage,
            usage: None,
        }
    }

    pub(crate) fn start(&mut self, id: &str, model: &str, created: u64) {
        self.head.clear();
        self.head.extend_from_slice(b"data: ");
        let mut object = Object::new(&mut self.head);
        head(&mut object, self.kind, (id, model, created));
        drop(object);
        self.head.pop(); // More follows.
        self.head.extend_from_slice(b",\"choices\":[");
    }

    /// Writes a chunk with one choice, but for its number, which is written here.
    pub(crate) fn chunk(
        &mut self,
        choice: u32,
        out: &mut Vec<u8>,
        content: impl FnOnce(&mut Object<'_>),
    ) {
        self.open(out);
        let mut object = Object::new(out);
        object.field("index", choice);
        content(&mut object);
        drop(object);
        out.extend_from_slice(if self.shows_usage {
            b"],\"usage\":null}\n\n"
        } else {
            b"]}\n\n"
        });
    }

    /// The last word counts.
    pub(crate) const fn tell(&mut self, usage: Usage) {
        self.usage = Some(usage);
    }

    /// Writes the usage and the end mark.
    pub(crate) fn end(&mut self, out: &mut Vec<u8>) {
        if let Some(used) = self.usage.filter(|_| self.shows_usage) {
            self.open(out);
            out.extend_from_slice(b"],\"usage\":");
            usage::write(&used, &mut Object::new(out));
            out.extend_from_slice(b"}\n\n");
        }
        out.extend_from_slice(b"data: [DONE]\n\n");
    }

    fn open(&mut self, out: &mut Vec<u8>) {
        if self.head.is_empty() {
            self.start("", "", 0);
        }
        out.extend_from_slice(&self.head);
    }
}

/// Writes what answers and chunks begin with: what they are, and the answer's id, model and time.
pub(crate) fn head(
    object: &mut Object<'_>,
    (prefix, name): Kind,
    (id, model, created): (&str, &str, u64),
) {
    if id.is_empty() {
        object.field("id", new_id(prefix));
    } else {
        object.field("id", id);
    }
    object.field("object", name);
    object.field("created", if created == 0 { now() } else { created });
    object.field("model", model);
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}
