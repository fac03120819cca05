//! A plan: the definition with every plugin pinned to a digest. A run executes one plan, for ever.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::definition::Definition;
use crate::grant::Grants;
use crate::plugin::PinnedPlugin;

/// The definition with every plugin pinned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// As written.
    pub definition: Definition,
    /// One for each step of the definition, in the same order.
    pub steps: Vec<PinnedStep>,
}

/// What a step uses.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PinnedStep {
    /// The plugin.
    pub plugin: PinnedPlugin,
    /// What takes its place when it fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<PinnedPlugin>,
    /// JSON Schema of the configuration: checked again when expressions have been filled in. Shared by the steps that use the
    /// same plugin.
    #[serde(default)]
    pub config_schema: Arc<serde_json::Value>,
    /// The same for the fallback.
    #[serde(default)]
    pub fallback_config_schema: Arc<serde_json::Value>,
    /// What the plugin may do beyond its inputs.
    #[serde(default, skip_serializing_if = "Grants::is_empty")]
    pub grants: Grants,
    /// The same for the fallback.
    #[serde(default, skip_serializing_if = "Grants::is_empty")]
    pub fallback_grants: Grants,
}
