use super::words::Words;
use crate::dialect::Api;

/// Whether all that a request has for a model stands in its body, as text: then it has no more tokens than bytes.
///
/// What is named elsewhere (a file, an address, an earlier answer) and what is counted by other things than text
/// (pixels, seconds, pages) has tokens that its bytes do not bound. What is not known is taken to be of these.
pub(super) fn is_all_text(api: Api, body: &[u8]) -> bool {
    let mut fields = Words::of(body).fields(skips(api));
    match api {
        Api::Messages | Api::CountTokens => fields.all(|field| {
            &*field.name != b"file_id"
                && (&*field.name != b"type" || field.value.is_none_or(|it| is_block_of_text(&it)))
        }),
        _ if api.names_model_in_path() => fields.all(|field| is_field_of_text(&field.name)),
        _ => fields.all(|field| {
            !is_media(&field.name)
                && (&*field.name != b"type" || field.value.is_none_or(|it| is_part_of_text(&it)))
        }),
    }
}

/// Whether a request has sounds, or films with sounds, for a model: their tokens have a price of their own, which no table
/// here knows. What does not say its type may be one of them.
pub(super) fn has_sound(api: Api, body: &[u8]) -> bool {
    let mut fields = Words::of(body).fields(skips(api));
    if matches!(api, Api::Messages | Api::CountTokens) {
        return false;
    }
    if !api.names_model_in_path() {
        return fields.any(|field| {
            let is_foreign = field.value.as_deref().is_some_and(|value| {
                let is_data = value
                    .get(..5)
                    .is_some_and(|it| it.eq_ignore_ascii_case(b"data:"));
                is_data && !is_seen_or_read(&value[5..])
            });
            let is_named = &*field.name == b"type" && field.value.is_some_and(|it| is_sound(&it));
            is_sound(&field.name) || is_named || is_foreign
        });
    }
    let mut untyped = 0_u32;
    let has_type = fields.any(|field| match &*field.name {
        b"fileData" | b"file_data" | b"inlineData" | b"inline_data" => {
            untyped += 1;
            false
        }
        b"mimeType" | b"mime_type" => {
            untyped = untyped.saturating_sub(1);
            !field.value.is_some_and(|it| is_seen_or_read(&it))
        }
        _ => false,
    });
    has_type || untyped > 0
}

fn is_sound(name: &[u8]) -> bool {
    let name = name.strip_prefix(b"input_").unwrap_or(name);
    name.starts_with(b"audio")
}

/// Media types whose tokens cost as much as those of text.
fn is_seen_or_read(media_type: &[u8]) -> bool {
    const KINDS: [&[u8]; 4] = [b"image/", b"text/", b"application/pdf", b"application/json"];
    KINDS.iter().any(|kind| {
        let start = media_type.get(..kind.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(kind))
    })
}

/// The fields below which anything may stand, such as the schema of a tool and the arguments of a call.
fn skips(api: Api) -> fn(&[u8]) -> bool {
    match api {
        Api::Messages | Api::CountTokens => {
            |name| matches!(name, b"input" | b"input_schema" | b"schema" | b"metadata")
        }
        _ if api.names_model_in_path() => |name| {
            matches!(
                name,
                b"args"
                    | b"response"
                    | b"tools"
                    | b"labels"
                    | b"generationConfig"
                    | b"generation_config"
                    | b"safetySettings"
                    | b"safety_settings"
                    | b"toolConfig"
                    | b"tool_config"
            )
        },
        _ => |name| {
            matches!(
                name,
                b"parameters" | b"schema" | b"metadata" | b"logit_bias"
            )
        },
    }
}

/// What Anthropic calls blocks, and the other things of its that have a type.
fn is_block_of_text(kind: &[u8]) -> bool {
    matches!(
        kind,
        b"text"
            | b"tool_use"
            | b"tool_result"
            | b"thinking"
            | b"redacted_thinking"
            | b"search_result"
            | b"ephemeral"
            | b"custom"
            | b"auto"
            | b"any"
            | b"tool"
            | b"none"
            | b"enabled"
            | b"disabled"
            | b"adaptive"
            | b"json_schema"
    )
}

/// The same with OpenAI, in chats, responses and those of servers like it. A kept reasoning can be named by its id alone.
fn is_part_of_text(kind: &[u8]) -> bool {
    matches!(
        kind,
        b"text"
            | b"input_text"
            | b"output_text"
            | b"summary_text"
            | b"refusal"
            | b"message"
            | b"content"
            | b"function"
            | b"function_call"
            | b"function_call_output"
            | b"custom"
            | b"custom_tool_call"
            | b"custom_tool_call_output"
            | b"allowed_tools"
            | b"json_schema"
            | b"json_object"
            | b"grammar"
            | b"ephemeral"
            | b"enabled"
            | b"disabled"
            | b"adaptive"
    )
}

/// Servers like OpenAI's take a part without a type by the name of its field.
fn is_media(name: &[u8]) -> bool {
    const MEDIA: [&[u8]; 6] = [b"image", b"audio", b"video", b"file", b"media", b"document"];
    let name = name.strip_prefix(b"input_").unwrap_or(name);
    MEDIA.iter().any(|media| {
        let rest = name.strip_prefix(*media);
        rest.is_some_and(|rest| matches!(rest, b"" | b"s" | b"_url" | b"_id" | b"_ids" | b"_data"))
    })
}

/// The fields of Gemini's contents, where a part is known by them.
fn is_field_of_text(name: &[u8]) -> bool {
    matches!(
        name,
        b"contents"
            | b"content"
            | b"parts"
            | b"role"
            | b"text"
            | b"thought"
            | b"thoughtSignature"
            | b"thought_signature"
            | b"functionCall"
            | b"function_call"
            | b"functionResponse"
            | b"function_response"
            | b"name"
            | b"id"
            | b"systemInstruction"
            | b"system_instruction"
            | b"generateContentRequest"
            | b"generate_content_request"
            | b"requests"
            | b"model"
            | b"taskType"
            | b"task_type"
            | b"title"
            | b"outputDimensionality"
            | b"output_dimensionality"
            | b"store"
    )
}
