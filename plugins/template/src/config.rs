//! See `config.schema.json` and `README.md`.

use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub template: String,
    #[serde(default)]
    pub templates: BTreeMap<String, String>,
    #[serde(default)]
    pub output: OutputKind,
    #[serde(default = "default_media_type")]
    pub media_type: String,
    pub name: Option<String>,
    #[serde(default)]
    pub missing: Missing,
    #[serde(default)]
    pub locale: Locale,
    #[serde(default)]
    pub records: Vec<String>,
    #[serde(default)]
    pub texts: Vec<String>,
}

fn default_media_type() -> String {
    "text/markdown".to_owned()
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OutputKind {
    #[default]
    Artifact,
    Json,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Missing {
    #[default]
    Fail,
    Blank,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Locale {
    #[default]
    En,
    Ru,
    Kk,
}

impl Locale {
    /// What stands between groups of digits, and before their fraction.
    pub fn marks(self) -> (char, char) {
        match self {
            Self::En => (',', '.'),
            Self::Ru | Self::Kk => ('\u{A0}', ','),
        }
    }
}
