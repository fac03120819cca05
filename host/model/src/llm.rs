//! Questions to language models and their answers, in no provider's dialect; what asking may cost.

mod alias;
mod price;
mod prompt;
mod setting;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::assemble::clean;
use crate::evidence::Broken;
use crate::json::Builder;
use crate::limits::{
    MAX_LLM_JSON_BYTES, MAX_LLM_MESSAGES, MAX_LLM_NAME_BYTES, MAX_LLM_PARTS, MAX_LLM_STOPS, MAX_LLM_TOOLS,
    MAX_MODEL_BYTES,
};
use crate::reading::Image;

pub use alias::Alias;
pub use price::{Amount, Cost, Currency, Prices};
pub use setting::{LlmCall, ModelSetting, PinnedAdapter};

/// Who says something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// What the model keeps to.
    System,
    /// Who asks.
    User,
    /// The model.
    Assistant,
    /// What tools gave.
    Tool,
}

/// The model asks for a tool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolCall {
    /// By which its result is known.
    pub id: String,
    /// Of the tool.
    pub name: String,
    /// A JSON text.
    pub arguments: String,
}

/// What a tool gave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolResult {
    /// That of the call.
    pub id: String,
    /// What it gave.
    pub content: String,
    /// It failed.
    pub is_error: bool,
}

/// A piece of a message.
#[derive(Debug, Clone, PartialEq)]
pub enum Part {
    /// Text.
    Text(String),
    /// A picture.
    Image(Image),
    /// In what the model says.
    ToolCall(ToolCall),
    /// In what tools say.
    ToolResult(ToolResult),
}

/// What somebody says.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Who.
    pub role: Role,
    /// What.
    pub content: Vec<Part>,
}

/// What the model may ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tool {
    /// As calls name it.
    pub name: String,
    /// What it does, for the model.
    pub description: String,
    /// JSON Schema of the arguments, as text.
    pub parameters: String,
}

/// A question.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Request {
    /// From a plugin: an alias. For an adapter: the provider's name of the model, always there.
    pub model: Option<String>,
    /// What was said so far; at least one.
    pub messages: Vec<Message>,
    /// JSON Schema that the answer fits, as text.
    pub schema: Option<String>,
    /// What the model may ask for.
    pub tools: Vec<Tool>,
    /// Bounds the answer.
    pub max_output_tokens: Option<u32>,
    /// How freely words are chosen.
    pub temperature: Option<f32>,
    /// For answers that can be repeated, where the provider knows that.
    pub seed: Option<u32>,
    /// Texts that end the answer.
    pub stop: Vec<String>,
    /// For one provider only: an object, as text.
    pub extra: Option<String>,
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Finish {
    /// All was said.
    Stop,
    /// It was cut off.
    Length,
    /// It waits for tools.
    ToolCalls,
    /// It was refused.
    Refused,
}

/// Tokens, as the provider bills them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Usage {
    /// Of the question.
    pub input: u32,
    /// The part of `input` that the provider had cached.
    pub cached_input: u32,
    /// Of the answer.
    pub output: u32,
    /// The part of `output` that was thinking.
    pub reasoning: u32,
}

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Response {
    /// Texts and calls of tools.
    pub content: Vec<Part>,
    /// Why it ended.
    pub finish: Finish,
    /// The model that really answered, as the provider calls it.
    pub model: String,
    /// What it used.
    pub usage: Usage,
}

/// A piece of an answer while it is written.
#[derive(Debug, Clone, PartialEq)]
pub enum Delta {
    /// More of its text.
    Text(String),
    /// A finished call of a tool.
    ToolCall(ToolCall),
}

impl Request {
    /// Holds a plugin's question against the contract: whoever answers it need not.
    ///
    /// # Errors
    /// The rule that it breaks, and where.
    pub fn check(&self) -> Result<(), Broken> {
        let broken = |rule, at: &str, explanation: &str| Err(Broken::new(rule, at, explanation));
        if !(1..=MAX_LLM_MESSAGES).contains(&self.messages.len()) {
            let explanation = format!("a question has 1 to {MAX_LLM_MESSAGES} messages");
            return broken("llm-messages", "request", &explanation);
        }
        if self.tools.len() > MAX_LLM_TOOLS || self.stop.len() > MAX_LLM_STOPS {
            let explanation =
                format!("at most {MAX_LLM_TOOLS} tools and {MAX_LLM_STOPS} texts that end the answer");
            return broken("llm-count", "request", &explanation);
        }
        for (number, message) in self.messages.iter().enumerate() {
            let at = format!("message {number}");
            if message.content.len() > MAX_LLM_PARTS {
                let explanation = format!("a message has at most {MAX_LLM_PARTS} parts");
                return broken("llm-parts", &at, &explanation);
            }
            for part in &message.content {
                check_part(part, &at)?;
            }
        }
        for tool in &self.tools {
            check_name(&tool.name, "a tool")?;
            object(&tool.parameters, "the parameters of a tool")?;
        }
        for stop in &self.stop {
            check_name(stop, "`stop`")?;
        }
        for (what, text) in [("`schema`", &self.schema), ("`extra`", &self.extra)] {
            if let Some(text) = text {
                object(text, what)?;
            }
        }
        if self.temperature.is_some_and(|it| !(0.0..=10.0).contains(&it)) {
            return broken("llm-temperature", "request", "it is from 0 to 10");
        }
        if self.max_output_tokens == Some(0) {
            return broken("llm-tokens", "request", "an answer of no tokens is none");
        }
        Ok(())
    }
}

