//! A model as an organisation sets it up.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::{Alias, Prices};
use crate::digest::Digest;
use crate::limits::MAX_MODEL_BYTES;
use crate::llm::Usage;
use crate::plugin::{PinnedPlugin, PluginRef};

/// Who is asked under an alias, as what, and for how much.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Written")]
pub struct ModelSetting {
    /// The llm-adapter, as a step would name it: `docmill/openai@0.1`.
    #[serde(rename = "use")]
    pub plugin: PluginRef,
    /// What the provider calls the model.
    pub model: String,
    /// The adapter's configuration, an object.
    #[serde(rename = "with", skip_serializing_if = "Map::is_empty")]
    pub config: Map<String, Json>,
    /// What it costs; none: nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prices: Option<Prices>,
    /// Tokens of an answer, whatever a plugin asks for; none: as much as its grant allows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_output_tokens: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(rename = "use")]
    plugin: PluginRef,
    model: String,
    #[serde(default, rename = "with")]
    config: Map<String, Json>,
    #[serde(default)]
    prices: Option<Prices>,
    #[serde(default)]
    max_output_tokens: Option<u32>,
}

impl TryFrom<Written> for ModelSetting {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let Written {
            plugin,
            model,
            config,
            prices,
            max_output_tokens,
        } = written;
        let named = (1..=MAX_MODEL_BYTES).contains(&model.len())
            && model.trim() == model
            && !model.chars().any(char::is_control);
        if !named {
            return Err(format!(
                "`model` is the provider's name of the model, 1 to {MAX_MODEL_BYTES} bytes, as in gpt-4o-mini"
            ));
        }
        if max_output_tokens == Some(0) {
            return Err(
                "`max_output_tokens` is at least 1; leave it out for no bound of the model's own".to_owned(),
            );
        }
        Ok(Self {
            plugin,
            model,
            config,
            prices,
            max_output_tokens,
        })
    }
}

/// One question to a model, for the ledger. Neither what was asked nor what was answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LlmCall {
    /// As the plugin named the model.
    pub alias: Alias,
    /// Who asked the provider.
    pub adapter: PinnedAdapter,
    /// What the provider calls the model.
    pub model: String,
    /// The model that the provider says answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered_by: Option<String>,
    /// See [`super::Request::digest`].
    pub prompt: Digest,
    /// Tokens; none: nobody knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// What it cost; none: it has no price, or nobody knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<super::Cost>,
    /// Wall time in microseconds.
    pub wall_us: u64,
    /// `succeeded`, or the failure's code.
    pub outcome: String,
}

/// An adapter as the ledger names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PinnedAdapter {
    /// `namespace/name@version`
    pub name: String,
    /// Of the component's bytes.
    pub digest: Digest,
}

impl From<&PinnedPlugin> for PinnedAdapter {
    fn from(plugin: &PinnedPlugin) -> Self {
        Self {
            name: plugin.to_string(),
            digest: plugin.digest,
        }
    }
}
