//! What a plan may pin: a snapshot of the tenant's published plugins.

use std::collections::{BTreeMap, BTreeSet};

use docmill_model::definition::{Definition, OnError, Problem};
use docmill_model::failure::Code;
use docmill_model::grant::{Capability, Grants};
use docmill_model::id::TenantId;
use docmill_model::llm::{Alias, ModelSetting};
use docmill_model::plan::ModelPin;
use docmill_model::plugin::{Kind, PinnedPlugin, PluginName, PluginRef, Wanted};
use docmill_model::preset::Preset;
use docmill_model::registry::{ChannelName, VersionState};
use docmill_model::run::Millis;
use docmill_model::signature::{Signature, Untrusted};
use docmill_store::grant::Access;
use docmill_store::plugin::{CatalogEntry, Pinnable};
use docmill_store::{Store, StoreError};
use semver::Version;
use serde_json::Value as Json;

use crate::models;
use crate::suggest;
use crate::trust::Trust;

/// The plugins of a tenant.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    /// All versions of a plugin, the newest first.
    versions: BTreeMap<PluginName, Vec<Known>>,
    channels: BTreeMap<PluginName, BTreeMap<ChannelName, Option<Version>>>,
    entries: BTreeMap<(PluginName, Version), CatalogEntry>,
    /// Of those that import what has to be granted.
    access: BTreeMap<(PluginName, Version), Access>,
    /// Versions whose signatures are worth nothing, where the tenant asks for signatures.
    untrusted: BTreeMap<(PluginName, Version), Untrusted>,
    /// Models that grants name and that are set up.
    models: BTreeMap<Alias, ModelPin>,
    valid_until: Option<Millis>,
    definition: Age,
}

/// A version, and whether plans may use it.
#[derive(Debug, Clone)]
struct Known {
    version: Version,
    state: VersionState,
    note: Option<String>,
}

/// Whether a definition is judged for the first time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Age {
    /// Nothing that was yanked may be in it.
    #[default]
    New,
    /// It was judged before: what it uses goes on to be there for it.
    Saved,
}

/// Why a reference has no version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unresolved {
    /// What is wrong and what to write instead.
    pub message: String,
    /// A code of its own, where a program would tell it from others.
    pub code: Option<Code>,
}

impl Unresolved {
    /// As a problem of a definition.
    pub fn at(self, place: &str) -> Problem {
        let problem = Problem::new(place, self.message);
        match self.code {
            Some(code) => problem.coded(code),
            None => problem,
        }
    }
}

impl From<String> for Unresolved {
    fn from(message: String) -> Self {
        Self { message, code: None }
    }
}

impl Catalog {
    /// Of these versions, all of them published.
    pub fn new(entries: Vec<CatalogEntry>) -> Self {
        let mut catalog = Self::default();
        for entry in entries {
            let known = Known {
                version: entry.version.clone(),
                state: VersionState::Published,
                note: None,
            };
            catalog.know(&entry.name, known);
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
        Self::with(store, tenant, &references(definition), Age::New).await
    }

    /// The same for a definition that was saved: where nothing else fits, it keeps what was yanked since.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn of_saved(
        store: &Store,
        tenant: TenantId,
        definition: &Definition,
    ) -> Result<Self, StoreError> {
        Self::with(store, tenant, &references(definition), Age::Saved).await
    }

