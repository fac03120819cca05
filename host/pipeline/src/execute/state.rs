//! What steps leave behind, and what a later step sees of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use docmill_model::chunk::Chunk;
use docmill_model::digest::Digest;
use docmill_model::failure::Failure;
use docmill_model::plugin::Kind;
use docmill_model::reading::{Inputs, Reading};
use docmill_model::run::{ArtifactRecord, EmbeddingsRecord, ReadingRecord, StepRecord, StepStatus};
use docmill_model::value::{Check, Citation, Field};
use serde_json::{Value as Json, json};

use super::Run;
use super::key::{self, MAIN};
use crate::expression::{Known, Scope, StepView};
use crate::inputs::FileInput;
use crate::merge::merge;

/// A reading that a step made.
#[derive(Debug, Clone)]
pub(crate) struct Made {
    pub(crate) role: String,
    /// Of the file among those of its role.
    pub(crate) position: usize,
    /// Of everything that the reading was made of.
    pub(crate) identity: Digest,
    pub(crate) record: ReadingRecord,
}

/// A step that is over.
#[derive(Debug, Clone)]
pub(crate) struct Done {
    /// In the definition.
    pub(crate) number: usize,
    pub(crate) status: StepStatus,
    /// Whether it ran once for each of several items.
    pub(crate) several: bool,
    pub(crate) records: Vec<StepRecord>,
    pub(crate) readings: Vec<Made>,
    pub(crate) fields: Vec<Field>,
    pub(crate) checks: Vec<Check>,
    pub(crate) chunks: Vec<Arc<Chunk>>,
    /// The same, as expressions and plugins see them.
    pub(crate) chunks_shown: Vec<Arc<Json>>,
    pub(crate) embeddings: Option<Arc<EmbeddingsRecord>>,
    pub(crate) outputs: Vec<Arc<Json>>,
    pub(crate) artifacts: Vec<(ArtifactRecord, Bytes)>,
    /// Why it failed, if it did.
    pub(crate) error: Option<Failure>,
    /// The same, if the run ends by it.
    pub(crate) ends_run: Option<Failure>,
}

impl Done {
    /// A step that gave nothing.
    pub(crate) fn empty(number: usize, status: StepStatus, records: Vec<StepRecord>) -> Self {
        Self {
            number,
            status,
            several: false,
            records,
            readings: Vec::new(),
            fields: Vec::new(),
            checks: Vec::new(),
            chunks: Vec::new(),
            chunks_shown: Vec::new(),
            embeddings: None,
            outputs: Vec::new(),
            artifacts: Vec::new(),
            error: None,
            ends_run: None,
        }
    }
}

/// What some steps gave together, in the definition's order.
pub(crate) struct Gathered {
    pub(crate) fields: Arc<Vec<Field>>,
    pub(crate) conflicts: Vec<Field>,
    pub(crate) checks: Arc<Vec<Check>>,
    pub(crate) readings: Vec<Made>,
    /// The reading called `main`; without one the first that there is.
    pub(crate) main: Option<Arc<Reading>>,
}

impl Gathered {
    /// Over steps in the definition's order.
    pub(crate) fn over(run: &Run, done: &[Arc<Done>]) -> Self {
        let (fields, conflicts) = merge(done.iter().flat_map(|d| &d.fields), run.plan.definition.merge);
        let readings: Vec<Made> = done.iter().flat_map(|d| d.readings.iter().cloned()).collect();
        let called_main = readings.iter().find(|made| made.record.reading.key == MAIN);
        let main = called_main
            .or(readings.first())
            .map(|made| made.record.reading.clone());
        Self {
            fields: Arc::new(fields),
            conflicts,
            checks: Arc::new(done.iter().flat_map(|d| d.checks.iter().cloned()).collect()),
            readings,
            main,
        }
    }

    /// As expressions see it.
    pub(crate) fn scope(&self, run: &Run, done: &[Arc<Done>], input: Option<&FileInput>) -> Scope {
        let known = Known {
            params: run.params.clone(),
            inputs: run.variable.clone(),
            reading: self.main.clone(),
            fields: self.fields.clone(),
            checks: self.checks.clone(),
            chunks: done.iter().flat_map(|d| d.chunks_shown.iter().cloned()).collect(),
            steps: done.iter().map(|d| view(run, d)).collect(),
            ..Known::default()
        };
        Scope::new(known, input.and_then(|file| run.prepared.describe(file)))
    }

    /// As a guest sees it.
    pub(crate) fn inputs(&self, run: &Run, done: &[Arc<Done>], item: Option<&Arc<Json>>) -> Inputs {
        let mut readings: BTreeMap<String, Vec<Arc<Reading>>> = BTreeMap::new();
        for made in &self.readings {
            readings
                .entry(made.role.clone())
                .or_default()
                .push(made.record.reading.clone());
        }
        let mut records = run.inputs.records.clone();
        for step in done {
            let given = if step.outputs.is_empty() {
                &step.chunks_shown
            } else {
                &step.outputs
            };
            if !given.is_empty() {
                records.insert(run.step_id(step.number).to_owned(), given.clone());
            }
        }
        if let Some(item) = item {
            records.insert("item".to_owned(), vec![item.clone()]);
        }
        Inputs {
            params: run.params.clone(),
            main: self.main.clone(),
            readings,
            texts: run.inputs.texts.clone(),
            records,
            fields: self.fields.clone(),
            checks: self.checks.clone(),
        }
    }

    /// Citations of a step that saw this: no reading named means the run's main one from here on, and nothing else.
    pub(crate) fn name_readings(&self, citations: &mut [Citation]) {
        for citation in citations {
            match (&citation.reading, &self.main) {
                (None, Some(main)) if main.key != MAIN => citation.reading = Some(main.key.clone()),
                (Some(key), _) if key == MAIN => citation.reading = None,
                _ => {}
            }
        }
    }
}

/// The run's first document, as the variable `input` shows it to steps that are no parsers.
pub(crate) fn first_file(run: &Run) -> Option<&FileInput> {
    let main = key::main_role(run).and_then(|role| run.inputs.files.get(role)?.first());
    main.or_else(|| run.inputs.first())
}

fn view(run: &Run, done: &Done) -> StepView {
    let artifacts = done.artifacts.iter().map(|(record, _)| {
        json!({
            "name": record.name,
            "media_type": record.media_type,
            "size": record.size,
            "digest": record.digest.to_string(),
        })
    });
    let kind = run.plan.steps.get(done.number).map(|s| s.plugin.kind);
    let chunks = kind == Some(Kind::Chunker);
    StepView {
        id: run.step_id(done.number).to_owned(),
        status: done.status,
        several: done.several || chunks,
        outputs: if chunks { &done.chunks_shown } else { &done.outputs }.clone(),
        artifacts: Arc::new(artifacts.collect()),
        error: done.error.clone(),
    }
}
