//! See `config.schema.json` and `README.md`.

use docmill_plugin::Severity;
use serde::Deserialize;

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    #[serde(default)]
    pub locale: Locale,
    #[serde(default)]
    pub min_confidence: f32,
    pub rules: Vec<RuleConfig>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleConfig {
    pub code: String,
    pub expression: String,
    pub when: Option<String>,
    #[serde(default)]
    pub severity: Level,
    pub tolerance: Option<Tolerance>,
    pub min_confidence: Option<f32>,
    pub message: Option<Message>,
    pub fields: Option<Vec<String>>,
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

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    Info,
    Warning,
    #[default]
    Error,
}

impl From<Level> for Severity {
    fn from(level: Level) -> Self {
        match level {
            Level::Info => Self::Info,
            Level::Warning => Self::Warning,
            Level::Error => Self::Error,
        }
    }
}

/// As JSON writes it; kept as text so that 0.1 stays 0.1.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Tolerance {
    Number(serde_json::Number),
    Text(String),
}

impl Tolerance {
    pub fn digits(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text.clone(),
        }
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Message {
    One(String),
    Each(Translations),
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Translations {
    pub en: Option<String>,
    pub ru: Option<String>,
    pub kk: Option<String>,
}

impl Message {
    /// The text in a language, else in English, else in any.
    pub fn text(&self, locale: Locale) -> Option<&str> {
        match self {
            Self::One(text) => Some(text),
            Self::Each(texts) => {
                let wanted = match locale {
                    Locale::En => &texts.en,
                    Locale::Ru => &texts.ru,
                    Locale::Kk => &texts.kk,
                };
                wanted
                    .as_deref()
                    .or(texts.en.as_deref())
                    .or(texts.ru.as_deref())
                    .or(texts.kk.as_deref())
            }
        }
    }
}
