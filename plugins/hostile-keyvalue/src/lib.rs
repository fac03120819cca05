//! Asks `wasi:keyvalue` what its configuration says, one field for each answer:
//! `{"ask": [["set", "a", "1"], ["get", "a"], ["second.increment", "n", -3]]}`. A word alone is the first draft's, behind
//! `second.` the second one's. For tests alone.
#![cfg(target_arch = "wasm32")]

mod first;
mod second;

use first::docmill::plugin::types::{Error, ErrorKind, Field, Value};
use first::exports::docmill::plugin::{extractor, manifest};
use serde::Deserialize;

struct HostileKeyvalue;

impl manifest::Guest for HostileKeyvalue {
    fn describe() -> manifest::Description {
        manifest::Description {
            name: "test/hostile-keyvalue".to_owned(),
            version: "0.1.0".to_owned(),
            summary: "Asks the key-value store what it is told.".to_owned(),
            config_schema: r#"{"type":"object"}"#.to_owned(),
            accepts: Vec::new(),
            fields: Vec::new(),
        }
    }
}

#[derive(Deserialize)]
struct Config {
    /// The name of the bucket.
    #[serde(default)]
    bucket: String,
    /// How often all of it is asked.
    #[serde(default = "once")]
    times: usize,
    ask: Vec<Vec<serde_json::Value>>,
}

const fn once() -> usize {
    1
}

/// One question: a word, a key, and what else belongs to it.
struct Asked<'a>(&'a [serde_json::Value]);

impl Asked<'_> {
    fn text(&self, at: usize) -> String {
        let text = self.0.get(at).and_then(|it| it.as_str());
        text.unwrap_or_default().to_owned()
    }

    /// Text; `{"x": 5}` is five times the letter.
    fn bytes(&self, at: usize) -> Vec<u8> {
        match self.0.get(at) {
            Some(serde_json::Value::Object(repeated)) => repeated
                .iter()
                .map(|(text, times)| text.repeat(times.as_u64().unwrap_or(0) as usize))
                .collect::<String>()
                .into_bytes(),
            _ => self.text(at).into_bytes(),
        }
    }

    fn number(&self, at: usize) -> i64 {
        self.0.get(at).and_then(|it| it.as_i64()).unwrap_or_default()
    }

    /// Everything behind the word, as keys.
    fn keys(&self) -> Vec<String> {
        (1..self.0.len()).map(|at| self.text(at)).collect()
    }

    /// Everything behind the word, as keys and values in turn.
    fn pairs(&self) -> Vec<(String, Vec<u8>)> {
        (1..self.0.len())
            .step_by(2)
            .map(|at| (self.text(at), self.bytes(at + 1)))
            .collect()
    }
}

fn shown(value: &[u8]) -> String {
    String::from_utf8_lossy(value).into_owned()
}

fn failed(code: &str, message: impl Into<String>) -> Error {
    Error {
        kind: ErrorKind::Failed,
        code: code.to_owned(),
        message: message.into(),
        retry_after_ms: None,
    }
}

impl extractor::Guest for HostileKeyvalue {
    fn extract(_: extractor::Inputs, config: String) -> Result<Vec<Field>, Error> {
        let config: Config =
            serde_json::from_str(&config).map_err(|error| failed("config", error.to_string()))?;
        let mut fields = Vec::new();
        for _ in 0..config.times {
            fields.clear();
            for (n, asked) in config.ask.iter().enumerate() {
                let asked = Asked(asked);
                let word = asked.text(0);
                let answer = match word.strip_prefix("second.") {
                    Some(word) => second::answer(&config.bucket, word, &asked),
                    None => first::answer(&config.bucket, &word, &asked),
                };
                fields.push(Field {
                    path: format!("answer_{n}"),
                    value: Some(Value::Text(answer.unwrap_or_else(|why| format!("error: {why}")))),
                    raw: None,
                    confidence: None,
                    citations: Vec::new(),
                });
            }
        }
        Ok(fields)
    }
}

first::export!(HostileKeyvalue with_types_in first);
