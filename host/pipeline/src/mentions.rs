//! Names behind variables that are known before a run: steps, inputs, closed params, declared fields.

use docmill_model::definition::{Definition, Problem};
use docmill_model::plugin::Kind;
use docmill_store::plugin::CatalogEntry;
use serde_json::Value as Json;

use crate::expression::{Mention, Mistake, Template, Variable, problem};
use crate::program::Program;
use crate::suggest;

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
        uses,
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
    uses: &'a [Option<&'a CatalogEntry>],
    problems: &'a mut Vec<Problem>,
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
        let first = |path: &str| path.split(['.', '[']).next().unwrap_or_default().to_owned();
        let mut known = Vec::new();
        for used in over.iter().filter_map(|i| self.uses.get(*i)) {
            let used = (*used)?;
            if used.kind == Kind::Extractor {
                if used.manifest.fields.is_empty() {
                    return None;
                }
                known.extend(used.manifest.fields.iter().map(|f| first(&f.name)));
            }
        }
        let name = first(name);
        (!known.is_empty() && !known.contains(&name))
            .then(|| unknown("field", &name, known.iter().map(String::as_str)))
    }
}

fn unknown<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.collect();
    match suggest::near(name, known.iter().copied()) {
        Some(near) => format!("there is no {what} '{name}'; did you mean '{near}'?"),
        None if known.is_empty() => format!("there is no {what} '{name}'; the pipeline has none"),
        None => format!("there is no {what} '{name}'; there are {}", known.join(", ")),
    }
}
