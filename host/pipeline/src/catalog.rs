//! What a plan may pin: a snapshot of the tenant's published plugins.

use std::collections::{BTreeMap, BTreeSet};

use docmill_model::definition::{Definition, OnError};
use docmill_model::grant::Grants;
use docmill_model::id::TenantId;
use docmill_model::plugin::{Kind, PinnedPlugin, PluginName, PluginRef};
use docmill_model::preset::Preset;
use docmill_store::grant::Access;
use docmill_store::plugin::CatalogEntry;
use docmill_store::{Store, StoreError};
use semver::Version;
use serde_json::Value as Json;

use crate::suggest;

/// The plugins of a tenant.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    /// All versions of a plugin, the newest first.
    versions: BTreeMap<PluginName, Vec<Version>>,
    entries: BTreeMap<(PluginName, Version), CatalogEntry>,
    /// Of those that import what has to be granted.
    access: BTreeMap<(PluginName, Version), Access>,
}

impl Catalog {
    /// Of these versions.
    pub fn new(entries: Vec<CatalogEntry>) -> Self {
        let mut catalog = Self::default();
        for entry in entries {
            catalog.know(&entry.name, &entry.version);
            let key = (entry.name.clone(), entry.version.clone());
            catalog.entries.insert(key, entry);
        }
        catalog.sort();
        catalog
    }

    /// A snapshot of what the store has, as far as this definition needs it: there may be thousands of versions, and what one
    /// says of itself may be large. Validators and transformers write for people: where a step says no `locale`, theirs is
    /// the tenant's.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn of(store: &Store, tenant: TenantId, definition: &Definition) -> Result<Self, StoreError> {
        let references: Vec<&PluginRef> = definition
            .steps
            .iter()
            .flat_map(|step| {
                let fallback = match &step.on_error {
                    OnError::Fallback(fallback) => Some(fallback.plugin()),
                    _ => None,
                };
                std::iter::once(&step.plugin).chain(fallback)
            })
            .collect();
        Self::with(store, tenant, &references).await
    }

    /// The same for a preset.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn of_preset(store: &Store, tenant: TenantId, preset: &Preset) -> Result<Self, StoreError> {
        Self::with(store, tenant, &[&preset.plugin]).await
    }

    async fn with(store: &Store, tenant: TenantId, references: &[&PluginRef]) -> Result<Self, StoreError> {
        let mut names: Vec<PluginName> = references.iter().map(|r| r.name.clone()).collect();
        names.sort_unstable();
        names.dedup();
        let versions = store.catalog_of(tenant, &names).await?;
        let mut catalog = Self::default();
        for version in &versions {
            catalog.know(&version.name, &version.version);
        }
        catalog.sort();
        if names.iter().any(|name| !catalog.versions.contains_key(name)) {
            // For "did you mean …?".
            for name in store.plugin_names(tenant).await? {
                catalog.versions.entry(name).or_default();
            }
        }
        let chosen: BTreeSet<(&PluginName, &Version)> = references
            .iter()
            .filter_map(|reference| Some((&reference.name, catalog.newest(reference)?)))
            .collect();
        let is_chosen = |plugin: &PinnedPlugin| chosen.contains(&(&plugin.name, &plugin.version));
        let wanted: Vec<PinnedPlugin> = versions.into_iter().filter(is_chosen).collect();
        for access in store.access(tenant, &wanted).await? {
            let key = (access.name.clone(), access.version.clone());
            catalog.access.insert(key, access);
        }
        let locale = store.get_tenant(tenant).await?.locale;
        for mut entry in store.catalog_entries(tenant, &wanted).await? {
            if matches!(entry.kind, Kind::Validator | Kind::Transformer) {
                speak(&mut entry.manifest.config_schema, &locale);
            }
            let key = (entry.name.clone(), entry.version.clone());
            catalog.entries.insert(key, entry);
        }
        Ok(catalog)
    }

    /// What a version may do beyond its inputs.
    ///
    /// # Errors
    /// When it imports something that is not granted, and how to grant it.
    pub fn grants(&self, entry: &CatalogEntry) -> Result<Grants, String> {
        let key = (entry.name.clone(), entry.version.clone());
        let Some(access) = self.access.get(&key) else {
            return Ok(Grants::default());
        };
        match access
            .needs
            .iter()
            .find(|capability| !access.grants.has(**capability))
        {
            None => Ok(access.grants.clone()),
            Some(capability) => Err(format!(
                "{}@{} imports the capability {capability}, which is not granted to it; an owner grants it with `docmill plugin \
                 grant {} {capability}` (PUT /v1/plugins/{}/grants/{capability})",
                entry.name, entry.version, entry.name, entry.name
            )),
        }
    }

    fn know(&mut self, name: &PluginName, version: &Version) {
        self.versions
            .entry(name.clone())
            .or_default()
            .push(version.clone());
    }

    fn sort(&mut self) {
        for versions in self.versions.values_mut() {
            // Build metadata counts, so that the newest of several development builds of one version is taken.
            versions.sort_by(|a, b| b.cmp(a));
        }
    }

    fn newest(&self, reference: &PluginRef) -> Option<&Version> {
        let mut versions = self.versions.get(&reference.name)?.iter();
        versions.find(|version| reference.range.matches(version))
    }

    /// The newest version that fits.
    ///
    /// # Errors
    /// What is wrong with the reference and what to write instead.
    pub fn resolve(&self, reference: &PluginRef) -> Result<&CatalogEntry, String> {
        let name = &reference.name;
        let known = self.versions.get(name).map(Vec::as_slice).unwrap_or_default();
        if known.is_empty() {
            let names: Vec<String> = self.versions.keys().map(ToString::to_string).collect();
            let near = suggest::near(&name.to_string(), names.iter().map(String::as_str));
            let hint = near.map_or_else(
                || "publish it with `docmill plugin push`, or see `docmill plugin list`".to_owned(),
                |name| format!("did you mean {name}?"),
            );
            return Err(format!("there is no plugin {name}; {hint}"));
        }
        let newest = self.newest(reference);
        newest
            .and_then(|version| self.entries.get(&(name.clone(), version.clone())))
            .ok_or_else(|| {
                let known: Vec<String> = known.iter().take(5).map(ToString::to_string).collect();
                format!(
                    "no version of {name} fits {reference}; there are {}",
                    known.join(", ")
                )
            })
    }
}

