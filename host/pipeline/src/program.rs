//! A definition's expressions, compiled once and used by every run of the plan.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use docmill_model::definition::{Definition, Fallback, OnError, Problem};
use docmill_model::plan::Plan;

use crate::expression::{Expression, Mistake, Template, Variable, Variables, problem, strip};
use crate::suggest;

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
    pub(crate) output: Option<Template>,
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
        let steps = definition.steps.iter().enumerate().map(|(number, step)| {
            let at = format!("steps.{}", step.id);
            let allowed = if step.for_each.is_some() {
                Variables::ITEM
            } else {
                Variables::STEP
            };
            let fallback = match &step.on_error {
                OnError::Fallback(Fallback::Configured { with, .. }) => Some(Template::compile(
                    with,
                    allowed,
                    &format!("{at}.on_error.fallback.with"),
                    problems,
                )),
                _ => None,
            };
            let config = Template::compile(&step.with, allowed, &format!("{at}.with"), problems);
            let when = single(step.when.as_deref(), &format!("{at}.when"), problems);
            let for_each = single(step.for_each.as_deref(), &format!("{at}.for_each"), problems);
            let ancestors = ancestors(number, &needs);
            for expression in config.expressions().into_iter().chain(&when).chain(&for_each) {
                references(definition, expression, Some(&ancestors), &at, problems);
            }
            StepProgram {
                config,
                fallback_config: fallback,
                when,
                for_each,
                needs: needs.get(number).cloned().unwrap_or_default(),
                ancestors,
            }
        });
        let steps = steps.collect();
        let output = definition
            .output
            .as_ref()
            .map(|output| Template::compile(output, Variables::STEP, "output", problems));
        for expression in output.iter().flat_map(Template::expressions) {
            references(definition, expression, None, "output", problems);
        }
        for lookup in &definition.lookups {
            let at = format!("lookups.{}", lookup.name);
            let template = Template::compile(&lookup.value.as_str().into(), Variables::INPUTS, &at, problems);
            for expression in template.expressions() {
                references(definition, expression, None, &at, problems);
            }
        }
        Self { steps, output }
    }
}

fn single(source: Option<&str>, at: &str, problems: &mut Vec<Problem>) -> Option<Expression> {
    let compiled = strip(source?, Variables::STEP);
    compiled
        .map_err(|mistakes| problems.extend(mistakes.into_iter().map(|m| problem(at, m))))
        .ok()
}

/// Names behind `steps.` and `inputs.` must be those of the definition, and steps must be over by then.
fn references(
    definition: &Definition,
    expression: &Expression,
    over: Option<&[usize]>,
    at: &str,
    problems: &mut Vec<Problem>,
) {
    for mention in expression.mentions() {
        let Some(name) = mention.path.first() else {
            continue;
        };
        let message = match mention.variable {
            Variable::Steps => match definition.steps.iter().position(|s| s.id == *name) {
                None => Some(unknown(
                    "step",
                    name,
                    definition.steps.iter().map(|s| s.id.as_str()),
                )),
                Some(number) if over.is_some_and(|o| !o.contains(&number)) => Some(format!(
                    "step '{name}' is not over when this is evaluated; name it in `needs`"
                )),
                Some(_) => None,
            },
            Variable::Inputs if !definition.inputs.contains_key(name) => Some(unknown(
                "input",
                name,
                definition.inputs.keys().map(String::as_str),
            )),
            _ => None,
        };
        if let Some(message) = message {
            problems.push(problem(
                at,
                Mistake {
                    message,
                    line: mention.line,
                    column: mention.column,
                },
            ));
        }
    }
}

fn unknown<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.collect();
    match suggest::near(name, known.iter().copied()) {
        Some(near) => format!("there is no {what} '{name}'; did you mean '{near}'?"),
        None => format!("there is no {what} '{name}'; there are {}", known.join(", ")),
    }
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

/// Programs of the plans that are in use, by the plan's own address: a plan is shared by its runs.
#[derive(Default)]
pub(crate) struct Programs(Mutex<HashMap<usize, (Weak<Plan>, Arc<Program>)>>);

/// Plans that are kept before those that nobody holds any more are looked for.
const MANY: usize = 1_024;

impl Programs {
    /// The program of a plan, compiled at its first run. A plan was checked when it was made, so mistakes cannot come.
    pub(crate) fn of(&self, plan: &Arc<Plan>) -> Arc<Program> {
        let address = Arc::as_ptr(plan).addr();
        let mut programs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((weak, program)) = programs.get(&address)
            && weak.strong_count() > 0
            && std::ptr::eq(weak.as_ptr(), Arc::as_ptr(plan))
        {
            return program.clone();
        }
        if programs.len() >= MANY {
            programs.retain(|_, (weak, _)| weak.strong_count() > 0);
        }
        let mut problems = Vec::new();
        let program = Arc::new(Program::compile(&plan.definition, &mut problems));
        if let Some(first) = problems.first() {
            tracing::error!(pipeline = plan.definition.name, problem = %first, "a plan does not compile any more");
        }
        programs.insert(address, (Arc::downgrade(plan), program.clone()));
        program
    }
}