fn check_part(part: &Part, at: &str) -> Result<(), Broken> {
    match part {
        Part::Text(_) => Ok(()),
        Part::Image(image) => {
            let known = ["image/png", "image/jpeg", "image/tiff", "image/webp"];
            if known.contains(&image.media_type.as_str()) && !image.data.is_empty() {
                return Ok(());
            }
            let explanation = format!("a picture has bytes and is one of {}", known.join(", "));
            Err(Broken::new("llm-image", at, &explanation))
        }
        Part::ToolCall(call) => check_call(call, at),
        Part::ToolResult(result) => check_name(&result.id, at),
    }
}

fn check_call(call: &ToolCall, at: &str) -> Result<(), Broken> {
    check_name(&call.id, at)?;
    check_name(&call.name, at)?;
    json(&call.arguments, at).map(drop)
}

fn check_name(name: &str, at: &str) -> Result<(), Broken> {
    if (1..=MAX_LLM_NAME_BYTES).contains(&name.len()) {
        return Ok(());
    }
    let explanation =
        format!("names, ids and texts that end the answer have 1 to {MAX_LLM_NAME_BYTES} bytes");
    Err(Broken::new("llm-name", at, &explanation))
}

/// What bounds the memory of JSON that is only looked at.
const JSON_MEMORY: usize = 8 << 20;

fn json(text: &str, at: &str) -> Result<Json, Broken> {
    if text.len() > MAX_LLM_JSON_BYTES {
        let explanation = format!("it has {} bytes; at most {MAX_LLM_JSON_BYTES}", text.len());
        return Err(Broken::new("llm-json", at, &explanation));
    }
    Builder::in_memory(JSON_MEMORY)
        .read(text)
        .map_err(|error| Broken::new("llm-json", at, &format!("it is no JSON: {error}")))
}

fn object(text: &str, what: &str) -> Result<Json, Broken> {
    match json(text, what)? {
        object @ Json::Object(_) => Ok(object),
        _ => Err(Broken::new("llm-json", what, "it is an object")),
    }
}

/// Holds an adapter's answer against the contract.
///
/// # Errors
/// The rule that it breaks, and where.
pub fn settle(written: Response) -> Result<Response, Broken> {
    let broken = |rule, at: &str, explanation: &str| Err(Broken::new(rule, at, explanation));
    if written.content.len() > MAX_LLM_PARTS {
        let explanation = format!("an answer has at most {MAX_LLM_PARTS} parts");
        return broken("llm-parts", "response", &explanation);
    }
    let mut content = Vec::with_capacity(written.content.len());
    let mut calls = 0;
    for (number, part) in written.content.into_iter().enumerate() {
        let at = format!("part {number}");
        content.push(match part {
            Part::Text(text) if text.contains('\0') => Part::Text(clean(&text)),
            Part::Text(text) => Part::Text(text),
            Part::ToolCall(call) => {
                calls += 1;
                check_call(&call, &at)?;
                Part::ToolCall(call)
            }
            Part::Image(_) | Part::ToolResult(_) => {
                return broken(
                    "llm-response-part",
                    &at,
                    "an answer holds texts and calls of tools",
                );
            }
        });
    }
    if calls > MAX_LLM_TOOLS {
        let explanation = format!("an answer has at most {MAX_LLM_TOOLS} calls of tools");
        return broken("llm-count", "response", &explanation);
    }
    let named = (1..=MAX_MODEL_BYTES).contains(&written.model.trim().len())
        && written.model.len() <= MAX_MODEL_BYTES
        && !written.model.chars().any(char::is_control);
    if !named {
        let explanation = format!("the name of the model that answered, 1 to {MAX_MODEL_BYTES} bytes");
        return broken("model", "response", &explanation);
    }
    let Usage {
        input,
        cached_input,
        output,
        reasoning,
    } = written.usage;
    if cached_input > input || reasoning > output {
        let explanation =
            "cached tokens are some of those of the question, reasoning is some of those of the answer";
        return broken("llm-usage", "response", explanation);
    }
    Ok(Response {
        content,
        model: written.model.trim().to_owned(),
        ..written
    })
}

impl Response {
    /// All of its text, if that is all that it is.
    pub fn only_text(&self) -> Option<String> {
        let texts = self.content.iter().map(|part| match part {
            Part::Text(text) => Some(text.as_str()),
            _ => None,
        });
        let text: Option<String> = texts.collect();
        text.filter(|text| !text.is_empty())
    }

    /// What it weighs, in bytes.
    pub fn weight(&self) -> usize {
        self.model.len() + self.content.iter().map(Part::weight).sum::<usize>()
    }
}

impl Part {
    /// What it weighs, in bytes.
    pub fn weight(&self) -> usize {
        16 + match self {
            Self::Text(text) => text.len(),
            Self::Image(image) => image.media_type.len() + image.data.len(),
            Self::ToolCall(call) => call.id.len() + call.name.len() + call.arguments.len(),
            Self::ToolResult(result) => result.id.len() + result.content.len(),
        }
    }
}

#[cfg(test)]
mod tests;
