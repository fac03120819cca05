//! `docmill/hashed-ngrams`: vectors of texts by feature hashing, without a model. README.md explains them.

mod features;
mod vector;

use docmill_plugin::prelude::*;
use serde::Deserialize;

/// How texts are made into vectors; `config.schema.json` describes it.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    dimensions: usize,
    words: usize,
    min_chars: usize,
    max_chars: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            dimensions: 256,
            words: 2,
            min_chars: 3,
            max_chars: 5,
        }
    }
}

/// Of how features are found, hashed and weighed. Vectors of two algorithms must not be compared, so it is part of the model's
/// name; the plugin's own version may grow without it.
const ALGORITHM: u32 = 1;

/// Of one text. A chunk has some kilobytes.
const MAX_TEXT_BYTES: usize = 1 << 20;

impl Config {
    fn check(&self) -> Result<(), Error> {
        let said = |message: String| Err(Error::invalid_config("features", message));
        if !(8..=8_192).contains(&self.dimensions) || self.words > 4 || self.max_chars > 8 {
            return said("dimensions are 8 to 8192, words at most 4, max_chars at most 8.".to_owned());
        }
        if self.words == 0 && self.max_chars == 0 {
            return said("Neither words nor parts of them are counted: set words or max_chars.".to_owned());
        }
        if self.max_chars > 0 && !(1..=self.max_chars).contains(&self.min_chars) {
            let message = format!(
                "min_chars ({}) is more than max_chars ({}).",
                self.min_chars, self.max_chars
            );
            return said(message);
        }
        Ok(())
    }

    /// All that decides about a vector.
    fn model(&self) -> String {
        let chars = match self.max_chars {
            0 => "none".to_owned(),
            most => format!("{}-{most}", self.min_chars),
        };
        format!(
            "docmill/hashed-ngrams v{ALGORITHM} d{} words{} chars{chars}",
            self.dimensions, self.words
        )
    }
}

/// The plugin.
pub struct HashedNgrams;

impl Embedder for HashedNgrams {
    type Config = Config;

    fn describe() -> Description {
        Description::new(
            "docmill/hashed-ngrams",
            env!("CARGO_PKG_VERSION"),
            "Makes vectors of texts from hashed words and parts of words, without a model.",
        )
        .config_schema(include_str!("config.schema.json"))
    }

    /// What searches and what is searched are made into vectors in the same way.
    fn embed(texts: Vec<String>, _purpose: Purpose, config: Config) -> Result<Embeddings, Error> {
        config.check()?;
        if let Some(at) = texts.iter().position(|text| text.len() > MAX_TEXT_BYTES) {
            let message = format!("Text {at} is larger than {MAX_TEXT_BYTES} bytes: split it first.");
            return Err(Error::exhausted("too-large", message));
        }
        let vectors = texts
            .iter()
            .map(|text| vector::of(features::of(text, &config), config.dimensions));
        Ok(Embeddings {
            model: config.model(),
            vectors: vectors.collect(),
        })
    }
}

docmill_plugin::export_embedder!(HashedNgrams);

#[cfg(test)]
mod tests;
