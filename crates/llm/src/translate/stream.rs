use std::mem;

use crate::{
    Dialect, anthropic,
    canon::{Ask, Delta, Fault, ReadStream, WriteStream},
    dialect::Api,
    gemini,
    openai::{chat, completions, responses},
};

/// Puts a provider's stream into the caller's words, event by event, sans I/O.
pub(crate) struct StreamTranslation {
    reader: Reader,
    writer: Writer,
    deltas: Vec<Delta>,
    array: bool,
}

enum Reader {
    Chat(chat::StreamReader),
    Messages(anthropic::StreamReader),
    Contents(gemini::StreamReader),
}

enum Writer {
    Chat(chat::StreamWriter),
    Completions(completions::StreamWriter),
    Responses(responses::StreamWriter),
    Messages(anthropic::StreamWriter),
    Contents(gemini::StreamWriter),
}

impl StreamTranslation {
    pub(super) fn new(front: Api, behind: Api, ask: &Ask) -> Self {
        Self {
            reader: match behind.dialect() {
                Dialect::OpenAi => Reader::Chat(chat::StreamReader::default()),
                Dialect::Anthropic => Reader::Messages(anthropic::StreamReader::default()),
                Dialect::Gemini => Reader::Contents(gemini::StreamReader::default()),
            },
            writer: match front {
                Api::Completions => Writer::Completions(completions::StreamWriter::new(ask)),
                Api::Responses => Writer::Responses(responses::StreamWriter::new(ask)),
                Api::Messages => Writer::Messages(anthropic::StreamWriter::new(ask)),
                Api::StreamGenerate { array } => {
                    Writer::Contents(gemini::StreamWriter::new(ask, array))
                }
                _ => Writer::Chat(chat::StreamWriter::new(ask)),
            },
            deltas: Vec::new(),
            array: front == Api::StreamGenerate { array: true },
        }
    }

    /// Whether the caller gets one JSON array, and no events.
    pub(crate) const fn writes_array(&self) -> bool {
        self.array
    }

    /// Puts the data of one event into the caller's words. Says whether the stream is complete with it.
    pub(crate) fn read(&mut self, data: &[u8], out: &mut Vec<u8>) -> Result<bool, Fault> {
        match &mut self.reader {
            Reader::Chat(reader) => reader.read(data, &mut self.deltas),
            Reader::Messages(reader) => reader.read(data, &mut self.deltas),
            Reader::Contents(reader) => reader.read(data, &mut self.deltas),
        }?;
        self.write(out)
    }

    /// The provider has closed the stream.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) -> Result<bool, Fault> {
        match &mut self.reader {
            Reader::Chat(reader) => reader.finish(&mut self.deltas),
            Reader::Messages(reader) => reader.finish(&mut self.deltas),
            Reader::Contents(reader) => reader.finish(&mut self.deltas),
        }
        self.write(out)
    }

    /// Says that the stream has failed, where that takes more than one event of the caller's dialect. Says whether it was
    /// said.
    pub(crate) fn fail(&mut self, message: &str, code: &str, out: &mut Vec<u8>) -> bool {
        match &mut self.writer {
            Writer::Responses(writer) => writer.fail(message, code, out),
            _ => return false,
        }
        true
    }

    fn write(&mut self, out: &mut Vec<u8>) -> Result<bool, Fault> {
        let mut deltas = mem::take(&mut self.deltas);
        let mut done = false;
        for delta in deltas.drain(..) {
            match delta {
                Delta::Failed(fault) => return Err(fault),
                Delta::Done => done = true,
                _ => {}
            }
            match &mut self.writer {
                Writer::Chat(writer) => writer.write(delta, out),
                Writer::Completions(writer) => writer.write(delta, out),
                Writer::Responses(writer) => writer.write(delta, out),
                Writer::Messages(writer) => writer.write(delta, out),
                Writer::Contents(writer) => writer.write(delta, out),
            }
        }
        self.deltas = deltas;
        Ok(done)
    }
}

impl std::fmt::Debug for StreamTranslation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StreamTranslation").finish_non_exhaustive()
    }
}
