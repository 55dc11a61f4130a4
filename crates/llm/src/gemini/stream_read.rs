use tollgate_core::fact::Usage;

use super::{
    answer_read::{Body, Call, Candidate, PartRead, arguments, new_id, unreadable, whole},
    fault, finish,
    logprobs::LogprobsResult,
    partial::Partial,
    signature::google,
    usage::stream_usage,
};
use crate::{
    canon::{Delta, Fault, Finish, ReadStream},
    halves::{self, Halves},
};

/// Reads a stream of Google's, which has no end mark: it is complete if each answer in it has said why it ends.
#[derive(Debug, Default)]
pub(crate) struct StreamReader {
    started: bool,
    failed: bool,
    usage: Option<Usage>,
    choices: Vec<(u32, State)>,
}

impl ReadStream for StreamReader {
    fn read(&mut self, data: &[u8], out: &mut Vec<Delta>) -> Result<(), Fault> {
        if self.failed {
            return Ok(());
        }
        let result = self.event(data, out);
        self.failed |= result.is_err();
        result
    }

    fn finish(&mut self, out: &mut Vec<Delta>) {
        if self.failed {
            return;
        }
        for (choice, state) in &mut self.choices {
            state.flush(*choice, out);
        }
        if !self.choices.is_empty() && self.choices.iter().all(|(_, state)| state.finished) {
            out.push(Delta::Done);
        }
        self.failed = true; // Nothing follows.
    }
}

impl StreamReader {
    fn event(&mut self, data: &[u8], out: &mut Vec<Delta>) -> Result<(), Fault> {
        if data.trim_ascii().is_empty() {
            return Ok(());
        }
        let Some(mut event) = halves::read::<Body>(data) else {
            return match fault::told(data) {
                Some(fault) => {
                    self.fail(fault, out);
                    Ok(())
                }
                None => Err(unreadable()),
            };
        };
        if event.error.is_some() {
            self.fail(fault::told(data).unwrap_or_else(unreadable), out);
            return Ok(());
        }
        if !self.started {
            self.started = true;
            out.push(Delta::Start {
                id: event.response_id.take().unwrap_or_default(),
                model: event.model_version.take().unwrap_or_default(),
                created: 0,
            });
        }
        let blocked = event.is_blocked();
        let candidates = event.candidates.unwrap_or_default();
        if candidates.is_empty() && blocked {
            let state = self.state(0)?;
            if !std::mem::replace(&mut state.finished, true) {
                out.push(Delta::Finish {
                    choice: 0,
                    finish: Finish::Filtered,
                });
            }
        }
        let usage = stream_usage(data, self.usage);
        if usage != self.usage {
            self.usage = usage;
            out.extend(usage.map(Delta::Usage));
        }
        for candidate in candidates {
            let choice = candidate.index.unwrap_or_default();
            if let Err(fault) = self.state(choice)?.candidate(choice, candidate, out) {
                self.fail(fault, out);
                return Ok(());
            }
        }
        Ok(())
    }

    fn fail(&mut self, fault: Fault, out: &mut Vec<Delta>) {
        self.failed = true;
        out.push(Delta::Failed(fault));
    }

    fn state(&mut self, choice: u32) -> Result<&mut State, Fault> {
        let known = self.choices.iter().position(|(index, _)| *index == choice);
        let at = match known {
            Some(at) => at,
            None if self.choices.len() < MOST_CHOICES => {
                self.choices.push((choice, State::default()));
                self.choices.len() - 1
            }
            None => return Err(unreadable()),
        };
        Ok(&mut self.choices[at].1)
    }
}

/// Where one of the answers stands.
#[derive(Debug, Default)]
struct State {
    text: Halves,
    thinking: Halves,
    calls: u32,
    /// The arguments of the last call, if more of them are to come.
    open: Option<Partial>,
    finished: bool,
}

impl State {
    fn candidate(
        &mut self,
        choice: u32,
        candidate: Candidate,
        out: &mut Vec<Delta>,
    ) -> Result<(), Fault> {
        if self.finished {
            return Ok(()); // Only usage comes after the end.
        }
        for part in candidate.content.unwrap_or_default().parts() {
            self.part(choice, part, out)?;
        }
        if let Some(result) = candidate.logprobs_result {
            let logprobs = LogprobsResult::read(result);
            out.push(Delta::Logprobs { choice, logprobs });
        }
        let Some(reason) = candidate.finish_reason.filter(|it| !it.is_empty()) else {
            return Ok(());
        };
        self.flush(choice, out);
        self.close(choice, out);
        let finish = finish::read(&reason, self.calls > 0, candidate.finish_message)?;
        self.finished = true;
        out.push(Delta::Finish { choice, finish });
        Ok(())
    }

    fn part(&mut self, choice: u32, part: PartRead, out: &mut Vec<Delta>) -> Result<(), Fault> {
        if let Some(call) = part.function_call {
            return self.call(choice, call, part.thought_signature, out);
        }
        let Some(mut text) = part.text else {
            return Ok(());
        };
        if part.thought == Some(true) {
            self.thinking.join(&mut text);
            if part.thought_signature.is_some() {
                text.extend(self.thinking.finish());
            }
            if !text.is_empty() {
                out.push(Delta::Thinking { choice, text });
            }
            if let Some(signature) = part.thought_signature.map(google) {
                out.push(Delta::Signed { choice, signature });
            }
            return Ok(());
        }
        self.text.join(&mut text);
        if !text.is_empty() {
            out.push(Delta::Text { choice, text });
        }
        Ok(())
    }

    fn call(
        &mut self,
        choice: u32,
        call: Call,
        signature: Option<String>,
        out: &mut Vec<Delta>,
    ) -> Result<(), Fault> {
        let more = call.will_continue == Some(true);
        if let Some(name) = call.name.filter(|name| !name.is_empty()) {
            self.close(choice, out);
            let index = self.calls;
            self.calls = self.calls.saturating_add(1);
            out.push(Delta::ToolCall {
                choice,
                index,
                id: call.id.filter(|id| !id.is_empty()).unwrap_or_else(new_id),
                name,
                signature: signature.map(google),
            });
            if !more {
                out.push(Delta::Arguments {
                    choice,
                    index,
                    json: arguments(call.args, call.partial_args)?,
                });
                return Ok(());
            }
            self.open = Some(Partial::default());
        }
        if let Some(open) = &mut self.open {
            for piece in call.partial_args.unwrap_or_default() {
                if !open.add(piece) {
                    return Err(unreadable());
                }
            }
            if !more {
                self.close(choice, out);
            }
        }
        Ok(())
    }

    /// Gives the arguments that were put together.
    fn close(&mut self, choice: u32, out: &mut Vec<Delta>) {
        if let Some(open) = self.open.take() {
            out.push(Delta::Arguments {
                choice,
                index: self.calls.saturating_sub(1),
                json: whole(open.finish()),
            });
        }
    }

    /// Gives what halves of characters are shown as, if the others have not come.
    fn flush(&mut self, choice: u32, out: &mut Vec<Delta>) {
        if let Some(rest) = self.thinking.finish() {
            let text = rest.to_string();
            out.push(Delta::Thinking { choice, text });
        }
        if let Some(rest) = self.text.finish() {
            let text = rest.to_string();
            out.push(Delta::Text { choice, text });
        }
    }
}

/// More than any provider gives.
const MOST_CHOICES: usize = 128;
