//! One step: whether it runs, how often, and what becomes of its failure.

use std::sync::Arc;

use docmill_model::definition::OnError;
use docmill_model::failure::{Code, Failure};
use docmill_model::id::StepId;
use docmill_model::plugin::Kind;
use docmill_model::run::{StepRecord, StepStatus};
use futures_util::StreamExt as _;
use futures_util::stream;
use serde_json::Value as Json;

use super::item::{self, Item, ItemDone};
use super::state::{Done, Gathered};
use super::{Run, expression_failed, micros};
use crate::INLINE_BYTES;
use crate::expression::{Expression, Scope, Trouble};
use crate::inputs::{FileInput, RunInputs};
use crate::merge::join;

/// Items of one fan-out.
const MAX_ITEMS: usize = 1_000;
/// Items of one step that are worked on at once; the engine decides how many really run.
const ITEMS_AT_ONCE: usize = 8;

/// Runs a step to its end, however it ends.
pub(crate) async fn step(run: &Run, number: usize, before: Vec<Arc<Done>>) -> (usize, Done) {
    let started = micros(run.begun.elapsed());
    let gathered = Gathered::over(run, &before);
    let done = match prepare(run, number, &before, &gathered).await {
        Ok(Work::Nothing) => Done::empty(
            number,
            StepStatus::Skipped,
            record(run, number, StepStatus::Skipped, started),
        ),
        Ok(Work::Items { items, several }) => work(run, number, &before, &gathered, items, several).await,
        Err(failure) => failed(run, number, started, failure),
    };
    (number, done)
}

/// What a step has to do.
enum Work {
    Nothing,
    Items { items: Vec<Item>, several: bool },
}

/// Decides whether the step runs, and over what.
async fn prepare(
    run: &Run,
    number: usize,
    before: &[Arc<Done>],
    gathered: &Gathered,
) -> Result<Work, Failure> {
    let (Some(spec), Some(program), Some(pinned)) = (
        run.plan.definition.steps.get(number),
        run.program.steps.get(number),
        run.plan.steps.get(number),
    ) else {
        return Ok(Work::Nothing);
    };
    let parser = pinned.plugin.kind == Kind::Parser;
    let files: Vec<(String, FileInput)> = if parser {
        files(run, spec.input.as_deref())
    } else {
        Vec::new()
    };
    let first = files.first().map(|(_, file)| file).or_else(|| run.inputs.first());
    let scope = gathered.scope(run, before, first);
    if program.when.is_some() && !condition(run, number, &scope).await? {
        return Ok(Work::Nothing);
    }
    if let Some(expression) = &program.for_each {
        let Json::Array(values) = evaluate(run, number, expression, &scope, Part::ForEach).await? else {
            let trouble = Trouble::Failed("it gives no list".to_owned());
            return Err(expression_failed("for_each", expression.source(), &trouble));
        };
        if values.len() > MAX_ITEMS {
            let trouble = Trouble::Failed(format!(
                "it gives {} items, at most {MAX_ITEMS} are allowed",
                values.len()
            ));
            return Err(expression_failed("for_each", expression.source(), &trouble));
        }
        let items = values.into_iter().enumerate().map(|(index, value)| {
            let file = parser
                .then(|| {
                    files
                        .iter()
                        .find(|(_, f)| RunInputs::describe(f) == value)
                        .or_else(|| files.first())
                        .cloned()
                })
                .flatten();
            let value = Arc::new(value);
            Item {
                scope: scope.for_item(value.clone(), index),
                value: Some(value),
                index: Some(index),
                file,
            }
        });
        return Ok(Work::Items {
            items: items.collect(),
            several: true,
        });
    }
    if !parser {
        return Ok(Work::Items {
            items: vec![Item {
                scope,
                value: None,
                index: None,
                file: None,
            }],
            several: false,
        });
    }
    // A parser reads every file of its role, in order.
    let several = files.len() > 1;
    let items: Vec<Item> = files
        .into_iter()
        .enumerate()
        .map(|(index, file)| Item {
            scope: scope.for_input(Some(Arc::new(RunInputs::describe(&file.1)))),
            value: None,
            index: several.then_some(index),
            file: Some(file),
        })
        .collect();
    Ok(if items.is_empty() {
        Work::Nothing
    } else {
        Work::Items { items, several }
    })
}

/// The files of a role; without one, of the first role that has any.
fn files(run: &Run, role: Option<&str>) -> Vec<(String, FileInput)> {
    let found = match role {
        Some(role) => run.inputs.files.get_key_value(role),
        None => run.inputs.files.iter().find(|(_, files)| !files.is_empty()),
    };
    found
        .map(|(role, files)| files.iter().map(|f| (role.clone(), f.clone())).collect())
        .unwrap_or_default()
}

#[derive(Clone, Copy)]
enum Part {
    When,
    ForEach,
}

async fn condition(run: &Run, number: usize, scope: &Scope) -> Result<bool, Failure> {
    let Some(expression) = run.program.steps.get(number).and_then(|p| p.when.as_ref()) else {
        return Ok(true);
    };
    match evaluate(run, number, expression, scope, Part::When).await? {
        Json::Bool(value) => Ok(value),
        _ => Err(expression_failed(
            "when",
            expression.source(),
            &Trouble::Failed("it gives neither true nor false".to_owned()),
        )),
    }
}

