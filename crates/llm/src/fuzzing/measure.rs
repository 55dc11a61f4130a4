//! Doors to what the benchmarks measure; for them alone.

use bytes::Bytes;
use http::Uri;
use tollgate_core::Trail;

use super::forms::{MODEL, TARGET, translation};
use crate::{
    dialect::Api,
    meter::Meter,
    peek::Peek,
    translate::{StreamTranslation, Translation},
    upstream::{Relay, passed},
};

/// A way of asking for an answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Form {
    /// OpenAI's chat completions.
    Chat,
    /// OpenAI's responses; only in front.
    Responses,
    /// Anthropic's messages.
    Messages,
    /// Gemini's contents.
    Contents,
}

impl Form {
    const fn api(self) -> Api {
        match self {
            Self::Chat => Api::Chat,
            Self::Responses => Api::Responses,
            Self::Messages => Api::Messages,
            Self::Contents => Api::StreamGenerate { array: false },
        }
    }
}

/// Reads a request and writes it for the form behind.
///
/// # Panics
/// If it cannot be read.
#[must_use]
pub fn request(front: Form, behind: Form, body: &[u8]) -> Vec<u8> {
    let read = Translation::read(front.api(), behind.api(), MODEL, body);
    read.expect("the request is readable").request(&TARGET).0
}

/// Puts answers into other words.
#[derive(Debug)]
pub struct Answers(Translation);

impl Answers {
    /// From the form behind into the one in front.
    #[must_use]
    pub fn new(front: Form, behind: Form) -> Self {
        Self(translation(front.api(), behind.api()))
    }

    /// A plain answer.
    ///
    /// # Panics
    /// If it cannot be read.
    #[must_use]
    pub fn plain(&self, body: &[u8]) -> Vec<u8> {
        self.0.answer(body).expect("the answer is readable").0
    }

    /// A stream that comes.
    ///
    /// # Panics
    /// Never: all of these can be streamed.
    #[must_use]
    pub fn stream(&self) -> Stream {
        Stream {
            translation: self.0.stream().expect("an answer can be streamed"),
            out: Vec::new(),
        }
    }

    /// What passes such a stream on, with its meter.
    #[must_use]
    pub fn passing(&self, behind: Form) -> Passing {
        Passing(Relay::translating(meter(behind), self.stream().translation))
    }
}

/// Puts a stream into other words.
#[derive(Debug)]
pub struct Stream {
    translation: StreamTranslation,
    out: Vec<u8>,
}

impl Stream {
    /// The data of one event, in other words.
    ///
    /// # Panics
    /// If it cannot be read.
    pub fn read(&mut self, data: &[u8]) -> &[u8] {
        self.out = Vec::with_capacity(0); // What is written goes out, so nothing is used twice.
        let read = self.translation.read(data, &mut self.out);
        read.expect("the event is readable");
        &self.out
    }
}

/// A stream in pieces, on its way.
pub struct Passing(Relay);

impl Passing {
    /// Passes on what is whole with this piece, and says how long it is.
    pub fn read(&mut self, piece: &Bytes) -> usize {
        passed(&mut self.0, piece)
    }
}

impl std::fmt::Debug for Passing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Passing").finish_non_exhaustive()
    }
}

/// Meters a stream.
#[derive(Debug)]
pub struct Metering(Meter);

impl Metering {
    /// A stream in this form.
    #[must_use]
    pub fn new(form: Form) -> Self {
        Self(meter(form))
    }

    /// The data of one event.
    pub fn read(&mut self, data: &[u8]) {
        self.0.read(data);
    }
}

/// Looks at a chat, as a gateway does before it sends it on; gives the length of the model's name.
///
/// # Panics
/// If it cannot be read.
#[must_use]
pub fn peek(body: &Bytes) -> usize {
    let uri = Uri::from_static("/v1/chat/completions");
    let (call, _) = Peek::at(Api::Chat, &uri, body).expect("the chat is readable");
    call.model.len()
}

fn meter(form: Form) -> Meter {
    Meter::new(Trail::new(), form.api(), Bytes::new())
}
