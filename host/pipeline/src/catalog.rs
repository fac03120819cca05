//! What a plan may pin: a snapshot of the tenant's published plugins.

use std::collections::BTreeMap;

use docmill_model::plugin::{PluginName, PluginRef};
use docmill_store::plugin::CatalogEntry;

use crate::suggest;

/// The plugins of a tenant, the newest version of each first.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    plugins: BTreeMap<PluginName, Vec<CatalogEntry>>,
}

impl Catalog {
    /// A snapshot of what the store has.
    pub fn new(entries: Vec<CatalogEntry>) -> Self {
        let mut plugins: BTreeMap<PluginName, Vec<CatalogEntry>> = BTreeMap::new();
        for entry in entries {
            plugins.entry(entry.name.clone()).or_default().push(entry);
        }
        for versions in plugins.values_mut() {
            // Build metadata counts, so that the newest of several development builds of one version is taken.
            versions.sort_by(|a, b| b.version.cmp(&a.version));
        }
        Self { plugins }
    }

    /// The newest version that fits.
    ///
    /// # Errors
    /// What is wrong with the reference and what to write instead.
    pub fn resolve(&self, reference: &PluginRef) -> Result<&CatalogEntry, String> {
        let Some(versions) = self.plugins.get(&reference.name) else {
            let names: Vec<String> = self.plugins.keys().map(ToString::to_string).collect();
            let near = suggest::near(&reference.name.to_string(), names.iter().map(String::as_str));
            let hint = near.map_or_else(
                || "publish it with `docmill plugin push`, or see `docmill plugin list`".to_owned(),
                |name| format!("did you mean {name}?"),
            );
            return Err(format!("there is no plugin {}; {hint}", reference.name));
        };
        versions
            .iter()
            .find(|entry| reference.range.matches(&entry.version))
            .ok_or_else(|| {
                let known: Vec<String> = versions
                    .iter()
                    .take(5)
                    .map(|entry| entry.version.to_string())
                    .collect();
                format!(
                    "no version of {} fits {reference}; there are {}",
                    reference.name,
                    known.join(", ")
                )
            })
    }
}
