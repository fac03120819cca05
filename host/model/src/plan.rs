//! A plan: the definition with every plugin pinned to a digest. A run executes one plan, for ever.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::definition::{Definition, Fallback, OnError};
use crate::grant::Grants;
use crate::llm::{Alias, ModelSetting};
use crate::plugin::{PinnedPlugin, PluginRef};

/// The definition with every plugin pinned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// As written.
    pub definition: Definition,
    /// One for each step of the definition, in the same order.
    pub steps: Vec<PinnedStep>,
    /// Models that its plugins may ask, as they were set up when the plan was made.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub models: BTreeMap<Alias, ModelPin>,
}

impl Plan {
    /// Every plugin that it may call: those of its steps, what takes their place, and adapters of models.
    pub fn plugins(&self) -> impl Iterator<Item = &PinnedPlugin> {
        let steps = self.steps.iter();
        let steps = steps.flat_map(|step| std::iter::once(&step.plugin).chain(&step.fallback));
        let models = self.models.values().filter_map(|pin| match pin {
            ModelPin::Ready(model) => Some(&model.plugin),
            ModelPin::Unusable(_) => None,
        });
        steps.chain(models)
    }
}

/// A plan as it is kept for runs that are executed later: the definition with every plugin at one version. What the plugins may do,
/// and which models they may ask, is looked up again when a run is executed: a grant that was withdrawn stays withdrawn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Frozen {
    /// Its references ask for exactly one version each.
    pub definition: Definition,
    /// Plugins of the steps and of what takes their place, with their digests, in order of name and version.
    pub plugins: Vec<PinnedPlugin>,
}

impl Frozen {
    /// Of a plan.
    pub fn of(plan: &Plan) -> Self {
        let mut definition = plan.definition.clone();
        let mut plugins = Vec::new();
        for (step, pinned) in definition.steps.iter_mut().zip(&plan.steps) {
            step.plugin = PluginRef::exactly(&pinned.plugin);
            plugins.push(pinned.plugin.clone());
            let fallback = match &mut step.on_error {
                OnError::Fallback(Fallback::Plugin(plugin) | Fallback::Configured { plugin, .. }) => plugin,
                OnError::Fail | OnError::Skip => continue,
            };
            if let Some(pinned) = &pinned.fallback {
                *fallback = PluginRef::exactly(pinned);
                plugins.push(pinned.clone());
            }
        }
        plugins.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
        plugins.dedup();
        Self { definition, plugins }
    }

    /// The first plugin of a plan, made of [`Self::definition`], that is not among those that were kept: its bytes are others
    /// now. None: the plan executes the same components.
    pub fn stranger<'a>(&self, plan: &'a Plan) -> Option<&'a PinnedPlugin> {
        let steps = plan.steps.iter();
        let mut used = steps.flat_map(|step| std::iter::once(&step.plugin).chain(&step.fallback));
        used.find(|plugin| !self.plugins.contains(plugin))
    }
}

/// What an alias stands for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelPin {
    /// It can be asked.
    Ready(Box<PinnedModel>),
    /// It is set up, and cannot be asked; why.
    Unusable(String),
}

/// A model that can be asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PinnedModel {
    /// As it is set up.
    pub setting: ModelSetting,
    /// The adapter.
    pub plugin: PinnedPlugin,
    /// The adapter's whole configuration, a JSON text.
    pub config: String,
    /// What the adapter may do.
    pub grants: Grants,
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
