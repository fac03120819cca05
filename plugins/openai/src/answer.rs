//! A whole answer.

use docmill_plugin::Error;
use docmill_plugin::llm::{Delta, DeltaSink, Finish, Part, Response, ToolCall, Usage};
use serde::Deserialize;
use serde_json::Value as Json;

use crate::failure;
use crate::transport::{Reply, whole};

/// Bytes of an answer.
pub const MAX_BYTES: usize = 16 << 20;

#[derive(Deserialize)]
struct Completion {
    model: Option<String>,
    #[serde(default)]
    choices: Vec<Choice>,
    usage: Option<Counted>,
    error: Option<Json>,
}

#[derive(Deserialize)]
struct Choice {
    message: Written,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Written {
    content: Option<String>,
    refusal: Option<String>,
    #[serde(default)]
    tool_calls: Option<Vec<Call>>,
}

#[derive(Deserialize)]
struct Call {
    id: Option<String>,
    function: Function,
}

#[derive(Deserialize)]
struct Function {
    name: String,
    arguments: Option<String>,
}

/// Tokens as the API counts them.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Counted {
    prompt_tokens: Option<u32>,
    completion_tokens: Option<u32>,
    prompt_tokens_details: Option<Prompted>,
    completion_tokens_details: Option<Completed>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Prompted {
    cached_tokens: Option<u32>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Completed {
    reasoning_tokens: Option<u32>,
}

impl Counted {
    pub fn usage(&self) -> Usage {
        let cached = self
            .prompt_tokens_details
            .as_ref()
            .and_then(|d| d.cached_tokens)
            .unwrap_or(0);
        let reasoning = self
            .completion_tokens_details
            .as_ref()
            .and_then(|d| d.reasoning_tokens)
            .unwrap_or(0);
        let (input, output) = (
            self.prompt_tokens.unwrap_or(0),
            self.completion_tokens.unwrap_or(0),
        );
        Usage {
            input,
            // Parts of the whole, whatever a server says.
            cached_input: cached.min(input),
            output,
            reasoning: reasoning.min(output),
        }
    }
}

/// Reads the answer, and pushes it to whoever wanted it in pieces.
pub fn read(reply: &mut impl Reply, sink: Option<&DeltaSink>) -> Result<Response, Error> {
    let body = whole(reply, MAX_BYTES)?;
    let completion: Completion =
        serde_json::from_slice(&body).map_err(|error| failure::unreadable(&error.to_string()))?;
    if let Some(error) = completion.error {
        // Proxies in front of several providers begin with 200 and fail then.
        return Err(failure::in_stream(&error));
    }
    let Some(choice) = completion.choices.into_iter().next() else {
        return Err(failure::unreadable("it has no choice"));
    };
    let refused = choice.message.refusal.filter(|refusal| !refusal.is_empty());
    let finish = finish(choice.finish_reason.as_deref(), refused.is_some());
    let text = refused.or(choice.message.content).filter(|text| !text.is_empty());
    let mut content: Vec<Part> = text.map(Part::Text).into_iter().collect();
    for (n, call) in choice.message.tool_calls.into_iter().flatten().enumerate() {
        content.push(Part::ToolCall(tool_call(
            n,
            call.id.unwrap_or_default(),
            call.function.name,
            call.function.arguments.unwrap_or_default(),
        )?));
    }
    if let Some(sink) = sink {
        for part in &content {
            let delta = match part {
                Part::Text(text) => Delta::Text(text.clone()),
                Part::ToolCall(call) => Delta::ToolCall(call.clone()),
                _ => continue,
            };
            sink.push(&delta)?;
        }
    }
    Ok(Response {
        content,
        finish,
        model: completion.model.unwrap_or_default(),
        usage: completion.usage.unwrap_or_default().usage(),
    })
}

/// A call of a tool as the contract has it. Some servers name none of their calls, and some send no arguments where there are
/// none.
pub fn tool_call(n: usize, id: String, name: String, arguments: String) -> Result<ToolCall, Error> {
    let arguments = if arguments.trim().is_empty() {
        "{}".to_owned()
    } else {
        arguments
    };
    if name.is_empty() {
        return Err(failure::unreadable("it calls a tool without a name"));
    }
    if serde_json::from_str::<serde::de::IgnoredAny>(&arguments).is_err() {
        return Err(failure::unreadable("the arguments of a tool are not JSON"));
    }
    Ok(ToolCall {
        id: if id.is_empty() { format!("call_{n}") } else { id },
        name,
        arguments,
    })
}

pub fn finish(reason: Option<&str>, refused: bool) -> Finish {
    match reason {
        _ if refused => Finish::Refused,
        Some("length") => Finish::Length,
        Some("tool_calls" | "function_call") => Finish::ToolCalls,
        Some("content_filter") => Finish::Refused,
        _ => Finish::Stop,
    }
}
