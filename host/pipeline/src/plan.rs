//! Definition → plan: every plugin pinned, everything that can be wrong before a document comes found and named.

use std::collections::HashMap;
use std::sync::Arc;

use docmill_model::definition::{Definition, InputKind, OnError, Problem, StepSpec};
use docmill_model::grant::Grants;
use docmill_model::plan::{PinnedStep, Plan};
use docmill_model::plugin::{Kind, PinnedPlugin, PluginRef, is_media_pattern, media_type_fits};
use docmill_store::plugin::CatalogEntry;
use serde_json::Value as Json;

use crate::MAX_PROBLEMS;
use crate::catalog::Catalog;
use crate::expression::{Template, Variables};
use crate::mentions;
use crate::program::{Program, StepProgram};
use crate::schema::{Effort, Misfit, Schema};

/// Keywords whose outcome can hang on a value that is not known before the run.
const OPEN: [&str; 9] = [
    "anyOf",
    "oneOf",
    "not",
    "if",
    "const",
    "enum",
    "contains",
    "uniqueItems",
    "unevaluatedProperties",
];

/// Pins every plugin to the newest version that fits, and judges the definition with what the plugins say of themselves.
/// Compiles schemas and expressions: about a millisecond.
///
/// # Errors
/// Every problem, each naming its place and what to write instead.
pub fn plan(definition: &Definition, catalog: &Catalog) -> Result<Plan, Vec<Problem>> {
    let mut problems = Vec::new();
    judge_inputs(definition, &mut problems);
    let program = Program::compile(definition, &mut problems);
    let uses: Vec<Option<&CatalogEntry>> = definition
        .steps
        .iter()
        .map(|step| {
            resolve(
                catalog,
                &step.plugin,
                &format!("steps.{}.use", step.id),
                &mut problems,
            )
        })
        .collect();
    let mut schemas = HashMap::new();
    let mut steps = Vec::with_capacity(uses.len());
    for ((spec, used), program) in definition.steps.iter().zip(&uses).zip(&program.steps) {
        let at = format!("steps.{}", spec.id);
        let fallback = match &spec.on_error {
            OnError::Fallback(fallback) => resolve(
                catalog,
                fallback.plugin(),
                &format!("{at}.on_error.fallback"),
                &mut problems,
            ),
            _ => None,
        };
        let Some(used) = used else { continue };
        let step = Step {
            definition,
            spec,
            used,
            program,
            at,
        };
        step.judge_fallback(fallback, &mut problems);
        step.judge_kind(&uses, &mut problems);
        let mut schema = |entry: &CatalogEntry| {
            let known = schemas
                .entry(entry.digest)
                .or_insert_with(|| Known::new(&entry.manifest.config_schema));
            known.clone()
        };
        let config = schema(used);
        step.judge_config(used, &config, &program.config, "with", &mut problems);
        let fallback_config = fallback.map(&mut schema);
        if let (Some(fallback), Some(config)) = (fallback, &fallback_config) {
            let (template, part) = match &program.fallback_config {
                Some(template) => (template, "on_error.fallback.with"),
                None => (&program.config, "with"),
            };
            step.judge_config(fallback, config, template, part, &mut problems);
        }
        let grants = granted(catalog, used, &format!("{}.use", step.at), &mut problems);
        let fallback_grants = fallback.map(|fallback| {
            let at = format!("{}.on_error.fallback", step.at);
            granted(catalog, fallback, &at, &mut problems)
        });
        steps.push(PinnedStep {
            grants,
            fallback_grants: fallback_grants.unwrap_or_default(),
            plugin: pinned(used),
            fallback: fallback.map(pinned),
            config_schema: config.json,
            fallback_config_schema: fallback_config.map(|known| known.json).unwrap_or_default(),
        });
    }
    mentions::judge(definition, &program, &uses, &mut problems);
    if problems.is_empty() {
        return Ok(Plan {
            definition: definition.clone(),
            steps,
            models: catalog.models().clone(),
        });
    }
    Err(limited(problems))
}

