use serde_json::{Map, Value, json};

use crate::simulated::refusal::Refusal;

/// The messages that a request is made of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Shape {
    Request,
    Count,
    Embed,
    Batch,
    Content,
    Part,
    Blob,
    File,
    Call,
    Response,
    Tool,
    Declaration,
    Schema,
    /// A map of schemas by name.
    Schemas,
    ToolConfig,
    Calling,
    Generation,
    Thinking,
    Safety,
    /// Anything at all.
    Free,
}

impl Shape {
    /// The fields that it may have, and their shapes.
    fn fields(self) -> &'static [(&'static str, Self)] {
        use Shape::{
            Blob, Call, Calling, Content, Declaration, Embed, File, Free, Generation, Part,
            Request, Response, Safety, Schema, Schemas, Thinking, Tool, ToolConfig,
        };
        match self {
            Self::Request => &[
                ("model", Free),
                ("contents", Content),
                ("systemInstruction", Content),
                ("tools", Tool),
                ("toolConfig", ToolConfig),
                ("generationConfig", Generation),
                ("safetySettings", Safety),
                ("cachedContent", Free),
                ("labels", Free),
                ("serviceTier", Free),
                ("store", Free),
            ],
            Self::Count => &[
                ("model", Free),
                ("contents", Content),
                ("generateContentRequest", Request),
            ],
            Self::Embed => &[
                ("model", Free),
                ("content", Content),
                ("taskType", Free),
                ("title", Free),
                ("outputDimensionality", Free),
                ("embedContentConfig", Free),
            ],
            Self::Batch => &[("model", Free), ("requests", Embed)],
            Self::Content => &[("role", Free), ("parts", Part)],
            Self::Part => &[
                ("text", Free),
                ("thought", Free),
                ("thoughtSignature", Free),
                ("inlineData", Blob),
                ("fileData", File),
                ("functionCall", Call),
                ("functionResponse", Response),
                ("executableCode", Free),
                ("codeExecutionResult", Free),
                ("videoMetadata", Free),
                ("partMetadata", Free),
                ("mediaResolution", Free),
            ],
            Self::Blob => &[("mimeType", Free), ("data", Free), ("displayName", Free)],
            Self::File => &[("mimeType", Free), ("fileUri", Free), ("displayName", Free)],
            Self::Call => &[("name", Free), ("args", Free), ("id", Free)],
            Self::Response => &[
                ("name", Free),
                ("response", Free),
                ("id", Free),
                ("willContinue", Free),
                ("scheduling", Free),
                ("parts", Part),
            ],
            Self::Tool => &[
                ("functionDeclarations", Declaration),
                ("googleSearch", Free),
                ("googleSearchRetrieval", Free),
                ("codeExecution", Free),
                ("urlContext", Free),
                ("computerUse", Free),
                ("fileSearch", Free),
                ("googleMaps", Free),
            ],
            Self::Declaration => &[
                ("name", Free),
                ("description", Free),
                ("parameters", Schema),
                ("parametersJsonSchema", Free),
                ("response", Schema),
                ("responseJsonSchema", Free),
                ("behavior", Free),
            ],
            Self::Schema => &[
                ("type", Free),
                ("format", Free),
                ("title", Free),
                ("description", Free),
                ("nullable", Free),
                ("default", Free),
                ("items", Schema),
                ("minItems", Free),
                ("maxItems", Free),
                ("enum", Free),
                ("properties", Schemas),
                ("propertyOrdering", Free),
                ("required", Free),
                ("minProperties", Free),
                ("maxProperties", Free),
                ("minimum", Free),
                ("maximum", Free),
                ("minLength", Free),
                ("maxLength", Free),
                ("pattern", Free),
                ("example", Free),
                ("anyOf", Schema),
            ],
            Self::ToolConfig => &[
                ("functionCallingConfig", Calling),
                ("retrievalConfig", Free),
            ],
            Self::Calling => &[("mode", Free), ("allowedFunctionNames", Free)],
            Self::Generation => &[
                ("temperature", Free),
                ("topP", Free),
                ("topK", Free),
                ("maxOutputTokens", Free),
                ("stopSequences", Free),
                ("candidateCount", Free),
                ("seed", Free),
                ("responseMimeType", Free),
                ("responseSchema", Schema),
                ("responseJsonSchema", Free),
                ("thinkingConfig", Thinking),
                ("presencePenalty", Free),
                ("frequencyPenalty", Free),
                ("responseLogprobs", Free),
                ("logprobs", Free),
                ("responseModalities", Free),
                ("speechConfig", Free),
                ("imageConfig", Free),
                ("mediaResolution", Free),
                ("enableEnhancedCivicAnswers", Free),
            ],
            Self::Thinking => &[
                ("includeThoughts", Free),
                ("thinkingBudget", Free),
                ("thinkingLevel", Free),
            ],
            Self::Safety => &[("category", Free), ("threshold", Free), ("method", Free)],
            Self::Schemas | Self::Free => &[],
        }
    }
}