/// Makes the language of `locale` the default of a configuration's own `locale`, if it has one and knows the language.
fn speak(schema: &mut Json, locale: &str) {
    let language = locale.split('-').next().unwrap_or_default();
    let Some(Json::Object(property)) = schema.pointer_mut("/properties/locale") else {
        return;
    };
    let known = property.get("enum").and_then(Json::as_array);
    let known = known.is_some_and(|words| words.iter().any(|word| word == language));
    if let Some(default) = property.get_mut("default").filter(|_| known) {
        *default = language.into();
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_plugin_speaks_the_tenants_language_if_it_knows_it() {
        let schema =
            |default| json!({"properties": {"locale": {"enum": ["en", "ru", "kk"], "default": default}}});
        for (locale, spoken) in [("ru", "ru"), ("kk-KZ", "kk"), ("de", "en"), ("", "en")] {
            let mut found = schema("en");
            speak(&mut found, locale);
            assert_eq!(found, schema(spoken), "{locale}");
        }
        // Without a default it must be said, and what is no list of languages may mean anything.
        for other in [
            json!({"properties": {"locale": {"enum": ["ru"]}}}),
            json!({"properties": {"locale": {"type": "string", "default": "en"}}}),
            json!({"properties": {"locale": true}}),
            json!({"properties": {}}),
            json!(true),
        ] {
            let mut same = other.clone();
            speak(&mut same, "ru");
            assert_eq!(same, other);
        }
    }
}
