use bytes::Bytes;
use http::Uri;
use serde_json::Value;

use crate::{dialect::Api, peek::Peek};

/// What is inspected is what is forwarded: a body that was changed says the same of the call but for what was to be
/// changed, and nothing else of it is touched.
pub(super) fn check(input: &[u8]) {
    let body = Bytes::copy_from_slice(input);
    for (api, path) in [
        (Api::Chat, "/v1/chat/completions"),
        (Api::Completions, "/v1/completions"),
        (Api::Responses, "/v1/responses"),
        (Api::Embeddings, "/v1/embeddings"),
        (Api::Messages, "/v1/messages"),
    ] {
        let uri = Uri::from_static(path);
        let Ok((call, peek)) = Peek::at(api, &uri, &body) else {
            continue;
        };
        assert!(peek.is_of(&body));
        let (same, _) = peek.rewrite("", false, Vec::new());
        assert_eq!(same, body, "nothing was to be changed");

        let (changed, added) = peek.rewrite(MODEL, true, Vec::new());
        let (mut again, peek) =
            Peek::at(api, &uri, &changed).expect("what was read is still readable");
        assert_eq!(&*again.model, MODEL);
        again.model = call.model.clone();
        again.max_input_tokens = call.max_input_tokens; // It goes by the body's length.
        assert_eq!(again, call);
        if let Ok(limits) = peek.limit(api, MOST, false) {
            let (limited, _) = peek.rewrite("", false, limits);
            let (limited, _) = Peek::at(api, &uri, &limited).expect("only a number was set");
            let most = limited.max_output_tokens;
            assert!(most.is_some_and(|most| most <= MOST) || !api.gives_text());
        }
        let (twice, added_again) = peek.rewrite(MODEL, true, Vec::new());
        assert_eq!((&twice, added_again), (&changed, false), "once is enough");
        assert!(!added || call.stream);
        assert_eq!(others(&changed), others(&body));
    }
}

/// The fields that no rewriting touches.
fn others(body: &[u8]) -> Option<Value> {
    let mut value: Value = serde_json::from_slice(body).ok()?;
    let object = value.as_object_mut()?;
    object.remove("model");
    object.remove("stream_options");
    Some(value)
}

const MOST: u64 = 9;
const MODEL: &str = "a \"model\"\\";
