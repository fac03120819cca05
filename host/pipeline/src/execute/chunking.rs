//! What chunkers and embedders take, and what later steps see of chunks.

use std::sync::Arc;

use docmill_model::chunk::{Chunk, Purpose};
use docmill_model::plugin::Kind;
use docmill_model::run::StepStatus;
use serde_json::{Value as Json, json};

use super::Run;
use super::item::{Item, Taken, Texts, View};
use super::state::Done;
use super::step::{Work, ends_run};
use crate::INLINE_BYTES;
use crate::expression::{Scope, Stop};

/// A chunker splits every reading that the steps before it made, in order; with `input` those of that role alone.
pub(crate) fn splits(view: &View<'_>, scope: &Scope) -> Work {
    let role = input(view);
    let made = view.gathered.readings.iter();
    let readings: Vec<_> = made
        .filter(|made| role.is_none_or(|role| role == made.role))
        .collect();
    let several = readings.len() > 1;
    let items: Vec<Item> = readings
        .into_iter()
        .enumerate()
        .map(|(index, made)| Item {
            scope: scope.clone(),
            value: None,
            index: several.then_some(index),
            taken: Taken::Reading(made.record.reading.clone()),
        })
        .collect();
    if items.is_empty() {
        Work::Nothing(StepStatus::Skipped)
    } else {
        Work::Items { items, several }
    }
}

/// An embedder takes all chunks of the steps before it at once. With `input`, or if there is no chunker among them, it takes
/// texts that came with the run.
pub(crate) fn embeds(view: &View<'_>, scope: Scope) -> Work {
    let texts = texts(view);
    if texts.names.is_empty() {
        return Work::Nothing(StepStatus::Skipped);
    }
    let item = Item {
        scope,
        value: None,
        index: None,
        taken: Taken::Texts(texts),
    };
    Work::Items {
        items: vec![item],
        several: false,
    }
}

fn input<'a>(view: &View<'a>) -> Option<&'a str> {
    let step = view.run.plan.definition.steps.get(view.number)?;
    step.input.as_deref()
}

fn texts(view: &View<'_>) -> Texts {
    let (run, role) = (view.run, input(view));
    let wanted = run
        .plan
        .definition
        .steps
        .get(view.number)
        .and_then(|step| step.purpose);
    let is_chunker = |done: &&Arc<Done>| kind(run, done.number) == Some(Kind::Chunker);
    if role.is_none() && view.before.iter().any(|done| is_chunker(&done)) {
        let chunks = view.before.iter().flat_map(|done| &done.chunks);
        let (texts, names): (Vec<Arc<str>>, Vec<String>) = chunks
            .map(|chunk| (chunk.text.as_str().into(), chunk.id.clone()))
            .unzip();
        return Texts {
            texts: texts.into(),
            names,
            purpose: wanted.unwrap_or(Purpose::Document),
        };
    }
    let roles = run.inputs.texts.iter();
    let roles = roles.filter(|(name, _)| role.is_none_or(|role| role == name.as_str()));
    let (texts, names): (Vec<Arc<str>>, Vec<String>) = roles
        .flat_map(|(name, texts)| {
            let named = move |(n, text): (usize, &Arc<str>)| (text.clone(), format!("{name}[{n}]"));
            texts.iter().enumerate().map(named)
        })
        .unzip();
    Texts {
        texts: texts.into(),
        names,
        purpose: wanted.unwrap_or(Purpose::Query),
    }
}

fn kind(run: &Run, number: usize) -> Option<Kind> {
    run.plan.steps.get(number).map(|step| step.plugin.kind)
}

/// Gives the chunks of a step their names, and makes of them what later steps see.
pub(crate) async fn show(run: &Run, done: &mut Done, chunks: Vec<Chunk>) {
    if chunks.is_empty() {
        return;
    }
    let step = run.step_id(done.number).to_owned();
    let text: usize = chunks.iter().map(|chunk| chunk.text.len()).sum();
    let work = move |_: &Stop| -> (Vec<Arc<Chunk>>, Vec<Arc<Json>>) {
        let named = chunks.into_iter().enumerate().map(|(n, chunk)| Chunk {
            id: format!("{step}/{n}"),
            ..chunk
        });
        named
            .map(|chunk| {
                let shown = Arc::new(shown(&chunk, &step));
                (Arc::new(chunk), shown)
            })
            .unzip()
    };
    match run.evaluate(text > INLINE_BYTES, work).await {
        Ok((chunks, shown)) => {
            done.chunks = chunks;
            done.chunks_shown = shown;
        }
        Err(failure) => {
            let failure = failure.in_step(run.step_id(done.number));
            done.ends_run = Some(failure.clone()).filter(|failure| ends_run(run, done.number, failure));
            done.status = StepStatus::Failed;
            done.error = Some(failure);
        }
    }
}

/// A chunk in expressions, and as the record that plugins find under the step's id. Quotes are left out: together they are
/// the text.
fn shown(chunk: &Chunk, step: &str) -> Json {
    let citations: Vec<Json> = chunk
        .citations
        .iter()
        .map(|cited| json!({ "reading": cited.reading, "page": cited.page, "range": cited.range }))
        .collect();
    json!({
        "id": chunk.id,
        "text": chunk.text,
        "headings": chunk.headings,
        "metadata": chunk.metadata,
        "citations": citations,
        "step": step,
    })
}
