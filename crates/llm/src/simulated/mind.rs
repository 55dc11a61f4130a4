mod schema;

use serde_json::{Value, json};

pub(crate) use self::schema::instance;
use super::{
    Fault,
    asked::{Asked, Choice, Format, Source, Tool},
    fault::Faults,
    step::Step,
};

/// What the model thinks, says and calls, piece by piece; each piece is a token.
#[derive(Debug, Default)]
pub(crate) struct Thought {
    pub(crate) reasoning: Vec<String>,
    pub(crate) text: Vec<String>,
    pub(crate) calls: Vec<Call>,
    pub(crate) finish: Finish,
}

#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) name: String,
    pub(crate) arguments: Vec<String>,
}

#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) enum Finish {
    #[default]
    Stop,
    Sequence(String),
    Length,
    Tools,
    Blocked,
}

impl Thought {
    /// Answers a request; the same request is always answered alike.
    pub(crate) fn of(asked: &Asked, step: &Step, faults: Faults) -> Self {
        if faults.has(Fault::Blocked) {
            return Self {
                finish: Finish::Blocked,
                ..Self::default()
            };
        }
        if asked.model.contains("echo") {
            // Neither tools nor limits may hide what a test wants to see.
            return Self {
                text: pieces(&asked.echo().to_string(), 16),
                ..Self::default()
            };
        }
        let mut thought = Self::default();
        if asked.reasons {
            thought.reasoning = words(&format!("Thinking about: {}", shown(&asked.question())));
        }
        let results = asked.results();
        if let Some(text) = &step.text {
            thought.text = words(text);
        } else if results.is_empty()
            && !asked.tools.is_empty()
            && !matches!(asked.choice, Choice::None)
        {
            thought.call(asked);
        } else {
            thought.text = match &asked.format {
                Format::Text => words(&said(asked, &results)),
                Format::Json => pieces(&json!({ "answer": said(asked, &results) }).to_string(), 8),
                Format::Schema(schema) => pieces(&instance(schema).to_string(), 8),
            };
        }
        if faults.has(Fault::Surrogates) {
            thought
                .text
                .extend([HALVES[0].0.into(), format!("{} ", HALVES[1].0)]);
        }
        if faults.has(Fault::BrokenArguments) {
            thought
                .calls
                .iter_mut()
                .for_each(|call| drop(call.arguments.pop()));
        }
        thought.stop_at(&asked.stop);
        thought.limit(asked.max);
        thought
    }

    pub(crate) fn text(&self) -> String {
        self.text.concat()
    }

    pub(crate) fn reasoning(&self) -> String {
        self.reasoning.concat()
    }

    /// The tokens of one choice, those of the reasoning included.
    pub(crate) fn tokens(&self) -> u64 {
        let calls = self.calls.iter().map(|call| call.arguments.len());
        (self.reasoning.len() + self.text.len() + calls.sum::<usize>()) as u64
    }

    fn call(&mut self, asked: &Asked) {
        let question = asked.question();
        let named: Vec<&Tool> = match &asked.choice {
            Choice::Of(names) | Choice::Among(names) => asked
                .tools
                .iter()
                .filter(|tool| names.contains(&tool.name))
                .collect(),
            _ => asked.tools.iter().collect(),
        };
        let mentioned: Vec<&Tool> = named
            .iter()
            .copied()
            .filter(|tool| question.contains(&tool.name))
            .collect();
        let both = if question.contains("both") { 2 } else { 1 };
        let mut chosen: Vec<&Tool> = match mentioned.len() {
            0 | 1 if both == 2 && named.len() == 1 => vec![named[0], named[0]],
            0 => named.iter().copied().take(both).collect(),
            1 if both == 2 => named.iter().copied().take(2).collect(),
            _ => mentioned,
        };
        if asked.alone {
            chosen.truncate(1);
        }
        if question.contains("aloud") {
            self.text = words("I will look it up.");
        }
        let call = |tool: &Tool| Call {
            name: tool.name.clone(),
            arguments: pieces(&instance(&tool.schema).to_string(), 8),
        };
        self.calls = chosen.into_iter().map(call).collect();
        if !self.calls.is_empty() {
            self.finish = Finish::Tools;
        }
    }

    /// Ends the text before the first of these.
    fn stop_at(&mut self, stop: &[String]) {
        let text = self.text();
        let found = stop.iter().filter(|it| !it.is_empty());
        let found = found.filter_map(|it| text.find(it.as_str()).map(|at| (at, it)));
        if let Some((at, sequence)) = found.min_by_key(|(at, _)| *at) {
            let mut left = at;
            self.text.retain_mut(|piece| {
                piece.truncate(left);
                left -= piece.len();
                !piece.is_empty()
            });
            self.calls.clear();
            self.finish = Finish::Sequence(sequence.clone());
        }
    }

    /// Ends after so many tokens, reasoning first.
    fn limit(&mut self, max: Option<u64>) {
        let mut left = max.map_or(usize::MAX, |max| usize::try_from(max).unwrap_or(usize::MAX));
        let calls = self.calls.iter_mut().map(|call| &mut call.arguments);
        let mut cut = false;
        for pieces in [&mut self.reasoning, &mut self.text]
            .into_iter()
            .chain(calls)
        {
            cut |= pieces.len() > left;
            pieces.truncate(left);
            left -= pieces.len();
        }
        if cut {
            self.calls.retain(|call| !call.arguments.is_empty());
            self.finish = Finish::Length;
        }
    }
}

/// What stands for a surrogate pair's halves until they are written.
pub(crate) const HALVES: [(&str, &str); 2] = [("\u{e000}", "\\ud83c"), ("\u{e001}", "\\udf0d")];

fn said(asked: &Asked, results: &[(&str, &str)]) -> String {
    if !results.is_empty() {
        let said: Vec<_> = results
            .iter()
            .map(|(name, text)| format!("{name}: {text}"))
            .collect();
        return format!("The tools said: {}", said.join("; "));
    }
    let mut said = format!(
        "This is a simulated answer to: {}",
        shown(&asked.question())
    );
    let media = asked.media();
    if !media.is_empty() {
        let each = |(kind, source): &(&str, &Source)| match source {
            Source::Inline { media_type, bytes } => format!("{kind} {media_type} of {bytes} bytes"),
            Source::At(url) => format!("{kind} at {url}"),
        };
        let each: Vec<_> = media.iter().map(each).collect();
        said += &format!(" I saw {}: {}", media.len(), each.join(", "));
    }
    said
}

fn shown(question: &str) -> String {
    question.chars().take(60).collect()
}

fn words(text: &str) -> Vec<String> {
    text.split_inclusive(' ').map(str::to_owned).collect()
}

/// Cuts a text into pieces of so many characters.
fn pieces(text: &str, characters: usize) -> Vec<String> {
    let mut pieces: Vec<String> = Vec::new();
    for (at, character) in text.chars().enumerate() {
        match pieces.last_mut() {
            Some(piece) if at % characters != 0 => piece.push(character),
            _ => pieces.push(character.into()),
        }
    }
    pieces
}

/// A value that is no object stays out of calls: their arguments are always one.
pub(crate) fn object(arguments: &str) -> Value {
    let value = serde_json::from_str::<Value>(arguments);
    value
        .ok()
        .filter(Value::is_object)
        .unwrap_or_else(|| json!({}))
}
