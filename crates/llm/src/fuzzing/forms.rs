use crate::{canon::Target, dialect::Api, translate::Translation};

/// All in which callers are answered, each with the least that is asked in it.
pub(super) const FRONTS: [(Api, &[u8]); 6] = [
    (
        Api::Chat,
        br#"{"model":"m","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"hi"}]}"#,
    ),
    (Api::Completions, br#"{"model":"m","stream":true,"prompt":"hi"}"#),
    (Api::Responses, br#"{"model":"m","stream":true,"input":"hi"}"#),
    (
        Api::Messages,
        br#"{"model":"m","stream":true,"max_tokens":9,"messages":[{"role":"user","content":"hi"}]}"#,
    ),
    (Api::StreamGenerate { array: false }, CONTENTS),
    (Api::StreamGenerate { array: true }, CONTENTS),
];

/// A translation that can put answers in the form behind into the one in front.
pub(super) fn translation(front: Api, behind: Api) -> Translation {
    let (_, least) = FRONTS[FRONTS
        .iter()
        .position(|(api, _)| *api == front)
        .unwrap_or(0)];
    Translation::read(front, behind, MODEL, least).expect("the least request is readable")
}

/// The dialects behind, as fronts that their own answers can be read for again.
pub(super) const BEHIND: [Api; 3] = [
    Api::Chat,
    Api::Messages,
    Api::StreamGenerate { array: false },
];

pub(super) const TARGET: Target<'static> = Target {
    model: MODEL,
    max_output: 1024,
    version: "2023-06-01",
    legacy_max_tokens: false,
};

pub(super) const MODEL: &str = "m";
const CONTENTS: &[u8] = br#"{"contents":[{"parts":[{"text":"hi"}]}]}"#;
