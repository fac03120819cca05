//! From the contract's request to the body of Chat Completions.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use docmill_plugin::Error;
use docmill_plugin::llm::{Message, Part, Request, Role};
use serde_json::{Map, Value as Json, json};

use crate::config::{Config, SchemaMode};

/// Members that `extra` cannot set: they follow from the request.
const OWN: [&str; 9] = [
    "model",
    "messages",
    "stream",
    "stream_options",
    "tools",
    "response_format",
    "n",
    "max_tokens",
    "max_completion_tokens",
];

pub fn body(request: &Request, config: &Config, stream: bool) -> Result<String, Error> {
    let Some(model) = &request.model else {
        return Err(invalid("no-model", "The request names no model."));
    };
    let mut body = Map::new();
    // First, so that nothing of the request's own is replaced.
    if let Some(extra) = &request.extra {
        body = extras(extra)?;
    }
    let mut set = |name: &str, value: Json| body.insert(name.to_owned(), value);
    set("model", model.as_str().into());
    let mut messages = Vec::new();
    if let Some(schema) = &request.schema {
        let schema = object("schema", schema)?;
        match config.schema {
            SchemaMode::JsonSchema => {
                let format = json!({ "name": "answer", "schema": schema, "strict": true });
                set(
                    "response_format",
                    json!({ "type": "json_schema", "json_schema": format }),
                );
            }
            mode => {
                let told = format!("Answer with JSON alone, an object that fits this JSON Schema: {schema}");
                messages.push(json!({ "role": "system", "content": told }));
                if mode == SchemaMode::JsonObject {
                    set("response_format", json!({ "type": "json_object" }));
                }
            }
        }
    }
    for message in &request.messages {
        add(&mut messages, message)?;
    }
    set("messages", messages.into());
    if !request.tools.is_empty() {
        let tools: Result<Vec<Json>, Error> = request
            .tools
            .iter()
            .map(|tool| {
                let parameters = object("parameters", &tool.parameters)?;
                let function =
                    json!({ "name": tool.name, "description": tool.description, "parameters": parameters });
                Ok(json!({ "type": "function", "function": function }))
            })
            .collect();
        set("tools", tools?.into());
    }
    if let Some(most) = request.max_output_tokens {
        set(config.max_tokens_field.name(), most.into());
    }
    if let Some(temperature) = request.temperature {
        // As it was written, not as an f64 shows it: 0.2 and not 0.20000000298023224.
        let shortest = temperature.to_string().parse::<f64>().unwrap_or_default();
        set("temperature", shortest.into());
    }
    if let Some(seed) = request.seed {
        set("seed", seed.into());
    }
    if !request.stop.is_empty() {
        set("stop", request.stop.clone().into());
    }
    if stream {
        set("stream", true.into());
        if config.stream_usage {
            set("stream_options", json!({ "include_usage": true }));
        }
    }
    Ok(Json::Object(body).to_string())
}

fn extras(extra: &str) -> Result<Map<String, Json>, Error> {
    let Json::Object(extra) = object("extra", extra)? else {
        return Ok(Map::new());
    };
    if let Some(name) = OWN.into_iter().find(|name| extra.contains_key(*name)) {
        let message = format!("`extra` cannot set {name}: it follows from the request.");
        return Err(invalid("extra", message));
    }
    Ok(extra)
}

/// One message of ours is one or, of results of tools, several of theirs.
fn add(messages: &mut Vec<Json>, message: &Message) -> Result<(), Error> {
    match message.role {
        Role::System => messages.push(json!({ "role": "system", "content": text(message)? })),
        Role::User => messages.push(json!({ "role": "user", "content": user(message)? })),
        Role::Assistant => messages.push(assistant(message)?),
        Role::Tool => {
            for part in &message.content {
                let Part::ToolResult(result) = part else {
                    return Err(misplaced("a message of role `tool` holds results of tools"));
                };
                // There is no other place for it.
                let mark = if result.is_error { "Error: " } else { "" };
                messages.push(json!({
                    "role": "tool",
                    "tool_call_id": result.id,
                    "content": format!("{mark}{}", result.content),
                }));
            }
        }
    }
    Ok(())
}

fn text(message: &Message) -> Result<String, Error> {
    let texts = message.content.iter().map(|part| match part {
        Part::Text(text) => Ok(text.as_str()),
        _ => Err(misplaced("a message of role `system` holds text")),
    });
    Ok(texts.collect::<Result<Vec<&str>, Error>>()?.join("\n"))
}

fn user(message: &Message) -> Result<Json, Error> {
    if let [Part::Text(text)] = message.content.as_slice() {
        return Ok(text.as_str().into());
    }
    let parts = message.content.iter().map(|part| match part {
        Part::Text(text) => Ok(json!({ "type": "text", "text": text })),
        Part::Image(image) => {
            let url = format!(
                "data:{};base64,{}",
                image.media_type,
                STANDARD.encode(&image.data)
            );
            Ok(json!({ "type": "image_url", "image_url": { "url": url } }))
        }
        _ => Err(misplaced("a message of role `user` holds text and pictures")),
    });
    Ok(parts.collect::<Result<Vec<Json>, Error>>()?.into())
}

fn assistant(message: &Message) -> Result<Json, Error> {
    let (mut texts, mut calls) = (Vec::new(), Vec::new());
    for part in &message.content {
        match part {
            Part::Text(text) => texts.push(text.as_str()),
            Part::ToolCall(call) => calls.push(json!({
                "id": call.id,
                "type": "function",
                "function": { "name": call.name, "arguments": call.arguments },
            })),
            _ => {
                return Err(misplaced(
                    "a message of role `assistant` holds text and calls of tools",
                ));
            }
        }
    }
    let content = if texts.is_empty() {
        Json::Null
    } else {
        texts.join("\n").into()
    };
    let mut written = json!({ "role": "assistant", "content": content });
    if let (false, Some(members)) = (calls.is_empty(), written.as_object_mut()) {
        members.insert("tool_calls".to_owned(), calls.into());
    }
    Ok(written)
}

fn object(what: &str, text: &str) -> Result<Json, Error> {
    match serde_json::from_str(text) {
        Ok(json @ Json::Object(_)) => Ok(json),
        _ => Err(invalid("not-json", format!("`{what}` is not a JSON object."))),
    }
}

fn misplaced(rule: &str) -> Error {
    invalid("part", format!("This API cannot say that: {rule}."))
}

fn invalid(code: &str, message: impl Into<String>) -> Error {
    Error::invalid_input(code, message)
}
