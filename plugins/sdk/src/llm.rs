//! Conversations with language models.
//!
//! A plugin that calls [`complete`] imports `docmill:plugin/llm@0.1.0`, which is a capability: an owner grants it, for the models
//! and the money that it may use.

use crate::Image;

pub use crate::bindings::docmill::plugin::llm_types::{
    Delta, Finish, Message, Part, Request, Response, Role, Tool, ToolCall, ToolResult, Usage,
};

#[cfg(target_arch = "wasm32")]
pub use crate::bindings::docmill::plugin::{deltas::DeltaSink, llm::complete};
#[cfg(not(target_arch = "wasm32"))]
pub use crate::native::{DeltaSink, answering, complete};

impl Message {
    fn of(role: Role, text: impl Into<String>) -> Self {
        Self {
            role,
            content: vec![Part::Text(text.into())],
        }
    }

    /// What the model is to keep to.
    pub fn system(text: impl Into<String>) -> Self {
        Self::of(Role::System, text)
    }

    /// What it is asked.
    pub fn user(text: impl Into<String>) -> Self {
        Self::of(Role::User, text)
    }

    /// What it said before.
    pub fn assistant(text: impl Into<String>) -> Self {
        Self::of(Role::Assistant, text)
    }

    /// The same with a picture behind it.
    pub fn with_image(mut self, image: Image) -> Self {
        self.content.push(Part::Image(image));
        self
    }
}

impl Request {
    /// These messages for the tenant's model `default`, and nothing else.
    pub fn new(messages: impl IntoIterator<Item = Message>) -> Self {
        Self {
            model: None,
            messages: messages.into_iter().collect(),
            schema: None,
            tools: Vec::new(),
            max_output_tokens: None,
            temperature: None,
            seed: None,
            stop: Vec::new(),
            extra: None,
        }
    }

    /// Names the alias of a model.
    pub fn model(mut self, alias: impl Into<String>) -> Self {
        self.model = Some(alias.into());
        self
    }

    /// Asks for JSON that fits this schema, and for nothing else; the host checks that it does.
    pub fn schema(mut self, schema: &serde_json::Value) -> Self {
        self.schema = Some(schema.to_string());
        self
    }

    /// Bounds the answer, and with it what it can cost.
    pub const fn max_output_tokens(mut self, tokens: u32) -> Self {
        self.max_output_tokens = Some(tokens);
        self
    }

    /// How freely the model chooses its words; 0 keeps to the likeliest.
    pub const fn temperature(mut self, temperature: f32) -> Self {
        self.temperature = Some(temperature);
        self
    }
}

impl Response {
    /// All of its text.
    pub fn text(&self) -> String {
        let texts = self.content.iter().filter_map(|part| match part {
            Part::Text(text) => Some(text.as_str()),
            _ => None,
        });
        texts.collect()
    }
}
