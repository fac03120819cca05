//! One step: whether it runs, how often, and what becomes of its failure.

use std::pin::pin;
use std::sync::Arc;

use docmill_model::definition::OnError;
use docmill_model::failure::{Code, Failure};
use docmill_model::id::StepId;
use docmill_model::plugin::Kind;
use docmill_model::run::{StepRecord, StepStatus};
use futures_util::StreamExt as _;
use futures_util::future::OptionFuture;
use futures_util::stream;
use serde_json::Value as Json;

use super::item::{self, Item, ItemDone, RoleFile, Taken, View};
use super::state::{Done, Gathered, first_file};
use super::{Run, chunking, expression_failed};
use crate::INLINE_BYTES;
use crate::expression::{Expression, Scope, Stop, Trouble};
use crate::merge::join;
use crate::prepared::Prepared;

/// Items of one fan-out.
pub(crate) const MAX_ITEMS: usize = 1_000;
/// Items of one step that are worked on at once.
const ITEMS_AT_ONCE: usize = 8;

/// Runs a step to its end, however it ends.
pub(crate) async fn step(run: &Run, number: usize, before: Vec<Arc<Done>>) -> (usize, Done) {
    let started_us = run.at();
    let gathered = Gathered::over(run, &before);
    let view = View {
        run,
        number,
        before: &before,
        gathered: &gathered,
    };
    let done = match prepare(&view).await {
        Ok(Work::Nothing(status)) => {
            Done::empty(number, status, vec![record(run, number, status, started_us)])
        }
        Ok(Work::Items { items, several }) => work(&view, items, several).await,
        Err(failure) => {
            let mut done = Done::empty(
                number,
                StepStatus::Failed,
                vec![record(run, number, StepStatus::Failed, started_us)],
            );
            let failure = failure.in_step(run.step_id(number));
            done.ends_run = Some(failure.clone()).filter(|failure| ends_run(run, number, failure));
            done.error = Some(failure);
            done
        }
    };
    (number, done)
}

/// What a step has to do.
pub(crate) enum Work {
    /// `when` was false, or there is nothing to go over.
    Nothing(StepStatus),
    Items {
        items: Vec<Item>,
        several: bool,
    },
}

/// Decides whether the step runs, and over what.
async fn prepare(view: &View<'_>) -> Result<Work, Failure> {
    let (run, number) = (view.run, view.number);
    let kind = run.plan.steps.get(number).map(|s| s.plugin.kind);
    let files = match kind {
        Some(Kind::Parser) => files(run, number),
        _ => Vec::new(),
    };
    let input = files.first().map(|read| &read.file).or_else(|| first_file(run));
    let scope = view.gathered.scope(run, view.before, input);
    if !condition(run, number, &scope).await? {
        return Ok(Work::Nothing(StepStatus::Skipped));
    }
    match kind {
        Some(Kind::Parser) => return Ok(parses(run, files, &scope)),
        Some(Kind::Chunker) => return Ok(chunking::splits(view, &scope)),
        Some(Kind::Embedder) => return Ok(chunking::embeds(view, scope)),
        _ => {}
    }
    let Some(values) = fan_out(run, number, &scope).await? else {
        let item = Item {
            scope,
            value: None,
            index: None,
            taken: Taken::Nothing,
        };
        return Ok(Work::Items {
            items: vec![item],
            several: false,
        });
    };
    let items = values.into_iter().enumerate().map(|(index, value)| {
        let value = Arc::new(value);
        Item {
            scope: scope.for_item(value.clone(), index),
            value: Some(value),
            index: Some(index),
            taken: Taken::Nothing,
        }
    });
    Ok(Work::Items {
        items: items.collect(),
        several: true,
    })
}

/// A parser reads every file of its role, in order.
fn parses(run: &Run, files: Vec<RoleFile>, scope: &Scope) -> Work {
    let several = files.len() > 1;
    let items: Vec<Item> = files
        .into_iter()
        .map(|read| Item {
            scope: scope.for_input(run.prepared.describe(&read.file)),
            value: None,
            index: several.then_some(read.position),
            taken: Taken::File(read),
        })
        .collect();
    if items.is_empty() {
        Work::Nothing(StepStatus::Skipped)
    } else {
        Work::Items { items, several }
    }
}

fn files(run: &Run, number: usize) -> Vec<RoleFile> {
    let role = run.roles.get(number).cloned().flatten();
    let files = role.as_ref().and_then(|role| run.inputs.files.get(role));
    let read = |(position, file): (usize, &crate::inputs::FileInput)| RoleFile {
        role: role.clone().unwrap_or_default(),
        position,
        file: file.clone(),
    };
    files.into_iter().flatten().enumerate().map(read).collect()
}

async fn condition(run: &Run, number: usize, scope: &Scope) -> Result<bool, Failure> {
    if Part::When.of(&run.prepared, number).is_none() {
        return Ok(true);
    }
    match value(run, number, Part::When, scope).await? {
        (Json::Bool(value), _) => Ok(value),
        (_, source) => Err(expression_failed(
            "when",
            &source,
            &Trouble::Failed("it gives neither true nor false".to_owned()),
        )),
    }
}

