//! The outcome of a run, put together in the definition's order.

use std::sync::Arc;

use bytes::Bytes;
use docmill_model::failure::Failure;
use docmill_model::run::{ArtifactRecord, ReadingRecord, RunOutcome, Status, StepRecord, StepStatus};
use docmill_model::value::{Citation, Verdict};
use serde_json::Value as Json;

use super::key::{self, MAIN};
use super::state::{Done, Gathered, first_file};
use super::step::record;
use super::{OUTPUT_BYTES, Run, expression_failed};
use crate::expression::{Absent, Stop};
use crate::weight;

/// Puts the outcome together.
pub(crate) async fn finish(
    run: &Run,
    done: Vec<Option<Arc<Done>>>,
    failure: Option<Failure>,
) -> (RunOutcome, Vec<(ArtifactRecord, Bytes)>) {
    let mut steps = Vec::new();
    for (number, ended) in done.iter().enumerate() {
        match ended {
            Some(ended) => steps.extend(ended.records.iter().cloned()),
            None => steps.push(record(run, number, StepStatus::Skipped, run.at())),
        }
    }
    keep_outputs(&mut steps);
    let present: Vec<Arc<Done>> = done.into_iter().flatten().collect();
    let gathered = Gathered::over(run, &present);
    let (output, error) = match failure {
        Some(failure) => (None, Some(failure)),
        None => match output(run, &gathered, &present).await {
            Ok(output) => (output, None),
            Err(failure) => (None, Some(failure)),
        },
    };
    let artifacts: Vec<(ArtifactRecord, Bytes)> =
        present.iter().flat_map(|d| d.artifacts.iter().cloned()).collect();
    let mut outcome = RunOutcome {
        status: if error.is_some() {
            Status::Failed
        } else {
            Status::Succeeded
        },
        // Of a run that broke off nobody can say that it passed.
        verdict: if error.is_some() {
            None
        } else {
            Verdict::over(&gathered.checks)
        },
        error,
        output,
        fields: gathered.fields.as_ref().clone(),
        conflicts: gathered.conflicts.clone(),
        checks: gathered.checks.as_ref().clone(),
        chunks: present.iter().flat_map(|d| d.chunks.iter().cloned()).collect(),
        embeddings: present.iter().filter_map(|d| d.embeddings.clone()).collect(),
        steps,
        artifacts: artifacts.iter().map(|(record, _)| record.clone()).collect(),
        readings: gathered.readings.iter().map(|made| made.record.clone()).collect(),
        started_at: run.context.started_at,
        finished_at: run
            .context
            .started_at
            .saturating_add(i64::try_from(run.begun.elapsed().as_millis()).unwrap_or(0)),
    };
    name_main(run, &gathered, &mut outcome);
    (outcome, artifacts)
}

/// Only so much is kept of what steps gave, from the first on.
fn keep_outputs(steps: &mut [StepRecord]) {
    let mut left = OUTPUT_BYTES;
    for step in steps {
        let bytes = step.output.as_ref().map_or(0, |output| weight::json(output));
        match left.checked_sub(bytes) {
            Some(after) => left = after,
            None => step.output = None,
        }
    }
}

/// Parsers that ran beside each other could not know which of them would read the first document; now it is known.
fn name_main(run: &Run, gathered: &Gathered, outcome: &mut RunOutcome) {
    let of_main =
        |made: &&super::state::Made| made.position == 0 && key::main_role(run) == Some(made.role.as_str());
    if gathered
        .readings
        .iter()
        .any(|made| made.record.reading.key == MAIN)
    {
        return;
    }
    let Some(old) = gathered
        .readings
        .iter()
        .find(of_main)
        .map(|made| made.record.reading.key.clone())
    else {
        return;
    };
    for ReadingRecord { reading, .. } in outcome.readings.iter_mut().filter(|r| r.reading.key == old) {
        Arc::make_mut(reading).key = MAIN.to_owned();
    }
    let fields = outcome
        .fields
        .iter_mut()
        .chain(&mut outcome.conflicts)
        .map(|field| &mut field.citations);
    let checks = outcome.checks.iter_mut().map(|check| &mut check.citations);
    let chunks = outcome.chunks.iter_mut();
    // Only copied if they have to be changed.
    let chunks = chunks.filter(|chunk| chunk.citations.iter().any(|c| c.reading.as_ref() == Some(&old)));
    let chunks = chunks.map(|chunk| &mut Arc::make_mut(chunk).citations);
    for citation in fields
        .chain(checks)
        .chain(chunks)
        .flat_map(|citations: &mut Vec<Citation>| citations)
    {
        if citation.reading.as_ref() == Some(&old) {
            citation.reading = None;
        }
    }
}

async fn output(run: &Run, gathered: &Gathered, present: &[Arc<Done>]) -> Result<Option<Json>, Failure> {
    let Some(template) = &run.prepared.program.output else {
        return Ok(None);
    };
    let scope = gathered.scope(run, present, first_file(run));
    let prepared = run.prepared.clone();
    let heavy = template.heavy(&scope);
    let work = move |stop: &Stop| {
        let template = prepared.program.output.as_ref();
        template.map(|template| template.evaluate_until(&scope, Absent::Null, stop))
    };
    run.evaluate(heavy, work)
        .await?
        .transpose()
        .map_err(|failed| expression_failed("output", &failed.source, &failed.trouble))
}

#[cfg(test)]
mod tests {
    use docmill_model::id::StepId;

    use super::*;

    #[test]
    fn outputs_are_kept_from_the_first_on_while_there_is_room() {
        let step = |bytes: usize| StepRecord {
            id: StepId::new(),
            step: "s".into(),
            item: None,
            plugin: "a/b@1.0.0".into(),
            status: StepStatus::Succeeded,
            started_us: 0,
            wall_us: 0,
            output: Some(Arc::new(Json::String("x".repeat(bytes)))),
            attempts: Vec::new(),
        };
        let mut steps = [step(OUTPUT_BYTES / 2), step(OUTPUT_BYTES), step(100)];
        keep_outputs(&mut steps);
        assert_eq!(steps.map(|s| s.output.is_some()), [true, false, true]);
    }
}