    /// The same for a preset.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn of_preset(store: &Store, tenant: TenantId, preset: &Preset) -> Result<Self, StoreError> {
        Self::with(store, tenant, &[&preset.plugin], Age::New).await
    }

    /// The same for a model.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn of_model(
        store: &Store,
        tenant: TenantId,
        setting: &ModelSetting,
    ) -> Result<Self, StoreError> {
        Self::with(store, tenant, &[&setting.plugin], Age::New).await
    }

    /// The same for models that were set up.
    pub(crate) async fn of_adapters(
        store: &Store,
        tenant: TenantId,
        references: &[&PluginRef],
    ) -> Result<Self, StoreError> {
        Self::with(store, tenant, references, Age::Saved).await
    }

    async fn with(
        store: &Store,
        tenant: TenantId,
        references: &[&PluginRef],
        definition: Age,
    ) -> Result<Self, StoreError> {
        let mut names: Vec<PluginName> = references.iter().map(|r| r.name.clone()).collect();
        names.sort_unstable();
        names.dedup();
        let versions = store.catalog_of(tenant, &names).await?;
        let mut catalog = Self {
            definition,
            ..Self::default()
        };
        for Pinnable { plugin, state, note } in &versions {
            let known = Known {
                version: plugin.version.clone(),
                state: *state,
                note: note.clone(),
            };
            catalog.know(&plugin.name, known);
        }
        catalog.sort();
        if names.iter().any(|name| !catalog.versions.contains_key(name)) {
            // For "did you mean …?".
            for name in store.plugin_names(tenant).await? {
                catalog.versions.entry(name).or_default();
            }
        }
        if references.iter().any(|r| matches!(r.wanted, Wanted::Channel(_))) {
            for row in store.channels(tenant, &names).await? {
                let channels = catalog.channels.entry(row.plugin).or_default();
                channels.insert(row.name, row.version);
            }
        }
        let chosen: BTreeSet<(&PluginName, &Version)> = references
            .iter()
            .filter_map(|reference| Some((&reference.name, &catalog.choose(reference).ok()?.version)))
            .collect();
        let is_chosen = |plugin: &PinnedPlugin| chosen.contains(&(&plugin.name, &plugin.version));
        let wanted: Vec<PinnedPlugin> = versions
            .into_iter()
            .map(|version| version.plugin)
            .filter(is_chosen)
            .collect();
        for access in store.access(tenant, &wanted).await? {
            let key = (access.name.clone(), access.version.clone());
            catalog.access.insert(key, access);
        }
        catalog.pin_models(store, tenant).await?;
        let settings = store.get_tenant(tenant).await?;
        let entries = store.catalog_entries(tenant, &wanted).await?;
        if settings.require_signatures {
            let trust = Trust::of(store, tenant).await?;
            catalog.distrust(trust, &entries).await?;
        }
        for mut entry in entries {
            if matches!(entry.kind, Kind::Validator | Kind::Transformer) {
                speak(&mut entry.manifest.config_schema, &settings.locale);
            }
            let key = (entry.name.clone(), entry.version.clone());
            catalog.entries.insert(key, entry);
        }
        Ok(catalog)
    }

    /// Pins the models that plugins of the snapshot may ask. Their adapters ask none, so this ends.
    async fn pin_models(&mut self, store: &Store, tenant: TenantId) -> Result<(), StoreError> {
        let asking = self
            .access
            .values()
            .filter(|it| it.needs.contains(&Capability::Llm));
        let grants = asking.filter_map(|access| access.grants.llm.as_ref());
        let aliases: BTreeSet<Alias> = grants.flat_map(|grant| grant.models().iter().cloned()).collect();
        if aliases.is_empty() {
            return Ok(());
        }
        let aliases: Vec<Alias> = aliases.into_iter().collect();
        let (pins, adapters) = models::pin(store, tenant, &aliases).await?;
        let both = [self.valid_until, adapters.valid_until].into_iter().flatten();
        self.valid_until = both.min();
        self.models = pins.into_iter().collect();
        Ok(())
    }

    /// Models that plugins of the snapshot may ask.
    pub(crate) fn models(&self) -> &BTreeMap<Alias, ModelPin> {
        &self.models
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

    /// The same with a version that is not published yet, for trying it out.
    #[must_use]
    pub fn and(mut self, candidate: CatalogEntry) -> Self {
        let known = Known {
            version: candidate.version.clone(),
            state: VersionState::Published,
            note: None,
        };
        // The same version may be there in another state.
        if let Some(versions) = self.versions.get_mut(&candidate.name) {
            versions.retain(|version| version.version != candidate.version);
        }
        self.know(&candidate.name, known);
        self.sort();
        let key = (candidate.name.clone(), candidate.version.clone());
        self.entries.insert(key, candidate);
        self
    }

    async fn distrust(&mut self, trust: Trust, entries: &[CatalogEntry]) -> Result<(), StoreError> {
        let signed: Vec<_> = entries
            .iter()
            .map(|entry| {
                let plugin = PinnedPlugin {
                    name: entry.name.clone(),
                    version: entry.version.clone(),
                    digest: entry.digest,
                    kind: entry.kind,
                };
                (plugin, entry.signature.clone(), entry.bundle.clone())
            })
            .collect();
        // A bundle takes milliseconds, and there may be several.
        let judged = tokio::task::spawn_blocking(move || {
            let judge = |(plugin, signature, bundle): (PinnedPlugin, Option<Signature>, Option<String>)| {
                let judged = trust.judge(&plugin, signature.as_ref(), bundle.as_deref());
                (plugin, judged)
            };
            signed.into_iter().map(judge).collect::<Vec<_>>()
        });
        let judged = judged
            .await
            .map_err(|error| StoreError::invalid(format!("signatures cannot be verified: {error}")))?;
        for (plugin, judged) in judged {
            match judged {
                Ok(until) => {
                    let both = [self.valid_until, until].into_iter().flatten();
                    self.valid_until = both.min();
                }
                Err(why) => {
                    self.untrusted.insert((plugin.name, plugin.version), why);
                }
            }
        }
        Ok(())
    }

    /// When this snapshot ends by itself, because a key expires by which it was made; none: it does not.
    pub fn valid_until(&self) -> Option<Millis> {
        self.valid_until
    }

    fn know(&mut self, name: &PluginName, known: Known) {
        self.versions.entry(name.clone()).or_default().push(known);
    }

    fn sort(&mut self) {
        for versions in self.versions.values_mut() {
            // Build metadata counts, so that the newest of several development builds of one version is taken.
            versions.sort_by(|a, b| b.version.cmp(&a.version));
        }
    }

    fn known(&self, name: &PluginName) -> &[Known] {
        self.versions.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    /// The version that a reference means.
    fn choose(&self, reference: &PluginRef) -> Result<&Known, Unresolved> {
        let name = &reference.name;
        let known = self.known(name);
        if known.is_empty() {
            let names: Vec<String> = self.versions.keys().map(ToString::to_string).collect();
            let near = suggest::near(&name.to_string(), names.iter().map(String::as_str));
            let hint = near.map_or_else(
                || "publish it with `docmill plugin push`, or see `docmill plugin list`".to_owned(),
                |name| format!("did you mean {name}?"),
            );
            return Err(format!("there is no plugin {name}; {hint}").into());
        }
        let fits = |version: &Version| match &reference.wanted {
            Wanted::Range(range) => Ok(range.matches(version)),
            Wanted::Exactly(wanted) => Ok(wanted == version),
            Wanted::Channel(channel) => self.channel(name, channel).map(|of| of == version),
        };
        let mut fitting = Vec::new();
        for version in known {
            if fits(&version.version)? {
                fitting.push(version);
            }
        }
        let mut found = fitting.iter();
        if let Some(usable) = found.find(|known| known.state.is_usable()) {
            return Ok(usable);
        }
        let mut found = fitting.iter();
        match found.find(|known| known.state == VersionState::Yanked) {
            Some(yanked) if self.definition == Age::Saved => Ok(yanked),
            Some(yanked) => Err(self.yanked(name, yanked)),
            None => Err(self.nothing_fits(reference, &fitting)),
        }
    }

    fn channel(&self, name: &PluginName, channel: &ChannelName) -> Result<&Version, Unresolved> {
        let channels = self.channels.get(name);
        match channels.and_then(|channels| channels.get(channel)) {
            Some(Some(version)) => Ok(version),
            Some(None) => Err(format!("the channel {channel} of {name} is closed").into()),
            None => {
                let open = channels.into_iter().flatten().filter(|(_, of)| of.is_some());
                let open: Vec<&str> = open.map(|(name, _)| name.as_str()).collect();
                let hint = match open.as_slice() {
                    [] => format!("set it with `docmill plugin channel {name} {channel} VERSION`"),
                    some => format!("there are {}", some.join(", ")),
                };
                Err(format!("{name} has no channel {channel}; {hint}").into())
            }
        }
    }

    fn yanked(&self, name: &PluginName, yanked: &Known) -> Unresolved {
        let known = self.known(name).iter();
        let mut usable = known.filter(|known| known.state.is_usable());
        let hint = match usable.next() {
            Some(newest) => format!("the newest that can be used is {}", newest.version),
            None => "none of its versions can be used".to_owned(),
        };
        let note = yanked
            .note
            .as_ref()
            .map(|note| format!(" ({note})"))
            .unwrap_or_default();
        Unresolved {
            message: format!("{name}@{} was yanked{note}; {hint}", yanked.version),
            code: Some(Code::VersionYanked),
        }
    }

    fn nothing_fits(&self, reference: &PluginRef, fitting: &[&Known]) -> Unresolved {
        let name = &reference.name;
        if let Some(admitted) = fitting.first() {
            let version = &admitted.version;
            return format!("{name}@{version} is admitted, and not published yet: publish it first").into();
        }
        let known = self.known(name).iter();
        let usable = known.filter(|known| known.state.is_usable());
        let usable: Vec<String> = usable.take(5).map(|known| known.version.to_string()).collect();
        let there = match usable.as_slice() {
            [] => "none that could be used".to_owned(),
            some => some.join(", "),
        };
        format!("no version of {name} fits {reference}; there are {there}").into()
    }

    /// The newest version that fits.
    ///
    /// # Errors
    /// What is wrong with the reference and what to write instead.
    pub fn resolve(&self, reference: &PluginRef) -> Result<&CatalogEntry, Unresolved> {
        let chosen = self.choose(reference)?;
        let key = (reference.name.clone(), chosen.version.clone());
        if let Some(why) = self.untrusted.get(&key) {
            return Err(Unresolved {
                message: format!("{}@{} cannot be used: {why}", key.0, key.1),
                code: Some(Code::SignatureRefused),
            });
        }
        self.entries.get(&key).ok_or_else(|| {
            let (name, version) = &key;
            format!("{name}@{version} was not there a moment ago; try again").into()
        })
    }

    /// What a user of these references should know, each with its place.
    pub fn warnings<'a>(&self, used: impl IntoIterator<Item = (String, &'a PluginRef)>) -> Vec<Problem> {
        let used = used.into_iter();
        used.filter_map(|(at, reference)| {
            let chosen = self.choose(reference).ok()?;
            let said = match chosen.state {
                VersionState::Deprecated => "is deprecated",
                VersionState::Yanked => "was yanked; this pipeline was saved before, and keeps it",
                VersionState::Admitted | VersionState::Published => return None,
            };
            let note = chosen
                .note
                .as_ref()
                .map(|note| format!(": {note}"))
                .unwrap_or_default();
            Some(Problem::new(
                at,
                format!("{}@{} {said}{note}", reference.name, chosen.version),
            ))
        })
        .collect()
    }

    /// The warnings of a definition's steps and fallbacks.
    pub fn warnings_of(&self, definition: &Definition) -> Vec<Problem> {
        self.warnings(placed(definition))
    }
}

/// Every reference of a definition with its place.
fn placed(definition: &Definition) -> impl Iterator<Item = (String, &PluginRef)> {
    definition.steps.iter().flat_map(|step| {
        let fallback = match &step.on_error {
            OnError::Fallback(fallback) => {
                Some((format!("steps.{}.on_error.fallback", step.id), fallback.plugin()))
            }
            _ => None,
        };
        std::iter::once((format!("steps.{}.use", step.id), &step.plugin)).chain(fallback)
    })
}

fn references(definition: &Definition) -> Vec<&PluginRef> {
    placed(definition).map(|(_, reference)| reference).collect()
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