/// The items of `for_each`; none: the step has no `for_each`.
async fn fan_out(run: &Run, number: usize, scope: &Scope) -> Result<Option<Vec<Json>>, Failure> {
    if Part::ForEach.of(&run.prepared, number).is_none() {
        return Ok(None);
    }
    let (list, source) = value(run, number, Part::ForEach, scope).await?;
    let failed = |why: String| expression_failed("for_each", &source, &Trouble::Failed(why));
    match list {
        Json::Array(values) if values.len() <= MAX_ITEMS => Ok(Some(values)),
        Json::Array(values) => Err(failed(format!(
            "it gives {} items, and at most {MAX_ITEMS} are allowed",
            values.len()
        ))),
        _ => Err(failed("it gives no list".to_owned())),
    }
}

#[derive(Clone, Copy)]
enum Part {
    When,
    ForEach,
}

impl Part {
    const fn name(self) -> &'static str {
        match self {
            Self::When => "when",
            Self::ForEach => "for_each",
        }
    }

    fn of(self, prepared: &Prepared, number: usize) -> Option<&Expression> {
        let step = prepared.program.steps.get(number)?;
        match self {
            Self::When => step.when.as_ref(),
            Self::ForEach => step.for_each.as_ref(),
        }
    }
}

/// The value of a step's expression, and the expression as written.
async fn value(run: &Run, number: usize, part: Part, scope: &Scope) -> Result<(Json, String), Failure> {
    let Some(expression) = part.of(&run.prepared, number) else {
        return Ok((Json::Null, String::new()));
    };
    let source = expression.source().to_owned();
    let heavy = expression.heavy() || scope.exceeds(expression.variables(), INLINE_BYTES);
    let (prepared, scope) = (run.prepared.clone(), scope.clone());
    let work = move |_: &Stop| part.of(&prepared, number).map(|e| e.evaluate(&scope));
    let evaluated = run.evaluate(heavy, work).await?;
    match evaluated.unwrap_or(Ok(Json::Null)) {
        Ok(value) => Ok((value, source)),
        Err(trouble) => Err(expression_failed(part.name(), &source, &trouble)),
    }
}

/// Works on all items, several at once, and joins what they gave in order.
async fn work(view: &View<'_>, items: Vec<Item>, several: bool) -> Done {
    let (run, number) = (view.run, view.number);
    let mut done = Done::empty(number, StepStatus::Succeeded, Vec::new());
    done.several = several;
    if items.is_empty() {
        done.records
            .push(record(run, number, StepStatus::Succeeded, run.at()));
        return done;
    }
    let mut ended: Vec<ItemDone> = Vec::with_capacity(items.len());
    let mut work = items.into_iter().map(|i| item::item(view, i));
    // One alone needs no list of those that run.
    let first = if work.len() == 1 { work.next() } else { None };
    let first = OptionFuture::from(first).await;
    let running = stream::iter(work).buffered(ITEMS_AT_ONCE);
    let mut running = pin!(stream::iter(first).chain(running));
    while let Some(item) = running.next().await {
        let failure = item.error.clone();
        ended.push(item);
        if let Some(failure) = failure {
            done.error.get_or_insert(failure.clone());
            // Nobody needs the rest; dropping it stops it.
            if ends_run(run, number, &failure) {
                done.ends_run = Some(failure);
                break;
            }
        }
    }
    let any = |status: StepStatus| ended.iter().any(|i| i.record.status == status);
    done.status = if done.ends_run.is_some() || ended.iter().all(|i| i.error.is_some()) {
        StepStatus::Failed
    } else if any(StepStatus::FellBack) {
        StepStatus::FellBack
    } else {
        StepStatus::Succeeded
    };
    let mut fields = Vec::new();
    let mut chunks = Vec::new();
    for item in ended {
        done.records.push(item.record);
        done.readings.extend(item.reading);
        fields.push(item.fields);
        done.checks.extend(item.checks);
        chunks.extend(item.chunks);
        done.embeddings = item.embeddings.map(Arc::new).or(done.embeddings);
        done.outputs.extend(item.output);
        done.artifacts.extend(item.artifact);
    }
    done.fields = if several {
        join(fields)
    } else {
        fields.into_iter().flatten().collect()
    };
    chunking::show(run, &mut done, chunks).await;
    done
}

/// Whether the run ends by this failure of the step.
pub(crate) fn ends_run(run: &Run, number: usize, failure: &Failure) -> bool {
    !matches!(on_error(run, number), OnError::Skip) || failure.code == Code::Interrupted || run.is_over_time()
}

pub(crate) fn on_error(run: &Run, number: usize) -> &OnError {
    run.plan
        .definition
        .steps
        .get(number)
        .map_or(&OnError::Fail, |s| &s.on_error)
}

/// A step in which no plugin was called.
pub(crate) fn record(run: &Run, number: usize, status: StepStatus, started_us: i64) -> StepRecord {
    StepRecord {
        id: StepId::new(),
        step: run.step_id(number).to_owned(),
        item: None,
        plugin: run.plugin(number),
        status,
        started_us,
        wall_us: run.at().saturating_sub(started_us),
        output: None,
        attempts: Vec::new(),
    }
}