fn resolve<'a>(
    catalog: &'a Catalog,
    reference: &PluginRef,
    at: &str,
    problems: &mut Vec<Problem>,
) -> Option<&'a CatalogEntry> {
    catalog
        .resolve(reference)
        .map_err(|unresolved| problems.push(unresolved.at(at)))
        .ok()
}

/// What a plugin may do beyond its inputs; what it asks for and was not granted is a problem.
fn granted(catalog: &Catalog, entry: &CatalogEntry, at: &str, problems: &mut Vec<Problem>) -> Grants {
    catalog.grants(entry).unwrap_or_else(|message| {
        problems.push(Problem::new(at, message));
        Grants::default()
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

fn judge_inputs(definition: &Definition, problems: &mut Vec<Problem>) {
    for (role, spec) in &definition.inputs {
        let mut say = |part: &str, message: String| {
            problems.push(Problem::new(format!("inputs.{role}.{part}"), message));
        };
        if spec.accept.is_empty() {
            say(
                "accept",
                "takes nothing; leave it out to take everything".to_owned(),
            );
        }
        for pattern in spec.accept.iter().filter(|pattern| !is_media_pattern(pattern)) {
            say(
                "accept",
                format!("'{pattern}' is not a media type; write application/pdf, image/* or */*"),
            );
        }
    }
    let Some(schema) = &definition.params else { return };
    if let Err(message) = Schema::compile(schema) {
        problems.push(Problem::new("params", message));
    } else if schema
        .get("type")
        .and_then(Json::as_str)
        .is_some_and(|kind| kind != "object")
    {
        problems.push(Problem::new(
            "params.type",
            "params are an object: write type: object",
        ));
    }
}

/// A step with the plugin that it names.
struct Step<'a> {
    definition: &'a Definition,
    spec: &'a StepSpec,
    used: &'a CatalogEntry,
    program: &'a StepProgram,
    at: String,
}

impl Step<'_> {
    fn say(&self, part: &str, message: String, problems: &mut Vec<Problem>) {
        problems.push(Problem::new(format!("{}.{part}", self.at), message));
    }

    fn judge_fallback(&self, fallback: Option<&CatalogEntry>, problems: &mut Vec<Problem>) {
        if let Some(fallback) = fallback.filter(|f| f.kind != self.used.kind) {
            let message = format!(
                "{} is {}, and the step's plugin is {}; a fallback does the same",
                fallback.name,
                one(fallback.kind),
                one(self.used.kind)
            );
            self.say("on_error.fallback", message, problems);
        }
    }

    /// Whether what the plugin needs is there: a parser has files, an extractor has something to read.
    fn judge_kind(&self, uses: &[Option<&CatalogEntry>], problems: &mut Vec<Problem>) {
        let kind = self.used.kind;
        if self.spec.purpose.is_some() && kind != Kind::Embedder {
            let message = format!(
                "{} is {}; only embedders have a purpose",
                self.used.name,
                one(kind)
            );
            self.say("purpose", message, problems);
        }
        // A step whose plugin could not be found is named already, and may be anything.
        let before = |wanted: Kind| {
            let mut found = self.program.ancestors.iter().filter_map(|i| uses.get(*i));
            found.any(|used| used.is_none_or(|used| used.kind == wanted))
        };
        match kind {
            Kind::Parser => return self.judge_parser(problems),
            Kind::Chunker => return self.judge_chunker(before(Kind::Parser), problems),
            Kind::Embedder => return self.judge_embedder(before(Kind::Chunker), problems),
            Kind::LlmAdapter => return self.refuse_adapter(problems),
            Kind::Extractor | Kind::Validator | Kind::Transformer => {}
        }
        if self.spec.input.is_some() {
            let message = format!(
                "{} is {}; only parsers, chunkers and embedders take one input",
                self.used.name,
                one(kind)
            );
            self.say("input", message, problems);
        }
        let mut inputs = self.definition.inputs.values();
        let fed =
            before(Kind::Parser) || inputs.any(|i| matches!(i.kind, InputKind::Text | InputKind::Record));
        let lost = match kind {
            Kind::Extractor => !fed,
            Kind::Validator => !fed && !before(Kind::Extractor) && !self.definition.inputs.is_empty(),
            _ => false,
        };
        if lost {
            let message = format!(
                "{} is {} and has nothing to read: no parser runs before it; put a parser first or name it in `needs`",
                self.used.name,
                one(kind)
            );
            self.say("use", message, problems);
        }
    }

    /// Adapters answer for models, and plugins ask those.
    fn refuse_adapter(&self, problems: &mut Vec<Problem>) {
        let message = format!(
            "{} is an llm-adapter, which no step calls by itself: set a model up with it (`docmill model set`), and use a plugin \
             that asks it (one that imports docmill:plugin/llm)",
            self.used.name
        );
        self.say("use", message, problems);
    }

    /// A chunker splits readings, each by itself.
    fn judge_chunker(&self, parsed: bool, problems: &mut Vec<Problem>) {
        if self.spec.for_each.is_some() {
            let message = "a chunker splits every reading by itself; for_each is for the other kinds";
            self.say("for_each", message.to_owned(), problems);
        }
        let role = self.spec.input.as_ref();
        let role = role.and_then(|role| Some((role, self.definition.inputs.get(role)?)));
        if let Some((role, _)) = role.filter(|(_, spec)| !is_read(spec.kind)) {
            let message = format!("the input '{role}' is no file or document, so there is no reading of it");
            self.say("input", message, problems);
        }
        if !parsed {
            let message = format!(
                "{} is a chunker and has nothing to split: no parser runs before it; put a parser first or name it in \
                 `needs`",
                self.used.name
            );
            self.say("use", message, problems);
        }
    }

    /// An embedder takes chunks, or texts.
    fn judge_embedder(&self, chunked: bool, problems: &mut Vec<Problem>) {
        if self.spec.for_each.is_some() {
            let message = "an embedder takes all chunks or texts at once; for_each is for the other kinds";
            self.say("for_each", message.to_owned(), problems);
        }
        if let Some(role) = &self.spec.input {
            let spec = self.definition.inputs.get(role);
            if spec.is_some_and(|spec| spec.kind != InputKind::Text) {
                let message = format!(
                    "the input '{role}' is no text; leave `input` out for the chunks of a step before"
                );
                self.say("input", message, problems);
            }
            return;
        }
        let mut inputs = self.definition.inputs.values();
        if !chunked && !inputs.any(|spec| spec.kind == InputKind::Text) {
            let message = format!(
                "{} is an embedder and has nothing to take: no chunker runs before it, and the pipeline has no input of \
                 kind `text`; put a chunker first or name it in `needs`",
                self.used.name
            );
            self.say("use", message, problems);
        }
    }

    fn judge_parser(&self, problems: &mut Vec<Problem>) {
        if self.spec.for_each.is_some() {
            let message = "a parser reads every file of its input by itself; for_each is for the other kinds";
            self.say("for_each", message.to_owned(), problems);
        }
        let mut roles = self.definition.inputs.iter().filter(|(role, spec)| {
            is_read(spec.kind) && self.spec.input.as_ref().is_none_or(|wanted| wanted == *role)
        });
        let Some((role, spec)) = roles.next() else {
            let message = format!(
                "{} is a parser, and the pipeline has no input of kind `file` or `document` for it",
                self.used.name
            );
            return self.say("use", message, problems);
        };
        let accepts = &self.used.manifest.accepts;
        let meet = |ours: &str, theirs: &str| media_type_fits(ours, theirs) || media_type_fits(theirs, ours);
        let possible = accepts.is_empty()
            || spec.kind == InputKind::Document
            || spec
                .accept
                .iter()
                .any(|ours| accepts.iter().any(|theirs| meet(ours, theirs)));
        if !possible {
            let message = format!(
                "{} reads {}, and the input '{role}' takes only {}",
                self.used.name,
                accepts.join(", "),
                spec.accept.join(", ")
            );
            self.say("use", message, problems);
        }
    }

    /// The configuration as far as it is known before the run.
    fn judge_config(
        &self,
        used: &CatalogEntry,
        known: &Known,
        template: &Template,
        part: &str,
        problems: &mut Vec<Problem>,
    ) {
        judge_config(used, known, template, &format!("{}.{part}", self.at), problems);
    }
}

/// A plugin and a configuration for it outside any pipeline, as far as it is known before a run.
///
/// # Errors
/// Every problem, its place beginning with `use` or `with`.
pub(crate) fn judge_use(
    catalog: &Catalog,
    reference: &PluginRef,
    with: &Json,
) -> Result<PinnedPlugin, Vec<Problem>> {
    let mut problems = Vec::new();
    let template = Template::compile(with, Variables::ITEM, "with", &mut problems);
    let used = resolve(catalog, reference, "use", &mut problems);
    if let Some(used) = used {
        let known = Known::new(&used.manifest.config_schema);
        judge_config(used, &known, &template, "with", &mut problems);
    }
    match used {
        Some(used) if problems.is_empty() => Ok(pinned(used)),
        _ => Err(limited(problems)),
    }
}

fn judge_config(
    used: &CatalogEntry,
    known: &Known,
    template: &Template,
    at: &str,
    problems: &mut Vec<Problem>,
) {
    let schema = match &known.schema {
        Ok(schema) => schema,
        Err(why) => {
            let message = format!("the configuration schema of {} cannot be used: {why}", used.name);
            problems.push(Problem::new(at, message));
            return;
        }
    };
    let mut config = template.draft();
    let misfits = schema
        .fill(&mut config, Effort::WHOLE)
        .and_then(|()| schema.misfits(&config, Effort::WHOLE));
    let misfits = match misfits {
        Ok(misfits) => misfits,
        Err(why) => {
            problems.push(Problem::new(at, why.to_string()));
            return;
        }
    };
    for misfit in misfits {
        if !is_open(&misfit, template.dynamic()) {
            let place = format!("{at}{}", misfit.pointer.replace('/', "."));
            let message = format!("{} (as {} wants it)", misfit.message, used.name);
            problems.push(Problem::new(place, message));
        }
    }
}

fn limited(mut problems: Vec<Problem>) -> Vec<Problem> {
    if problems.len() > MAX_PROBLEMS {
        problems.truncate(MAX_PROBLEMS);
        let message = "there are more problems; correct these first";
        problems.push(Problem::new("definition", message));
    }
    problems
}

/// A plugin's configuration schema, once for all steps that use the plugin.
#[derive(Clone)]
struct Known {
    json: Arc<Json>,
    schema: Result<Schema, String>,
}

impl Known {
    fn new(json: &Json) -> Self {
        Self {
            json: Arc::new(json.clone()),
            schema: Schema::compile(json),
        }
    }
}

/// Whether parsers read it.
const fn is_read(kind: InputKind) -> bool {
    matches!(kind, InputKind::File | InputKind::Document)
}

const fn one(kind: Kind) -> &'static str {
    match kind {
        Kind::Parser => "a parser",
        Kind::Extractor => "an extractor",
        Kind::Validator => "a validator",
        Kind::Transformer => "a transformer",
        Kind::Chunker => "a chunker",
        Kind::Embedder => "an embedder",
        Kind::LlmAdapter => "an llm-adapter",
    }
}

/// Whether the misfit may come of a string that is filled in later.
fn is_open(misfit: &Misfit, dynamic: &[String]) -> bool {
    dynamic.iter().any(|place| {
        let inside = misfit.pointer.strip_prefix(place.as_str());
        let around = place.strip_prefix(misfit.pointer.as_str());
        inside.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            || (around.is_some_and(|rest| rest.starts_with('/')) && OPEN.contains(&misfit.keyword.as_str()))
    })
}

#[cfg(test)]
mod tests;
