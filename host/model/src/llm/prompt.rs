//! What a question is, whoever is asked: its digest, its size, the tokens that it can come to.

use serde_json::{Value as Json, json};

use super::{Message, Part, Request, Tool};
use crate::digest::Digest;

/// Bytes that each message, tool or call may take of a provider's own making, roles and marks.
const FRAME: u64 = 64;
/// Tokens of a picture, at least: models count its size in pixels, which its bytes do not tell.
const IMAGE_TOKENS: u64 = 16_384;

impl Request {
    /// SHA-256 of the question in a canonical form: the same words to two models have one digest. JSON within it counts as
    /// what it says, whatever the order of its members; a picture by its own digest.
    pub fn digest(&self) -> Digest {
        let parsed =
            |text: &String| serde_json::from_str::<Json>(text).unwrap_or_else(|_| text.as_str().into());
        let tool = |tool: &Tool| json!({ "name": tool.name, "description": tool.description, "parameters": parsed(&tool.parameters) });
        let mut form = json!({
            "form": "docmill prompt 1",
            "messages": self.messages.iter().map(message).collect::<Vec<Json>>(),
            "schema": self.schema.as_ref().map(parsed),
            "tools": self.tools.iter().map(tool).collect::<Vec<Json>>(),
            "max_output_tokens": self.max_output_tokens,
            "temperature": self.temperature.map(|it| it.to_string()),
            "seed": self.seed,
            "stop": self.stop,
            "extra": self.extra.as_ref().map(parsed),
        });
        form.sort_all_objects();
        Digest::of(form.to_string().as_bytes())
    }

    /// Its size in bytes, as a grant counts it.
    pub fn input_bytes(&self) -> u64 {
        let parts = self.messages.iter().flat_map(|message| &message.content);
        let parts: usize = parts.map(Part::weight).sum();
        let tools = self.tools.iter();
        let tools: usize = tools
            .map(|it| it.name.len() + it.description.len() + it.parameters.len())
            .sum();
        let texts = [&self.schema, &self.extra].into_iter().flatten();
        let texts: usize = texts.chain(&self.stop).map(String::len).sum();
        (parts + tools + texts) as u64
    }

    /// Tokens that it can come to at most. A token is a byte at least, whatever the model cuts texts into.
    pub fn most_input_tokens(&self) -> u64 {
        let parts = || self.messages.iter().flat_map(|message| &message.content);
        let images = parts().filter(|part| matches!(part, Part::Image(_))).count() as u64;
        let frames = (self.messages.len() + parts().count() + self.tools.len() + 1) as u64;
        self.input_bytes() + frames * FRAME + images * IMAGE_TOKENS
    }
}

fn message(it: &Message) -> Json {
    json!({ "role": it.role, "content": it.content.iter().map(part).collect::<Vec<Json>>() })
}

fn part(it: &Part) -> Json {
    match it {
        Part::Text(text) => json!({ "text": text }),
        Part::Image(image) => {
            json!({ "image": { "media_type": image.media_type, "digest": Digest::of(&image.data) } })
        }
        Part::ToolCall(call) => json!({ "tool_call": call }),
        Part::ToolResult(result) => json!({ "tool_result": result }),
    }
}
