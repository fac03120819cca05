//! Definition → plan: every plugin pinned, everything that can be wrong before a document comes found and named.

use docmill_model::definition::{Definition, Fallback, InputKind, OnError, Problem, StepSpec};
use docmill_model::plan::{PinnedStep, Plan};
use docmill_model::plugin::{Kind, PinnedPlugin, PluginRef, media_type_fits};
use docmill_store::plugin::CatalogEntry;
use serde_json::Value as Json;

use crate::catalog::Catalog;
use crate::program::Program;
use crate::schema;

/// Pins every plugin and judges the definition with what the plugins say of themselves.
///
/// # Errors
/// Every problem, each naming its place and what to write instead.
pub fn plan(definition: &Definition, catalog: &Catalog) -> Result<Plan, Vec<Problem>> {
    let mut problems = Vec::new();
    if let Some(params) = &definition.params
        && let Err(message) = schema::compile(params)
    {
        problems.push(Problem::new("params", message));
    }
    let steps: Vec<Option<PinnedStep>> = definition
        .steps
        .iter()
        .map(|step| pin(definition, step, catalog, &mut problems))
        .collect();
    let program = Program::compile(definition, &mut problems);
    for (index, (spec, pinned)) in definition.steps.iter().zip(&steps).enumerate() {
        let Some(pinned) = pinned else { continue };
        configuration(spec, pinned, &program, index, &mut problems);
        readable(definition, index, pinned, &steps, &program, &mut problems);
    }
    if problems.is_empty() {
        Ok(Plan {
            definition: definition.clone(),
            steps: steps.into_iter().flatten().collect(),
        })
    } else {
        Err(problems)
    }
}

fn pin(
    definition: &Definition,
    step: &StepSpec,
    catalog: &Catalog,
    problems: &mut Vec<Problem>,
) -> Option<PinnedStep> {
    let at = format!("steps.{}", step.id);
    let mut resolve = |reference: &PluginRef, place: String| {
        catalog
            .resolve(reference)
            .map_err(|message| problems.push(Problem::new(place, message)))
            .ok()
    };
    let entry = resolve(&step.plugin, format!("{at}.use"));
    let fallback = match &step.on_error {
        OnError::Fallback(fallback) => Some(resolve(fallback.plugin(), format!("{at}.on_error.fallback"))?),
        _ => None,
    };
    let entry = entry?;
    if let Some(fallback) = fallback.filter(|f| f.kind != entry.kind) {
        let message = format!(
            "{} is a {}, and the step's plugin a {}; a fallback does the same",
            fallback.name, fallback.kind, entry.kind
        );
        problems.push(Problem::new(format!("{at}.on_error.fallback"), message));
    }
    if entry.kind == Kind::Parser {
        accepts(definition, step, entry, &at, problems);
    } else if step.input.is_some() {
        problems.push(Problem::new(
            format!("{at}.input"),
            format!("{} is a {}; only parsers read a file", entry.name, entry.kind),
        ));
    }
    Some(PinnedStep {
        plugin: pinned(entry),
        fallback: fallback.map(pinned),
        defaults: schema::defaults(&entry.manifest.config_schema),
        fallback_defaults: fallback
            .map(|f| schema::defaults(&f.manifest.config_schema))
            .unwrap_or_default(),
        config_schema: entry.manifest.config_schema.clone(),
        fallback_config_schema: fallback
            .map(|f| f.manifest.config_schema.clone())
            .unwrap_or_default(),
    })
}

fn pinned(entry: &CatalogEntry) -> PinnedPlugin {
    PinnedPlugin {
        name: entry.name.clone(),
        version: entry.version.clone(),
        digest: entry.digest,
        kind: entry.kind,
    }
}

/// A parser needs a file of a type that it can read.
fn accepts(
    definition: &Definition,
    step: &StepSpec,
    entry: &CatalogEntry,
    at: &str,
    problems: &mut Vec<Problem>,
) {
    let files = definition
        .inputs
        .iter()
        .filter(|(_, spec)| matches!(spec.kind, InputKind::File | InputKind::Document));
    let mut roles = files.filter(|(role, _)| step.input.as_ref().is_none_or(|wanted| wanted == *role));
    let Some((role, spec)) = roles.next() else {
        problems.push(Problem::new(
            at,
            "a parser reads a file, and the pipeline has no input of kind `file` or `document` for it",
        ));
        return;
    };
    let meet = |ours: &str, theirs: &str| media_type_fits(ours, theirs) || media_type_fits(theirs, ours);
    let possible = spec.kind == InputKind::Document
        || spec
            .accept
            .iter()
            .any(|ours| ours == "*/*" || entry.manifest.accepts.iter().any(|theirs| meet(ours, theirs)));
    if !possible {
        let message = format!(
            "{} reads {}, and the input '{role}' takes only {}",
            entry.name,
            entry.manifest.accepts.join(", "),
            spec.accept.join(", ")
        );
        problems.push(Problem::new(at, message));
    }
}

/// The configuration fits the plugin's schema as far as it is known before the run.
fn configuration(
    spec: &StepSpec,
    pinned: &PinnedStep,
    program: &Program,
    index: usize,
    problems: &mut Vec<Problem>,
) {
    let Some(step) = program.steps.get(index) else {
        return;
    };
    let whole = schema::overlay(&pinned.defaults, spec.with.clone());
    problems.extend(schema::static_problems(
        &pinned.config_schema,
        &whole,
        step.config.dynamic(),
        &format!("steps.{}.with", spec.id),
    ));
    let OnError::Fallback(fallback) = &spec.on_error else {
        return;
    };
    let (with, template, at): (&Json, _, _) = match fallback {
        Fallback::Plugin(_) => (
            &spec.with,
            &step.config,
            format!("steps.{}.on_error.fallback", spec.id),
        ),
        Fallback::Configured { with, .. } => (
            with,
            step.fallback_config.as_ref().unwrap_or(&step.config),
            format!("steps.{}.on_error.fallback.with", spec.id),
        ),
    };
    let whole = schema::overlay(&pinned.fallback_defaults, with.clone());
    problems.extend(schema::static_problems(
        &pinned.fallback_config_schema,
        &whole,
        template.dynamic(),
        &at,
    ));
}

/// An extractor has something to extract from.
fn readable(
    definition: &Definition,
    index: usize,
    pinned: &PinnedStep,
    steps: &[Option<PinnedStep>],
    program: &Program,
    problems: &mut Vec<Problem>,
) {
    if pinned.plugin.kind != Kind::Extractor
        || definition
            .inputs
            .values()
            .any(|i| matches!(i.kind, InputKind::Text | InputKind::Record))
    {
        return;
    }
    let ancestors = program
        .steps
        .get(index)
        .map(|s| s.ancestors.as_slice())
        .unwrap_or_default();
    let reads = |i: &usize| match steps.get(*i) {
        Some(Some(step)) => step.plugin.kind == Kind::Parser,
        // A step that could not be resolved is named already.
        _ => true,
    };
    if !ancestors.iter().any(reads) {
        let id = definition
            .steps
            .get(index)
            .map(|s| s.id.as_str())
            .unwrap_or_default();
        let message = format!(
            "{} extracts from a reading, and no parser runs before it; put a parser first or name it in `needs`",
            pinned.plugin.name
        );
        problems.push(Problem::new(format!("steps.{id}"), message));
    }
}
