//! Answers by repeating the last message. Put your provider in its place.
//!
//! To ask one over the network, add `wasip2 = "1"` to the dependencies and use `wasip2::http`: the component then imports
//! `wasi:http/outgoing-handler`, which an owner grants with the provider's host. The key stays with the host: send
//! `{{secret:NAME}}` in the header that the grant names for it.

use docmill_plugin::llm::{Delta, DeltaSink, Finish, Part, Request, Response, Role, Usage};
use docmill_plugin::prelude::*;
use serde::Deserialize;

/// The model's configuration; `CONFIG_SCHEMA` describes it to people and to the host.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Written before the answer.
    prefix: String,
}

const CONFIG_SCHEMA: &str = r#"{
    "type": "object",
    "additionalProperties": false,
    "properties": { "prefix": { "type": "string", "maxLength": 100, "default": "" } }
}"#;

pub struct Plugin;

impl LlmAdapter for Plugin {
    type Config = Config;

    fn describe() -> Description {
        Description::new("{{namespace}}/{{name}}", env!("CARGO_PKG_VERSION"), "Answers by repeating the last message.")
            .config_schema(CONFIG_SCHEMA)
    }

    fn complete(request: Request, sink: Option<DeltaSink>, config: Config) -> Result<Response, Error> {
        let asked = request.messages.iter().rev().find(|message| message.role == Role::User);
        let Some(asked) = asked else {
            return Err(Error::invalid_input("no-question", "There is no message of the user to answer."));
        };
        let texts = asked.content.iter().filter_map(|part| match part {
            Part::Text(text) => Some(text.as_str()),
            _ => None,
        });
        let answer = format!("{}{}", config.prefix, texts.collect::<String>());
        if let Some(sink) = sink {
            // Piece by piece, as it arrives. An error means that nobody reads any more: hand it on.
            for word in answer.split_inclusive(' ') {
                sink.push(&Delta::Text(word.to_owned()))?;
            }
        }
        let words = |text: &str| u32::try_from(text.split_whitespace().count()).unwrap_or(u32::MAX);
        let usage = Usage {
            input: words(&answer),
            cached_input: 0,
            output: words(&answer),
            reasoning: 0,
        };
        Ok(Response {
            content: vec![Part::Text(answer)],
            finish: Finish::Stop,
            model: request.model.unwrap_or_default(),
            usage,
        })
    }
}

docmill_plugin::export_llm_adapter!(Plugin);

#[cfg(test)]
mod tests {
    use docmill_plugin::llm::Message;

    use super::*;

    #[test]
    fn the_last_message_comes_back() -> Result<(), Error> {
        let config = Config { prefix: "> ".to_owned() };
        let request = Request::new([Message::system("Be short."), Message::user("Сәлем, әлем!")]).model("echo");
        let response = Plugin::complete(request, None, config)?;
        assert_eq!((response.text().as_str(), response.usage.output), ("> Сәлем, әлем!", 3));
        Ok(())
    }
}
