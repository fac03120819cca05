//! Makes vectors of the lengths of words. Put your own model's numbers in their place.

use docmill_plugin::prelude::*;
use serde::Deserialize;

/// The step's configuration; `CONFIG_SCHEMA` describes it to people and to the host.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Numbers of each vector.
    dimensions: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self { dimensions: 16 }
    }
}

const CONFIG_SCHEMA: &str = r#"{
    "type": "object",
    "additionalProperties": false,
    "properties": { "dimensions": { "type": "integer", "minimum": 2, "maximum": 64, "default": 16 } }
}"#;

pub struct Plugin;

impl Embedder for Plugin {
    type Config = Config;

    fn describe() -> Description {
        Description::new("{{namespace}}/{{name}}", env!("CARGO_PKG_VERSION"), "Makes vectors of the lengths of words.")
            .config_schema(CONFIG_SCHEMA)
    }

    /// `_purpose` tells texts that will be searched from those that search.
    fn embed(texts: Vec<String>, _purpose: Purpose, config: Config) -> Result<Embeddings, Error> {
        Ok(Embeddings {
            // All that decides about a vector: those of different models are never compared.
            model: format!("{{namespace}}/{{name}}@1/{}", config.dimensions),
            vectors: texts.iter().map(|text| vector(text, config.dimensions)).collect(),
        })
    }
}

docmill_plugin::export_embedder!(Plugin);

/// How many words have each length, scaled so that the vector's length is 1.
fn vector(text: &str, dimensions: usize) -> Vec<f32> {
    let mut counts = vec![0.0_f32; dimensions];
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    for word in words {
        let place = word.chars().count().min(dimensions) - 1;
        if let Some(count) = counts.get_mut(place) {
            *count += 1.0;
        }
    }
    let length = counts.iter().map(|count| count * count).sum::<f32>().sqrt();
    counts.iter().map(|count| if length > 0.0 { count / length } else { 0.0 }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_vector_for_each_text() -> Result<(), Error> {
        let texts = vec!["Жол, бар!".to_owned(), String::new()];
        let made = Plugin::embed(texts, Purpose::Document, Config { dimensions: 4 })?;
        assert_eq!(made.vectors, [[0.0, 0.0, 1.0, 0.0], [0.0; 4]]);
        assert_eq!(made.model, "{{namespace}}/{{name}}@1/4");
        Ok(())
    }
}
