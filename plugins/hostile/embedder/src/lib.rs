//! Gives the vectors that its configuration describes, right or wrong. The engine's tests call it, and nobody else should.
#![cfg(target_arch = "wasm32")]

wit_bindgen::generate!({
    path: "../../../wit",
    world: "docmill:plugin/embedder-plugin",
    generate_all,
});

use docmill::plugin::types::{Error, ErrorKind};
use exports::docmill::plugin::embedder::{Embeddings, Guest, Purpose};
use exports::docmill::plugin::manifest;

#[derive(serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Wanted {
    model: String,
    /// Vectors beside one for each text.
    more: usize,
    /// Vectors less than one for each text.
    less: usize,
    dimensions: usize,
    /// Of the last vector.
    last: Option<usize>,
    /// The first number of the last vector: a number, `nan` or `infinite`.
    number: String,
}

impl Default for Wanted {
    fn default() -> Self {
        Self {
            model: "test/hostile@1".to_owned(),
            more: 0,
            less: 0,
            dimensions: 3,
            last: None,
            number: "0.5".to_owned(),
        }
    }
}

struct Hostile;

impl manifest::Guest for Hostile {
    fn describe() -> manifest::Description {
        manifest::Description {
            name: "test/hostile-embedder".to_owned(),
            version: "0.1.0".to_owned(),
            summary: "Gives what it is told.".to_owned(),
            config_schema: r#"{"type":"object"}"#.to_owned(),
            accepts: Vec::new(),
            fields: Vec::new(),
        }
    }
}

impl Guest for Hostile {
    fn embed(texts: Vec<String>, _purpose: Purpose, config: String) -> Result<Embeddings, Error> {
        let wanted: Wanted = serde_json::from_str(&config).map_err(|error| Error {
            kind: ErrorKind::InvalidConfig,
            code: "config".to_owned(),
            message: error.to_string(),
            retry_after_ms: None,
        })?;
        let count = (texts.len() + wanted.more).saturating_sub(wanted.less);
        let mut vectors = vec![vec![0.25; wanted.dimensions]; count];
        if let Some(last) = vectors.last_mut() {
            last.resize(wanted.last.unwrap_or(wanted.dimensions), 0.25);
            if let Some(number) = last.first_mut() {
                *number = match wanted.number.as_str() {
                    "nan" => f32::NAN,
                    "infinite" => f32::INFINITY,
                    other => other.parse().unwrap_or(0.0),
                };
            }
        }
        Ok(Embeddings {
            model: wanted.model,
            vectors,
        })
    }
}

export!(Hostile);