/// Evaluates here, or on a thread that may block if there is much to look at.
async fn evaluate(
    run: &Run,
    number: usize,
    expression: &Expression,
    scope: &Scope,
    part: Part,
) -> Result<Json, Failure> {
    let at = match part {
        Part::When => "when",
        Part::ForEach => "for_each",
    };
    let evaluated = if expression.heavy() || scope.bytes(expression.variables()) > INLINE_BYTES {
        let (program, scope) = (run.program.clone(), scope.clone());
        let work = move || {
            let step = program.steps.get(number)?;
            let expression = match part {
                Part::When => step.when.as_ref(),
                Part::ForEach => step.for_each.as_ref(),
            };
            expression.map(|e| e.evaluate(&scope))
        };
        let ended = tokio::task::spawn_blocking(work).await;
        ended
            .ok()
            .flatten()
            .unwrap_or_else(|| Err(Trouble::Failed("the evaluation broke off".to_owned())))
    } else {
        expression.evaluate(scope)
    };
    evaluated.map_err(|trouble| expression_failed(at, expression.source(), &trouble))
}

/// Works on all items, several at once, and joins what they gave in order.
async fn work(
    run: &Run,
    number: usize,
    before: &[Arc<Done>],
    gathered: &Gathered,
    items: Vec<Item>,
    several: bool,
) -> Done {
    // Whether this step's first reading is the main one must not depend on who is faster: it is, if every parser written
    // before it is over by now and gave none.
    let main = gathered.main.is_none() && earlier_parsers_are_over(run, number);
    let mut ended: Vec<ItemDone> = Vec::with_capacity(items.len());
    {
        let mut running = stream::iter(
            items
                .into_iter()
                .map(|i| item::item(run, number, before, gathered, i, main)),
        )
        .buffered(ITEMS_AT_ONCE);
        while let Some(item) = running.next().await {
            let over =
                item.error.is_some() && matches!(on_error(run, number), OnError::Fail | OnError::Fallback(_));
            ended.push(item);
            // Nobody needs the rest; dropping it stops it.
            if over {
                break;
            }
        }
    }
    let fatal = !matches!(on_error(run, number), OnError::Skip);
    let error = ended.iter().find_map(|i| i.error.clone());
    let status = match (
        &error,
        ended.iter().any(|i| i.record.status == StepStatus::FellBack),
    ) {
        (Some(_), _) if fatal || ended.iter().all(|i| i.error.is_some()) => StepStatus::Failed,
        (_, true) => StepStatus::FellBack,
        _ => StepStatus::Succeeded,
    };
    let mut done = Done {
        number,
        status,
        several,
        records: Vec::new(),
        readings: Vec::new(),
        fields: Vec::new(),
        checks: Vec::new(),
        outputs: Vec::new(),
        artifacts: Vec::new(),
        ends_run: error.clone().filter(|_| fatal),
        error,
    };
    let mut fields = Vec::new();
    for item in ended {
        done.records.push(item.record);
        done.readings.extend(item.reading);
        fields.push(item.fields);
        done.checks.extend(item.checks);
        done.outputs.extend(item.output.map(Arc::new));
        done.artifacts.extend(item.artifact);
    }
    done.fields = join(fields);
    done
}

fn earlier_parsers_are_over(run: &Run, number: usize) -> bool {
    let Some(program) = run.program.steps.get(number) else {
        return false;
    };
    let earlier = run
        .plan
        .steps
        .iter()
        .enumerate()
        .take(number)
        .filter(|(_, s)| s.plugin.kind == Kind::Parser);
    earlier.into_iter().all(|(n, _)| program.ancestors.contains(&n))
}

pub(crate) fn on_error(run: &Run, number: usize) -> &OnError {
    run.plan
        .definition
        .steps
        .get(number)
        .map_or(&OnError::Fail, |s| &s.on_error)
}

/// A step that failed before any plugin was called.
fn failed(run: &Run, number: usize, started: i64, failure: Failure) -> Done {
    let failure = failure.in_step(run.step_id(number));
    let skipped = matches!(on_error(run, number), OnError::Skip) && failure.code != Code::Timeout;
    let mut done = Done::empty(
        number,
        StepStatus::Failed,
        record(run, number, StepStatus::Failed, started),
    );
    done.error = Some(failure.clone());
    done.ends_run = (!skipped).then_some(failure);
    done
}

fn record(run: &Run, number: usize, status: StepStatus, started_us: i64) -> StepRecord {
    StepRecord {
        id: StepId::new(),
        step: run.step_id(number).to_owned(),
        item: None,
        plugin: run
            .plan
            .steps
            .get(number)
            .map(|s| s.plugin.to_string())
            .unwrap_or_default(),
        status,
        started_us,
        wall_us: micros(run.begun.elapsed()).saturating_sub(started_us),
        attempts: Vec::new(),
    }
}
