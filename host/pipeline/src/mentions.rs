//! Names behind variables that are known before a run: steps, inputs, closed params, declared fields.

use std::collections::HashSet;

use docmill_model::definition::{Definition, Problem};
use docmill_model::plugin::Kind;
use docmill_store::plugin::CatalogEntry;
use serde_json::Value as Json;

use crate::expression::{Mention, Mistake, Template, Variable, problem};
use crate::program::Program;
use crate::{MAX_PROBLEMS, suggest};

/// Known names that a message lists.
const LISTED: usize = 10;
/// How much of a name a message quotes.
const SHOWN_CHARS: usize = 60;

/// Judges every mention in every expression.
pub(crate) fn judge(
    definition: &Definition,
    program: &Program,
    uses: &[Option<&CatalogEntry>],
    problems: &mut Vec<Problem>,
) {
    let all: Vec<usize> = (0..definition.steps.len()).collect();
    let mut judge = Judge {
        definition,
        fields: uses.iter().map(|used| Fields::of(*used)).collect(),
        problems,
    };
    for (name, template) in &program.lookups {
        judge.template(template, &format!("lookups.{name}"), &[]);
    }
    for (spec, step) in definition.steps.iter().zip(&program.steps) {
        let at = |part: &str| format!("steps.{}.{part}", spec.id);
        for (expression, part) in [(&step.when, "when"), (&step.for_each, "for_each")] {
            for mention in expression.iter().flat_map(|e| e.mentions()) {
                judge.mention(mention, &at(part), &step.ancestors);
            }
        }
        judge.template(&step.config, &at("with"), &step.ancestors);
        if let Some(template) = &step.fallback_config {
            judge.template(template, &at("on_error.fallback.with"), &step.ancestors);
        }
    }
    if let Some(output) = &program.output {
        judge.template(output, "output", &all);
    }
}

struct Judge<'a> {
    definition: &'a Definition,
    /// For each step.
    fields: Vec<Fields<'a>>,
    problems: &'a mut Vec<Problem>,
}

/// The fields that a step can find.
enum Fields<'a> {
    /// It finds none.
    None,
    /// Nobody knows.
    Any,
    /// The first names of their paths.
    Named(HashSet<&'a str>),
}

impl<'a> Fields<'a> {
    fn of(used: Option<&'a CatalogEntry>) -> Self {
        match used {
            None => Self::Any,
            Some(used) if used.kind != Kind::Extractor => Self::None,
            Some(used) if used.manifest.fields.is_empty() => Self::Any,
            Some(used) => Self::Named(used.manifest.fields.iter().map(|f| first(&f.name)).collect()),
        }
    }
}

fn first(path: &str) -> &str {
    path.split(['.', '[']).next().unwrap_or_default()
}

impl Judge<'_> {
    fn template(&mut self, template: &Template, at: &str, over: &[usize]) {
        for mention in template.mentions() {
            self.mention(mention, at, over);
        }
    }

    /// `over` are the steps that are over when the expression is evaluated.
    fn mention(&mut self, mention: &Mention, at: &str, over: &[usize]) {
        let Some(name) = mention.path.first() else { return };
        if self.problems.len() > MAX_PROBLEMS {
            return;
        }
        let message = match mention.variable {
            Variable::Steps => self.step(name, over),
            Variable::Inputs => self.input(name),
            Variable::Params => self.param(name),
            Variable::Fields => self.field(name, over),
            _ => None,
        };
        if let Some(message) = message {
            let mistake = Mistake {
                message,
                line: mention.line,
                column: mention.column,
            };
            self.problems.push(problem(at, mistake));
        }
    }

    fn step(&self, name: &str, over: &[usize]) -> Option<String> {
        let steps = &self.definition.steps;
        match steps.iter().position(|s| s.id == name) {
            None => Some(unknown("step", name, steps.iter().map(|s| s.id.as_str()))),
            Some(number) if !over.contains(&number) => Some(format!(
                "step '{name}' is not over when this is evaluated; name it in `needs`"
            )),
            Some(_) => None,
        }
    }

    fn input(&self, name: &str) -> Option<String> {
        let roles = &self.definition.inputs;
        (!roles.contains_key(name)).then(|| unknown("input", name, roles.keys().map(String::as_str)))
    }

    /// Only where the schema says that there are no others.
    fn param(&self, name: &str) -> Option<String> {
        let schema = self.definition.params.as_ref()?;
        let known = schema.get("properties")?.as_object()?;
        let closed = schema.get("additionalProperties") == Some(&Json::Bool(false));
        (closed && !known.contains_key(name))
            .then(|| unknown("parameter", name, known.keys().map(String::as_str)))
    }

    /// Only where every extractor before says which fields it can find.
    fn field(&self, name: &str, over: &[usize]) -> Option<String> {
        let name = first(name);
        let mut known = Vec::new();
        for fields in over.iter().filter_map(|i| self.fields.get(*i)) {
            match fields {
                Fields::Any => return None,
                Fields::Named(names) if names.contains(name) => return None,
                Fields::Named(names) => known.push(names),
                Fields::None => {}
            }
        }
        if known.is_empty() {
            return None;
        }
        let mut known: Vec<&str> = known.into_iter().flatten().copied().collect();
        known.sort_unstable();
        known.dedup();
        Some(unknown("field", name, known.into_iter()))
    }
}

fn unknown<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let shown = |name: &str| name.chars().take(SHOWN_CHARS).collect::<String>();
    let (known, name): (Vec<&str>, String) = (known.collect(), shown(name));
    match suggest::near(&name, known.iter().copied()) {
        Some(near) => format!("there is no {what} '{name}'; did you mean '{}'?", shown(near)),
        None if known.is_empty() => format!("there is no {what} '{name}'; the pipeline has none"),
        None => {
            let listed: Vec<String> = known.iter().take(LISTED).map(|name| shown(name)).collect();
            let more = if known.len() > LISTED { ", …" } else { "" };
            format!(
                "there is no {what} '{name}'; there are {}{more}",
                listed.join(", ")
            )
        }
    }
}
