//! The configuration; `config.schema.json` describes it.

use std::collections::BTreeMap;

use serde::Deserialize;

/// Where and how a server is asked.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    pub base_url: String,
    pub secret: Option<String>,
    pub organization: Option<String>,
    pub project: Option<String>,
    pub headers: BTreeMap<String, String>,
    pub max_tokens_field: TokensField,
    pub schema: SchemaMode,
    pub stream_usage: bool,
    pub timeout_ms: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            base_url: "https://api.openai.com/v1".to_owned(),
            secret: None,
            organization: None,
            project: None,
            headers: BTreeMap::new(),
            max_tokens_field: TokensField::MaxCompletionTokens,
            schema: SchemaMode::JsonSchema,
            stream_usage: true,
            timeout_ms: 60_000,
        }
    }
}

impl Config {
    pub fn url(&self) -> String {
        format!("{}/chat/completions", self.base_url.trim_end_matches('/'))
    }

    /// Headers with their values; the key is a placeholder, which the host replaces on the way out.
    pub fn headers(&self) -> BTreeMap<String, String> {
        let key = self
            .secret
            .as_ref()
            .map(|name| format!("Bearer {{{{secret:{name}}}}}"));
        let own = [
            ("authorization", key),
            ("openai-organization", self.organization.clone()),
            ("openai-project", self.project.clone()),
        ];
        let own = own
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?)));
        let other = self
            .headers
            .iter()
            .map(|(name, value)| (name.to_ascii_lowercase(), value.clone()));
        own.chain(other).collect()
    }
}

/// What a server calls the bound on an answer's tokens.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokensField {
    MaxCompletionTokens,
    MaxTokens,
}

impl TokensField {
    pub const fn name(self) -> &'static str {
        match self {
            Self::MaxCompletionTokens => "max_completion_tokens",
            Self::MaxTokens => "max_tokens",
        }
    }
}

/// How an answer that fits a schema is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SchemaMode {
    JsonSchema,
    JsonObject,
    Message,
}
