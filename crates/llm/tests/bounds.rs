//! What a request says of its own bounds.

use std::{convert::Infallible, sync::Mutex};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tollgate_core::{PayloadLayer, fact::Call};
use tollgate_llm::InspectLayer;
use tower::{ServiceBuilder, ServiceExt, service_fn};

const CHAT: &str = "/v1/chat/completions";
const COMPLETIONS: &str = "/v1/completions";
const RESPONSES: &str = "/v1/responses";
const EMBEDDINGS: &str = "/v1/embeddings";
const MESSAGES: &str = "/v1/messages";
const CONTENTS: &str = "/v1/models/m:generateContent";

/// What is known of a request whose body has these fields, besides a model.
async fn call(path: &str, fields: &str) -> Call {
    let body = match path {
        CONTENTS => format!("{{{fields}}}"),
        _ => format!(r#"{{"model":"m",{fields}}}"#),
    };
    let seen = Mutex::new(None);
    let service = ServiceBuilder::new()
        .layer(PayloadLayer::new())
        .layer(InspectLayer::new())
        .service(service_fn(async |request: Request<Full<Bytes>>| {
            *seen.lock().unwrap() = request.extensions().get::<Call>().cloned();
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
        }));
    let request = Request::post(path).body(Full::from(body)).unwrap();
    let _ = service.oneshot(request).await;
    seen.into_inner().unwrap().expect(fields)
}

#[tokio::test]
async fn text_bounds_its_own_tokens() {
    for (path, fields) in [
        (CHAT, r#""messages":[{"role":"user","content":"hello"}]"#),
        (
            CHAT,
            r#""messages":[{"role":"user","content":[{"type":"text","text":"say \"image_url\""}]}],
                "tools":[{"type":"function","function":{"name":"f","parameters":{"properties":{"type":{"type":"image"},"file":{}}}}}]"#,
        ),
        (
            CHAT,
            r#""messages":[],"response_format":{"type":"json_schema","json_schema":{"schema":{"type":"x"}}}"#,
        ),
        (COMPLETIONS, r#""prompt":[1,2,3]"#),
        (RESPONSES, r#""input":"hello","previous_response_id":null"#),
        (
            RESPONSES,
            r#""input":[{"role":"user","content":[{"type":"input_text","text":"a"}]},
                {"type":"function_call_output","call_id":"c","output":"b"}]"#,
        ),
        (EMBEDDINGS, r#""input":["a","b"]"#),
        (
            MESSAGES,
            r#""messages":[{"role":"assistant","content":[{"type":"tool_use","id":"t","name":"n","input":{"type":"image"}}]},
                {"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":[{"type":"text","text":"a"}]}]}],
                "tools":[{"name":"n","input_schema":{"type":"object"}}],"thinking":{"type":"enabled","budget_tokens":1}"#,
        ),
        (
            CONTENTS,
            r#""contents":[{"role":"user","parts":[{"text":"a"},{"functionCall":{"name":"f","args":{"fileData":1}}}]}],
                "tools":[{"functionDeclarations":[{"name":"f"}]}],"generationConfig":{"topK":1}"#,
        ),
    ] {
        let bound = call(path, fields).await.max_input_tokens;
        let bound = bound.unwrap_or_else(|| panic!("{fields}"));
        assert!(
            bound > fields.len() as u64 && bound < fields.len() as u64 + 2000,
            "{fields}"
        );
    }
}

#[tokio::test]
async fn what_is_not_text_or_stands_elsewhere_has_no_bound() {
    let part = |part: &str| format!(r#""messages":[{{"role":"user","content":[{part}]}}]"#);
    let content = |part: &str| format!(r#""contents":[{{"parts":[{part}]}}]"#);
    for (path, fields) in [
        (
            CHAT,
            part(r#"{"type":"image_url","image_url":{"url":"https://x/y"}}"#),
        ),
        (CHAT, part(r#"{"\u0074ype":"image\u005furl"}"#)),
        (CHAT, part(r#"{"type" : "input_audio"}"#)),
        (CHAT, part(r#"{"type":"of next year"}"#)),
        (CHAT, part(r#"{"video_url":{"url":"u"}}"#)),
        (
            CHAT,
            r#""messages":[{"role":"assistant","audio":{"id":"a"}}]"#.to_owned(),
        ),
        (
            RESPONSES,
            r#""input":"a","previous_response_id":"r""#.to_owned(),
        ),
        (
            RESPONSES,
            r#""input":"a","conversation":{"id":"c"}"#.to_owned(),
        ),
        (RESPONSES, r#""prompt":{"id":"p"}"#.to_owned()),
        (
            RESPONSES,
            r#""input":[{"type":"item_reference","id":"i"}]"#.to_owned(),
        ),
        (
            RESPONSES,
            r#""input":[{"type":"reasoning","id":"i"}]"#.to_owned(),
        ),
        (
            RESPONSES,
            r#""input":"a","tools":[{"type":"web_search"}]"#.to_owned(),
        ),
        (
            MESSAGES,
            part(r#"{"type":"image","source":{"type":"base64","data":"aGk="}}"#),
        ),
        (
            MESSAGES,
            part(r#"{"type":"document","source":{"type":"url"}}"#),
        ),
        (
            MESSAGES,
            part(r#"{"type":"tool_result","content":[{"type":"image"}]}"#),
        ),
        (MESSAGES, part(r#"{"type":"web_search_tool_result"}"#)),
        (
            MESSAGES,
            r#""messages":[],"tools":[{"type":"bash_20250124","name":"bash"}]"#.to_owned(),
        ),
        (
            CONTENTS,
            content(r#"{"inlineData":{"mimeType":"image/png","data":"aGk="}}"#),
        ),
        (CONTENTS, content(r#"{"fileData":{"fileUri":"u"}}"#)),
        (
            CONTENTS,
            content(
                r#"{"functionResponse":{"name":"f","response":{},"parts":[{"inlineData":{}}]}}"#,
            ),
        ),
        (CONTENTS, r#""contents":[],"cachedContent":"c""#.to_owned()),
        (CONTENTS, r#""contents":[],"cached_content":"c""#.to_owned()),
    ] {
        assert_eq!(call(path, &fields).await.max_input_tokens, None, "{fields}");
    }
}

#[tokio::test]
async fn what_is_billed_by_other_things_than_tokens_is_named() {
    for (path, fields, expected) in [
        (
            CHAT,
            r#""web_search_options":{}"#,
            Some("web_search_options"),
        ),
        (CHAT, r#""web_search_options":null"#, None),
        (
            CHAT,
            r#""search_parameters":{"mode":"auto"}"#,
            Some("search_parameters"),
        ),
        (CHAT, r#""enable_search":true"#, Some("enable_search")),
        (CHAT, r#""enable_search":false"#, None),
        (CHAT, r#""service_tier":"priority""#, Some("service_tier")),
        (
            CHAT,
            r#""service_tier":"pri\u006frity""#,
            Some("service_tier"),
        ),
        (CHAT, r#""service_tier":"flex""#, None),
        (CHAT, r#""modalities":["text","audio"]"#, Some("modalities")),
        (CHAT, r#""modalities":["text"]"#, None),
        (
            CHAT,
            r#""prediction":{"type":"content","content":"a"}"#,
            Some("prediction"),
        ),
        (
            CHAT,
            r#""tools":[{"type":"function"},{"type":"custom"}]"#,
            None,
        ),
        (CHAT, r#""models":["dearer"]"#, Some("models")),
        (
            RESPONSES,
            r#""tools":[{"type":"function"},{"type":"web_search_preview"}]"#,
            Some("web_search"),
        ),
        (
            RESPONSES,
            r#""tools":[{"type":"function","parameters":{"type":"mcp"}}]"#,
            None,
        ),
        (
            RESPONSES,
            r#""tools":[{"type":"code_interpreter"}]"#,
            Some("code_interpreter"),
        ),
        (
            RESPONSES,
            r#""tools":[{"\u0074ype":"\u006dcp"}]"#,
            Some("mcp"),
        ),
        (
            RESPONSES,
            r#""tools":[{"type":"of next year"}]"#,
            Some("tools"),
        ),
        (RESPONSES, r#""prompt":{"id":"p"}"#, Some("prompt")),
        (COMPLETIONS, r#""prompt":"p""#, None),
        (
            MESSAGES,
            r#""tools":[{"type":"bash_20250124"},{"type":"custom"},{"name":"n"}]"#,
            None,
        ),
        (
            MESSAGES,
            r#""tools":[{"type":"web_search_20250305"}]"#,
            Some("web_search"),
        ),
        (
            MESSAGES,
            r#""tools":[{"type":"code_execution_20250825"}]"#,
            Some("code_execution"),
        ),
        (
            MESSAGES,
            r#""mcp_servers":[{"type":"url"}]"#,
            Some("mcp_servers"),
        ),
        (MESSAGES, r#""mcp_servers":[]"#, None),
        (MESSAGES, r#""speed":"fast""#, Some("speed")),
        (MESSAGES, r#""inference_geo":"us""#, Some("inference_geo")),
        (CONTENTS, r#""tools":[{"functionDeclarations":[]}]"#, None),
        (
            CONTENTS,
            r#""tools":[{"googleSearch":{}}]"#,
            Some("google_search"),
        ),
        (
            CONTENTS,
            r#""tools":{"googleSearch":{}}"#,
            Some("google_search"),
        ),
        (
            CONTENTS,
            r#""tools":{"functionDeclarations":[{"name":"f"}]}"#,
            None,
        ),
        (
            RESPONSES,
            r#""tools":{"type":"web_search"}"#,
            Some("web_search"),
        ),
        (
            CONTENTS,
            r#""tools":[{"code_execution":{}}]"#,
            Some("code_execution"),
        ),
        (
            CONTENTS,
            r#""generationConfig":{"responseModalities":["TEXT","IMAGE"]}"#,
            Some("modalities"),
        ),
        (
            CONTENTS,
            r#""generationConfig":{"responseModalities":["TEXT"]}"#,
            None,
        ),
        (
            CHAT,
            r#""messages":[{"content":[{"type":"input_audio","input_audio":{"data":"aGk="}}]}]"#,
            Some("audio"),
        ),
        (
            CHAT,
            r#""messages":[{"role":"assistant","audio":{"id":"a"}}]"#,
            Some("audio"),
        ),
        (
            CHAT,
            r#""messages":[{"role":"assistant","audio":null,"content":[{"type":"image_url"}]}]"#,
            None,
        ),
        (
            CHAT,
            r#""messages":[{"content":[{"type":"file","file":{"file_data":"data:Video/mp4;base64,aGk="}}]}]"#,
            Some("audio"),
        ),
        (
            CHAT,
            r#""messages":[{"content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,aGk="}}]}]"#,
            None,
        ),
        (
            CONTENTS,
            r#""contents":[{"parts":[{"inlineData":{"mimeType":"\u0061udio/wav","data":"aGk="}}]}]"#,
            Some("audio"),
        ),
        (
            CONTENTS,
            r#""contents":[{"parts":[{"file_data":{"file_uri":"https://film"}}]}]"#,
            Some("audio"),
        ),
        (
            CONTENTS,
            r#""contents":[{"parts":[{"fileData":{"fileUri":"u","mimeType":"application/pdf"}}]}]"#,
            None,
        ),
        (
            MESSAGES,
            r#""messages":[{"content":[{"type":"image","source":{"type":"base64","data":"aGk="}}]}]"#,
            None,
        ),
    ] {
        assert_eq!(call(path, fields).await.surcharge, expected, "{fields}");
    }
}

#[tokio::test]
async fn every_answer_that_is_paid_is_counted() {
    for (path, fields, expected) in [
        (CHAT, r#""n":3"#, 3),
        (CHAT, r#""n":null"#, 1),
        (CHAT, r#""n":2.0"#, u32::MAX),
        (CHAT, r#""n":"2""#, u32::MAX),
        (COMPLETIONS, r#""n":2,"best_of":5,"prompt":"a""#, 5),
        (COMPLETIONS, r#""n":2,"prompt":["a","b","c"]"#, 6),
        (COMPLETIONS, r#""prompt":[[1],[2]]"#, 2),
        (COMPLETIONS, r#""prompt":[1,2]"#, 1),
        (CONTENTS, r#""generationConfig":{"candidateCount":4}"#, 4),
        (MESSAGES, r#""n":3"#, 1),
    ] {
        assert_eq!(call(path, fields).await.choices, expected, "{fields}");
    }
    let both = r#""max_tokens":7,"max_completion_tokens":3"#;
    assert_eq!(call(CHAT, both).await.max_output_tokens, Some(7));
}

#[tokio::test]
async fn an_end_user_is_known_in_either_dialect_and_never_long() {
    let long = format!(r#""user":"{}é""#, "x".repeat(255));
    let cut = "x".repeat(255);
    for (path, fields, expected) in [
        (CHAT, r#""user":"u""#, Some("u")),
        (CHAT, r#""user":"u","safety_identifier":"s""#, Some("s")),
        (CHAT, r#""user":7"#, None),
        (CHAT, r#""user":"""#, None),
        (CHAT, &long, Some(&*cut)),
        (MESSAGES, r#""metadata":{"user_id":"a\u0062"}"#, Some("ab")),
        (MESSAGES, r#""metadata":{"user_id":null}"#, None),
        (MESSAGES, r#""user":"u""#, None),
    ] {
        assert_eq!(
            call(path, fields).await.end_user.as_deref(),
            expected,
            "{fields}"
        );
    }
}
