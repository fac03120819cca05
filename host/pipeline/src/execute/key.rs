//! The names of readings within a run. They follow from the definition and the inputs, never from who was faster.
//!
//! The main reading is that of the first document: of the first file of the first parser, in the definition's order, that
//! has a file. A parser's reading of it is called `main`; readings of other files are called `role[n]`. A later parser of
//! the same role gets these names too if all earlier ones are over and gave nothing (they were skipped by `when`, or
//! failed); otherwise `/step` is added. A step whose needs include no `main` sees the first reading there is as its main
//! one; its citations then name that reading.

use docmill_model::plan::Plan;
use docmill_model::plugin::Kind;

use super::Run;
use super::state::Done;
use crate::inputs::RunInputs;

/// The key of the main reading.
pub(crate) const MAIN: &str = "main";

/// For every parser the role that it reads: as written, or the first one with files.
pub(crate) fn roles(plan: &Plan, inputs: &RunInputs) -> Vec<Option<String>> {
    let first = inputs
        .files
        .iter()
        .find(|(_, files)| !files.is_empty())
        .map(|(role, _)| role);
    plan.definition
        .steps
        .iter()
        .zip(&plan.steps)
        .map(|(spec, pinned)| match pinned.plugin.kind {
            Kind::Parser => spec.input.as_ref().or(first).cloned(),
            _ => None,
        })
        .collect()
}

/// The role of the run's first document.
pub(crate) fn main_role(run: &Run) -> Option<&str> {
    let has_files = |role: &&String| run.inputs.files.get(*role).is_some_and(|files| !files.is_empty());
    run.roles.iter().flatten().find(has_files).map(String::as_str)
}

/// The name of a parser's reading of the file at `position` of `role`.
pub(crate) fn of(
    run: &Run,
    number: usize,
    before: &[std::sync::Arc<Done>],
    role: &str,
    position: usize,
) -> String {
    let plain = if position == 0 && main_role(run) == Some(role) {
        MAIN.to_owned()
    } else {
        format!("{role}[{position}]")
    };
    let earlier = run
        .roles
        .iter()
        .take(number)
        .enumerate()
        .filter(|(_, other)| other.as_deref() == Some(role));
    let is_free = |step: usize| {
        before
            .iter()
            .find(|done| done.number == step)
            .is_some_and(|done| !done.readings.iter().any(|made| made.position == position))
    };
    if earlier.map(|(step, _)| step).all(is_free) {
        plain
    } else {
        format!("{role}[{position}]/{}", run.step_id(number))
    }
}
