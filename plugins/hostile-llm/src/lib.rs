//! Asks language models as its configuration says: one field for each answer, and whatever can be asked wrongly. For tests
//! alone.
#![cfg(target_arch = "wasm32")]

wit_bindgen::generate!({
    path: "../../wit",
    inline: "
        package test:hostile-llm;
        world plugin {
            include docmill:plugin/extractor-plugin@0.1.0;
            import docmill:plugin/llm@0.1.0;
        }
    ",
    world: "test:hostile-llm/plugin",
    generate_all,
});

use docmill::plugin::llm;
use docmill::plugin::llm_types::{Message, Part, Request, Role, ToolCall};
use docmill::plugin::types::{Citation, Error, ErrorKind, Field, Image, Value};
use exports::docmill::plugin::{extractor, manifest};

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    asks: Vec<Ask>,
    /// Return the first error instead of a field with its code.
    #[serde(default)]
    strict: bool,
}

#[derive(serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Ask {
    model: Option<String>,
    /// The document's own text if it is `document`.
    prompt: String,
    system: Option<String>,
    /// Bytes of a further text.
    filler: usize,
    /// Bytes of a picture.
    image: Option<usize>,
    schema: Option<String>,
    extra: Option<String>,
    max_output_tokens: Option<u32>,
    temperature: Option<f32>,
    /// Messages, beside the one, with nothing in them.
    messages: usize,
    /// A call of a tool with these arguments.
    arguments: Option<String>,
    /// How often it is asked.
    times: usize,
    /// The answer is an object, whose members are fields, each with its value as the quote.
    fields: bool,
}

impl Default for Ask {
    fn default() -> Self {
        Self {
            model: None,
            prompt: "hello".to_owned(),
            system: None,
            filler: 0,
            image: None,
            schema: None,
            extra: None,
            max_output_tokens: None,
            temperature: None,
            messages: 0,
            arguments: None,
            times: 1,
            fields: false,
        }
    }
}

struct HostileLlm;

impl manifest::Guest for HostileLlm {
    fn describe() -> manifest::Description {
        manifest::Description {
            name: "test/hostile-llm".to_owned(),
            version: "0.1.0".to_owned(),
            summary: "Asks language models as it is told.".to_owned(),
            config_schema: r#"{"type":"object"}"#.to_owned(),
            accepts: Vec::new(),
            fields: Vec::new(),
        }
    }
}

impl Ask {
    fn request(&self, inputs: &extractor::Inputs) -> Request {
        let prompt = match self.prompt.as_str() {
            "document" => inputs
                .main()
                .and_then(|reading| reading.text(0).ok())
                .unwrap_or_default(),
            other => other.to_owned(),
        };
        let mut content = vec![Part::Text(prompt)];
        if self.filler > 0 {
            content.push(Part::Text("x".repeat(self.filler)));
        }
        if let Some(bytes) = self.image {
            content.push(Part::Image(Image {
                media_type: "image/png".to_owned(),
                data: vec![7; bytes],
                resolution: None,
            }));
        }
        if let Some(arguments) = &self.arguments {
            content.push(Part::ToolCall(ToolCall {
                id: "1".to_owned(),
                name: "look".to_owned(),
                arguments: arguments.clone(),
            }));
        }
        let system = self.system.iter().map(|text| Message {
            role: Role::System,
            content: vec![Part::Text(text.clone())],
        });
        let mut messages: Vec<Message> = system.collect();
        messages.push(Message {
            role: Role::User,
            content,
        });
        messages.extend((0..self.messages).map(|_| Message {
            role: Role::User,
            content: Vec::new(),
        }));
        Request {
            model: self.model.clone(),
            messages,
            schema: self.schema.clone(),
            tools: Vec::new(),
            max_output_tokens: self.max_output_tokens,
            temperature: self.temperature,
            seed: None,
            stop: Vec::new(),
            extra: self.extra.clone(),
        }
    }
}

fn field(number: usize, name: &str, text: String) -> Field {
    Field {
        path: format!("answers[{number}].{name}"),
        value: Some(Value::Text(text)),
        raw: None,
        confidence: None,
        citations: Vec::new(),
    }
}

/// What a model found, each with what it says stands in the document.
fn members(answer: &str) -> Vec<Field> {
    let answer: serde_json::Map<String, serde_json::Value> = serde_json::from_str(answer).unwrap_or_default();
    let found = answer.into_iter().filter_map(|(path, value)| {
        let text = value.as_str()?.to_owned();
        Some(Field {
            path,
            value: Some(Value::Text(text.clone())),
            raw: None,
            confidence: None,
            citations: vec![Citation {
                reading: None,
                page: 0,
                range: None,
                quote: text,
                regions: Vec::new(),
            }],
        })
    });
    found.collect()
}

impl extractor::Guest for HostileLlm {
    fn extract(inputs: extractor::Inputs, config: String) -> Result<Vec<Field>, Error> {
        let config: Config = serde_json::from_str(&config).map_err(|error| Error {
            kind: ErrorKind::InvalidConfig,
            code: "config".to_owned(),
            message: error.to_string(),
            retry_after_ms: None,
        })?;
        let mut fields = Vec::new();
        let asks = config
            .asks
            .iter()
            .flat_map(|ask| std::iter::repeat_n(ask, ask.times));
        for (number, ask) in asks.enumerate() {
            match llm::complete(&ask.request(&inputs)) {
                Ok(response) => {
                    let texts = response.content.iter().filter_map(|part| match part {
                        Part::Text(text) => Some(text.as_str()),
                        _ => None,
                    });
                    let text: String = texts.collect();
                    if ask.fields {
                        fields.extend(members(&text));
                        continue;
                    }
                    fields.push(field(number, "text", text));
                    let used = &response.usage;
                    let used = format!(
                        "{} {} {} {}",
                        used.input, used.cached_input, used.output, used.reasoning
                    );
                    fields.push(field(number, "usage", used));
                    fields.push(field(number, "model", response.model));
                }
                Err(error) if config.strict => return Err(error),
                Err(error) => {
                    let retry = error
                        .retry_after_ms
                        .map(|ms| format!(" {ms}"))
                        .unwrap_or_default();
                    let kind = format!("{:?}", error.kind).replace("ErrorKind::", "");
                    fields.push(field(number, "error", format!("{kind} {}{retry}", error.code)));
                    fields.push(field(number, "message", error.message));
                }
            }
        }
        Ok(fields)
    }
}

export!(HostileLlm);
