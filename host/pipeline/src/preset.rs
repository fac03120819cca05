//! Presets: written out before a plan is made, judged before they are saved.

use std::collections::BTreeMap;

use docmill_model::definition::{Definition, Problem};
use docmill_model::id::TenantId;
use docmill_model::plugin::PinnedPlugin;
use docmill_model::preset::{Preset, PresetRef};
use docmill_store::{Store, StoreError};

use crate::catalog::Catalog;
use crate::plan::judge_use;

/// The definition with the tenant's presets written out.
///
/// # Errors
/// When the store does not answer. The inner error is what is wrong with the definition: a preset or version that is not there,
/// or may not be used.
pub async fn write_out(
    store: &Store,
    tenant: TenantId,
    definition: Definition,
) -> Result<Result<Definition, Vec<Problem>>, StoreError> {
    let wanted = match definition.presets() {
        Ok(wanted) if wanted.is_empty() => return Ok(Ok(definition)),
        Ok(wanted) => wanted,
        Err(problems) => return Ok(Err(problems)),
    };
    let found = store.presets_of(tenant, &wanted).await?;
    let known: BTreeMap<PresetRef, (Preset, bool)> = found
        .into_iter()
        .map(|(reference, preset, active)| (reference, (preset, active)))
        .collect();
    Ok(definition.written_out(|reference| {
        let PresetRef { name, number } = reference;
        match known.get(reference) {
            Some((preset, true)) => Ok(preset),
            Some((_, false)) => Err(format!(
                "the preset {name} is not active: activate it, or use another"
            )),
            None => Err(format!(
                "there is no version {number} of a preset {name}; `docmill preset list` shows those that there are"
            )),
        }
    }))
}

/// Judges a preset with what its plugin says of itself; gives the version of the plugin that it would use now. Compiles schemas
/// and expressions.
///
/// # Errors
/// Everything that is wrong with the preset.
pub fn judge_preset(preset: &Preset, catalog: &Catalog) -> Result<PinnedPlugin, Vec<Problem>> {
    judge_use(catalog, &preset.plugin, &preset.with)
}
