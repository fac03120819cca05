//! What a definition needs compiled; needs no plugins.

use std::collections::HashMap;

use docmill_model::definition::{Definition, Fallback, LookupSpec, OnError, Problem};
use serde_json::{Map, Value as Json};

use crate::expression::{Expression, Template, Variables, problem, strip};

/// Most expressions of one definition: each takes about a tenth of a millisecond to compile.
const MAX_EXPRESSIONS: usize = 2_000;
/// Most expressions of one look-up: look-ups are evaluated before a run has its turn.
const MAX_LOOKUP_EXPRESSIONS: usize = 8;

/// What a step needs compiled.
#[derive(Debug)]
pub(crate) struct StepProgram {
    pub(crate) config: Template,
    pub(crate) fallback_config: Option<Template>,
    pub(crate) when: Option<Expression>,
    pub(crate) for_each: Option<Expression>,
    /// Steps that must be over first, as numbers in the definition.
    pub(crate) needs: Vec<usize>,
    /// All steps that are over when this one begins, in the definition's order.
    pub(crate) ancestors: Vec<usize>,
}

/// What a definition needs compiled.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) steps: Vec<StepProgram>,
    /// By name.
    pub(crate) lookups: Vec<(String, Template)>,
    pub(crate) output: Option<Template>,
    /// The variables of all expressions together: no other needs a value.
    pub(crate) variables: Variables,
}

impl Program {
    /// Compiles everything; mistakes are added to `problems`.
    pub(crate) fn compile(definition: &Definition, problems: &mut Vec<Problem>) -> Self {
        let numbers: HashMap<&str, usize> = definition
            .steps
            .iter()
            .enumerate()
            .map(|(n, s)| (s.id.as_str(), n))
            .collect();
        let needs: Vec<Vec<usize>> = (0..definition.steps.len())
            .map(|n| {
                definition
                    .needs(n)
                    .into_iter()
                    .filter_map(|id| numbers.get(id).copied())
                    .collect()
            })
            .collect();
        let mut compiler = Compiler {
            problems,
            expressions: 0,
        };
        let lookups = compiler.lookups(definition);
        let steps = definition.steps.iter().enumerate().map(|(number, step)| {
            let at = format!("steps.{}", step.id);
            let allowed = if step.for_each.is_some() {
                Variables::ITEM
            } else {
                Variables::STEP
            };
            let fallback = match &step.on_error {
                OnError::Fallback(Fallback::Configured { with, .. }) => {
                    Some(compiler.template(with, allowed, &format!("{at}.on_error.fallback.with")))
                }
                _ => None,
            };
            StepProgram {
                config: compiler.template(&step.with, allowed, &format!("{at}.with")),
                fallback_config: fallback,
                when: single(step.when.as_deref(), &format!("{at}.when"), compiler.problems),
                for_each: single(
                    step.for_each.as_deref(),
                    &format!("{at}.for_each"),
                    compiler.problems,
                ),
                needs: needs.get(number).cloned().unwrap_or_default(),
                ancestors: ancestors(number, &needs),
            }
        });
        let steps: Vec<StepProgram> = steps.collect();
        let output = definition
            .output
            .as_ref()
            .map(|output| compiler.template(output, Variables::STEP, "output"));
        Self {
            variables: variables(&steps, &lookups, output.as_ref()),
            steps,
            lookups,
            output,
        }
    }
}

/// The variables of all expressions together.
fn variables(steps: &[StepProgram], lookups: &[(String, Template)], output: Option<&Template>) -> Variables {
    let configured = steps
        .iter()
        .flat_map(|step| std::iter::once(&step.config).chain(&step.fallback_config));
    let templates = configured
        .chain(lookups.iter().map(|(_, template)| template))
        .chain(output);
    let single = steps
        .iter()
        .flat_map(|step| step.when.iter().chain(&step.for_each));
    templates
        .map(Template::variables)
        .chain(single.map(Expression::variables))
        .fold(Variables::NONE, Variables::and)
}

struct Compiler<'a> {
    problems: &'a mut Vec<Problem>,
    /// Of all templates so far.
    expressions: usize,
}

impl Compiler<'_> {
    fn template(&mut self, json: &Json, allowed: Variables, at: &str) -> Template {
        if self.expressions > MAX_EXPRESSIONS {
            // It was said.
            return Template::compile(&Json::Object(Map::new()), allowed, at, self.problems);
        }
        let template = Template::compile(json, allowed, at, self.problems);
        self.expressions = self.expressions.saturating_add(template.expressions().len());
        if self.expressions > MAX_EXPRESSIONS {
            let message = format!(
                "the definition has more than {MAX_EXPRESSIONS} expressions; split it over several pipelines"
            );
            self.problems.push(Problem::new(at, message));
        }
        template
    }

    /// By name.
    fn lookups(&mut self, definition: &Definition) -> Vec<(String, Template)> {
        let lookup = |spec: &LookupSpec| {
            let at = format!("lookups.{}", spec.name);
            let template = self.template(&spec.value.as_str().into(), Variables::INPUTS, &at);
            if template.expressions().len() > MAX_LOOKUP_EXPRESSIONS {
                let message = format!("a look-up has at most {MAX_LOOKUP_EXPRESSIONS} expressions");
                self.problems.push(Problem::new(at, message));
            }
            (spec.name.clone(), template)
        };
        definition.lookups.iter().map(lookup).collect()
    }
}

fn single(source: Option<&str>, at: &str, problems: &mut Vec<Problem>) -> Option<Expression> {
    let compiled = strip(source?, Variables::STEP);
    compiled
        .map_err(|mistakes| problems.extend(mistakes.into_iter().map(|m| problem(at, m))))
        .ok()
}

fn ancestors(number: usize, needs: &[Vec<usize>]) -> Vec<usize> {
    let mut seen = vec![false; needs.len()];
    let mut open: Vec<usize> = needs.get(number).cloned().unwrap_or_default();
    while let Some(next) = open.pop() {
        if let Some(mark) = seen.get_mut(next).filter(|mark| !**mark) {
            *mark = true;
            open.extend(needs.get(next).into_iter().flatten());
        }
    }
    seen.iter()
        .enumerate()
        .filter(|(_, s)| **s)
        .map(|(n, _)| n)
        .collect()
}
