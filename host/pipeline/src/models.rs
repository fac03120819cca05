//! Models in plans: an alias pinned to an adapter with its configuration, as steps are pinned to plugins.

use docmill_model::definition::Problem;
use docmill_model::id::TenantId;
use docmill_model::llm::{Alias, ModelSetting};
use docmill_model::plan::{ModelPin, PinnedModel};
use docmill_model::plugin::{Kind, PinnedPlugin, PluginRef};
use docmill_store::model::ModelRow;
use docmill_store::plugin::CatalogEntry;
use docmill_store::{Store, StoreError};
use serde_json::Value as Json;

use crate::catalog::Catalog;
use crate::schema::{Effort, Schema};

/// The adapter that a setting names, and its configuration with the defaults of what is left out.
struct Judged<'a> {
    entry: &'a CatalogEntry,
    config: Json,
}

/// Judges a model's setting with what its adapter says of itself.
///
/// # Errors
/// Every problem, its place beginning with `use` or `with`.
pub fn judge_model(catalog: &Catalog, setting: &ModelSetting) -> Result<PinnedPlugin, Vec<Problem>> {
    judge(catalog, setting).map(|judged| pinned(judged.entry))
}

fn judge<'a>(catalog: &'a Catalog, setting: &ModelSetting) -> Result<Judged<'a>, Vec<Problem>> {
    let entry = catalog
        .resolve(&setting.plugin)
        .map_err(|unresolved| vec![unresolved.at("use")])?;
    if entry.kind != Kind::LlmAdapter {
        let message = format!(
            "{} is of kind {}; a model is asked through a plugin of kind llm-adapter, as docmill/openai@0.1 is",
            entry.name, entry.kind
        );
        return Err(vec![Problem::new("use", message)]);
    }
    let unusable = |why: String| vec![Problem::new("with", why)];
    let schema = Schema::compile(&entry.manifest.config_schema).map_err(|why| {
        unusable(format!(
            "the configuration schema of {} cannot be used: {why}",
            entry.name
        ))
    })?;
    let mut config = Json::Object(setting.config.clone());
    let misfits = schema
        .fill(&mut config, Effort::WHOLE)
        .and_then(|()| schema.misfits(&config, Effort::WHOLE))
        .map_err(|why| unusable(why.to_string()))?;
    if misfits.is_empty() {
        return Ok(Judged { entry, config });
    }
    let problems = misfits.iter().map(|misfit| {
        let place = format!("with{}", misfit.pointer.replace('/', "."));
        Problem::new(place, format!("{} (as {} wants it)", misfit.message, entry.name))
    });
    Err(problems.collect())
}

fn pinned(entry: &CatalogEntry) -> PinnedPlugin {
    PinnedPlugin {
        name: entry.name.clone(),
        version: entry.version.clone(),
        digest: entry.digest,
        kind: entry.kind,
    }
}

/// The models of these aliases that are set up, each pinned, or with the reason why it cannot be asked.
///
/// # Errors
/// When the store does not answer.
pub(crate) async fn pin(
    store: &Store,
    tenant: TenantId,
    aliases: &[Alias],
) -> Result<(Vec<(Alias, ModelPin)>, Catalog), StoreError> {
    let rows = store.models(tenant, Some(aliases)).await?;
    let references: Vec<&PluginRef> = rows.iter().map(|row| &row.setting.plugin).collect();
    let adapters = Box::pin(Catalog::of_adapters(store, tenant, &references)).await?;
    let pins = rows.into_iter().map(|row| {
        let ModelRow { alias, setting, .. } = row;
        let pin = pin_one(&adapters, setting);
        (alias, pin)
    });
    Ok((pins.collect(), adapters))
}

fn pin_one(adapters: &Catalog, setting: ModelSetting) -> ModelPin {
    let judged = match judge(adapters, &setting) {
        Ok(judged) => judged,
        Err(problems) => {
            let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
            return ModelPin::Unusable(problems.join("; "));
        }
    };
    match adapters.grants(judged.entry) {
        Ok(grants) => ModelPin::Ready(Box::new(PinnedModel {
            plugin: pinned(judged.entry),
            grants,
            config: judged.config.to_string(),
            setting,
        })),
        Err(why) => ModelPin::Unusable(why),
    }
}