/// Writes a request's names in camel case, whichever way they came, and refuses those that nobody knows.
pub(crate) fn normal(value: &Value, shape: Shape) -> Result<Value, Refusal> {
    let mut unknown = Vec::new();
    let value = walk(value, shape, "", &mut unknown);
    if unknown.is_empty() {
        return Ok(value);
    }
    let messages: Vec<_> = unknown
        .iter()
        .map(|(name, path)| match path.as_str() {
            "" => format!("Invalid JSON payload received. Unknown name \"{name}\": Cannot find field."),
            path => format!("Invalid JSON payload received. Unknown name \"{name}\" at '{path}': Cannot find field."),
        })
        .collect();
    let violation = |((_, path), message): (&(String, String), &String)| json!({ "field": path, "description": message });
    let violations: Vec<_> = unknown.iter().zip(&messages).map(violation).collect();
    let detail = json!({ "fieldViolations": violations });
    Err(Refusal::bad(messages.join("\n")).detail("BadRequest", detail))
}

fn walk(value: &Value, shape: Shape, path: &str, unknown: &mut Vec<(String, String)>) -> Value {
    match (value, shape) {
        (_, Shape::Free) => value.clone(),
        (Value::Array(items), _) => {
            let item = |(index, item)| walk(item, shape, &format!("{path}[{index}]"), unknown);
            items.iter().enumerate().map(item).collect()
        }
        (Value::Object(fields), Shape::Schemas) => {
            let schema = |(name, schema): (&String, &Value)| {
                // Google counts the entries of a map.
                (
                    name.clone(),
                    walk(schema, Shape::Schema, &format!("{path}[0].value"), unknown),
                )
            };
            Value::Object(fields.iter().map(schema).collect())
        }
        (Value::Object(fields), _) => {
            let mut normal = Map::new();
            for (name, value) in fields {
                let camel = camel(name);
                let Some((_, shape)) = shape.fields().iter().find(|(field, _)| *field == camel)
                else {
                    // An endless list of complaints helps nobody.
                    if unknown.len() < 20 {
                        unknown.push((name.clone(), path.to_owned()));
                    }
                    continue;
                };
                let dot = if path.is_empty() { "" } else { "." };
                let path = format!("{path}{dot}{}", snake(&camel));
                normal.insert(camel, walk(value, *shape, &path, unknown));
            }
            Value::Object(normal)
        }
        _ => value.clone(),
    }
}

fn camel(name: &str) -> String {
    let mut words = name.split('_');
    let mut camel = words.next().unwrap_or_default().to_owned();
    for word in words {
        let mut characters = word.chars();
        camel.extend(characters.next().map(|it| it.to_ascii_uppercase()));
        camel.push_str(characters.as_str());
    }
    camel
}

fn snake(name: &str) -> String {
    let mut snake = String::new();
    for character in name.chars() {
        if character.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(character.to_ascii_lowercase());
    }
    snake
}
