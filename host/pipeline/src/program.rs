//! What a definition needs compiled; needs no plugins.

use std::collections::HashMap;

use docmill_model::definition::{Definition, Fallback, OnError, Problem};

use crate::expression::{Expression, Template, Variables, problem, strip};

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
            StepProgram {
                config: Template::compile(&step.with, allowed, &format!("{at}.with"), problems),
                fallback_config: fallback,
                when: single(step.when.as_deref(), &format!("{at}.when"), problems),
                for_each: single(step.for_each.as_deref(), &format!("{at}.for_each"), problems),
                needs: needs.get(number).cloned().unwrap_or_default(),
                ancestors: ancestors(number, &needs),
            }
        });
        let steps = steps.collect();
        let lookups = lookups(definition, problems);
        let output = definition
            .output
            .as_ref()
            .map(|output| Template::compile(output, Variables::STEP, "output", problems));
        Self {
            steps,
            lookups,
            output,
        }
    }
}

/// The templates of the look-ups, by name.
pub(crate) fn lookups(definition: &Definition, problems: &mut Vec<Problem>) -> Vec<(String, Template)> {
    definition
        .lookups
        .iter()
        .map(|spec| {
            let at = format!("lookups.{}", spec.name);
            let template = Template::compile(&spec.value.as_str().into(), Variables::INPUTS, &at, problems);
            (spec.name.clone(), template)
        })
        .collect()
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
