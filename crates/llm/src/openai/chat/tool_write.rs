use serde::Serialize;

use crate::{
    canon::{Ask, Format, Losses, Tool, ToolChoice},
    openai::write::{List, Object},
};

/// Writes the tools, and how they are to be called.
pub(super) fn tools(ask: &Ask, body: &mut Object<'_>, losses: &mut Losses) {
    if ask.tools.is_empty() {
        if matches!(ask.tool_choice, Some(ToolChoice::Required(_))) {
            losses.field(ask.names.tool_choice);
        }
        return; // OpenAI refuses the others where there are no tools.
    }
    let mut list = body.list("tools");
    for tool in &ask.tools {
        write(tool, &mut list);
        if tool.cached {
            losses.hint(format!("{}.cache_control", ask.names.tools));
        }
    }
    drop(list);
    match &ask.tool_choice {
        None => {}
        Some(choice) => write_choice(choice, body),
    }
    body.maybe("parallel_tool_calls", ask.parallel_tools);
}

/// Writes `response_format`, where it is not the default.
pub(super) fn format(format: &Format, body: &mut Object<'_>) {
    match format {
        Format::Text => {}
        Format::Json => body.object("response_format").field("type", "json_object"),
        Format::Schema {
            name,
            description,
            schema,
            strict,
        } => {
            let mut format = body.object("response_format");
            format.field("type", "json_schema");
            let mut inner = format.object("json_schema");
            inner.field("name", name.as_deref().unwrap_or("response"));
            inner.maybe("description", description.as_ref());
            inner.field("schema", schema);
            inner.maybe("strict", *strict);
        }
    }
}

fn write(tool: &Tool, list: &mut List<'_>) {
    let mut object = list.object();
    object.field("type", "function");
    let mut function = object.object("function");
    function.field("name", &tool.name);
    function.maybe("description", tool.description.as_ref());
    function.maybe("parameters", tool.parameters.as_ref());
    function.maybe("strict", tool.strict);
}

fn write_choice(choice: &ToolChoice, body: &mut Object<'_>) {
    let (mode, names) = match choice {
        ToolChoice::Auto => return body.field("tool_choice", "auto"),
        ToolChoice::None => return body.field("tool_choice", "none"),
        ToolChoice::Among(names) if names.is_empty() => return body.field("tool_choice", "none"),
        ToolChoice::Required(names) => match &names[..] {
            [] => return body.field("tool_choice", "required"),
            [name] => return body.field("tool_choice", Named::new(name)),
            names => ("required", names),
        },
        ToolChoice::Among(names) => ("auto", &names[..]),
    };
    let mut choice = body.object("tool_choice");
    choice.field("type", "allowed_tools");
    let mut allowed = choice.object("allowed_tools");
    allowed.field("mode", mode);
    let mut tools = allowed.list("tools");
    for name in names {
        tools.item(Named::new(name));
    }
}

#[derive(Serialize)]
struct Named<'a> {
    r#type: &'static str,
    function: Function<'a>,
}

#[derive(Serialize)]
struct Function<'a> {
    name: &'a str,
}

impl<'a> Named<'a> {
    const fn new(name: &'a str) -> Self {
        Self {
            r#type: "function",
            function: Function { name },
        }
    }
}
