//! Asks for `wasi:http`. `{"attack": "fetch", "requests": [{"authority": "api.example.org"}]}` is the honest use, one field
//! for each answer; the other attacks try what HTTP's resources cost the host. For tests alone.
#![cfg(target_arch = "wasm32")]

mod attack;
mod fetch;

wit_bindgen::generate!({
    path: "../../wit",
    world: "docmill:plugin/extractor-plugin@0.1.0",
    generate_all,
});

use docmill::plugin::types::{Error, ErrorKind, Field, Value};
use exports::docmill::plugin::{extractor, manifest};
use serde::Deserialize;

struct HostileHttp;

impl manifest::Guest for HostileHttp {
    fn describe() -> manifest::Description {
        manifest::Description {
            name: "test/hostile-http".to_owned(),
            version: "0.1.0".to_owned(),
            summary: "Sends requests over HTTP as it is told.".to_owned(),
            config_schema: r#"{"type":"object"}"#.to_owned(),
            accepts: Vec::new(),
            fields: Vec::new(),
        }
    }
}

#[derive(Deserialize)]
struct Config {
    attack: String,
    #[serde(default)]
    requests: Vec<fetch::Asked>,
    /// How often or how much; 0: without end.
    #[serde(default)]
    size: usize,
}

fn field(path: &str, text: impl Into<String>) -> Field {
    Field {
        path: path.to_owned(),
        value: Some(Value::Text(text.into())),
        raw: None,
        confidence: None,
        citations: Vec::new(),
    }
}

fn failed(code: &str, message: impl Into<String>) -> Error {
    Error {
        kind: ErrorKind::Failed,
        code: code.to_owned(),
        message: message.into(),
        retry_after_ms: None,
    }
}

impl extractor::Guest for HostileHttp {
    fn extract(_: extractor::Inputs, config: String) -> Result<Vec<Field>, Error> {
        let config: Config =
            serde_json::from_str(&config).map_err(|error| failed("config", error.to_string()))?;
        match config.attack.as_str() {
            "fetch" => Ok(fetch::all(&config.requests)),
            other => attack::run(other, &config.requests, config.size),
        }
    }
}

export!(HostileHttp);
