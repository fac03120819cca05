//! From a run to its rows.

use docmill_model::definition::{Durability, Retain};
use docmill_model::llm::{LlmCall, Usage};
use docmill_model::reading::{Page, TextOrigin};
use docmill_model::run::{AttemptRecord, InputContent, ReadingRecord, RunHead, Status, StepRecord};
use docmill_model::value::{Check, Citation, Field, MatchClass, Outcome, Severity};
use uuid::Uuid;

use super::RunCommit;
use super::rows::{
    NewArtifact, NewAttempt, NewCheck, NewChunks, NewCitation, NewField, NewInput, NewJob, NewKey,
    NewLlmCall, NewLookup, NewOutput, NewPage, NewReading, NewRun, NewSource, NewStep, Rows,
};
use crate::clean::{json_text, text, texts};
use crate::convert::{count_out, size_out};
use crate::document::NewDocument;
use crate::error::StoreError;
use crate::queue::{JobSpec, KeyUse};

/// A run before work starts: its head, inputs, look-ups and new documents.
pub(crate) fn accepted(head: &RunHead, documents: &[NewDocument]) -> Result<Rows, StoreError> {
    let mut rows = Rows {
        runs: vec![run(head)?],
        ..Rows::default()
    };
    head_rows(&mut rows, head, documents)?;
    Ok(rows)
}

/// The same of a run that is to be worked on later.
pub(crate) fn queued(head: &RunHead, documents: &[NewDocument], job: &JobSpec) -> Result<Rows, StoreError> {
    let mut rows = accepted(head, documents)?;
    for run in &mut rows.runs {
        Status::Queued.as_str().clone_into(&mut run.status);
    }
    rows.jobs.push(NewJob {
        run_id: head.id.uuid(),
        pipeline_id: head.pipeline.uuid(),
        plan: job.plan.as_bytes().to_vec(),
        priority: job.priority,
        delay_ms: i64::try_from(job.delay.as_millis()).unwrap_or(i64::MAX),
        clearance: job.clearance.as_str().to_owned(),
        head: json_text(head)?,
    });
    Ok(rows)
}

/// Under which key a client sent it.
pub(crate) fn key(head: &RunHead, key: &KeyUse) -> NewKey {
    NewKey {
        key: text(&key.key).into_owned(),
        request: key.request.as_bytes().to_vec(),
        run_id: head.id.uuid(),
        lasts_ms: i64::try_from(key.lasts.as_millis()).unwrap_or(i64::MAX),
    }
}

/// A finished run with all that belongs to it.
pub(crate) fn whole(commit: &RunCommit<'_>) -> Result<Rows, StoreError> {
    let mut rows = outcome(commit)?;
    head_rows(&mut rows, commit.head, commit.documents)?;
    rows.input_bytes = input_bytes(&rows.inputs);
    Ok(rows)
}

/// What an accepted run came to.
pub(crate) fn finished(commit: &RunCommit<'_>) -> Result<Rows, StoreError> {
    let mut rows = outcome(commit)?;
    // Written when it was accepted; counted now.
    let mut before = Rows::default();
    head_rows(&mut before, commit.head, &[])?;
    rows.input_bytes = input_bytes(&before.inputs);
    Ok(rows)
}

/// As they are kept: that is what the ledger has to agree with.
fn input_bytes(inputs: &[NewInput]) -> i64 {
    let held = |text: &Option<String>| text.as_ref().and_then(|t| i64::try_from(t.len()).ok());
    let bytes = inputs
        .iter()
        .filter_map(|i| i.size.or_else(|| held(&i.text)).or_else(|| held(&i.record)));
    bytes.fold(0, i64::saturating_add)
}

fn outcome(commit: &RunCommit<'_>) -> Result<Rows, StoreError> {
    let (head, outcome) = (commit.head, commit.outcome);
    let id = head.id.uuid();
    let mut rows = Rows::default();
    rows.runs.push(NewRun {
        status: outcome.status.as_str().to_owned(),
        verdict: outcome.verdict.map(|v| v.as_str().to_owned()),
        error_code: outcome.error.as_ref().map(|e| e.code.as_str().to_owned()),
        error: outcome.error.as_ref().map(json_text).transpose()?,
        output: outcome.output.as_ref().map(json_text).transpose()?,
        started_ms: Some(outcome.started_at),
        // A clock that was set back in between must not lose the run.
        finished_ms: Some(outcome.finished_at.max(outcome.started_at)),
        ..run(head)?
    });
    for reading in &outcome.readings {
        reading_rows(&mut rows, id, head, reading)?;
    }
    for (ordinal, step) in outcome.steps.iter().enumerate() {
        step_rows(&mut rows, head, count_out(ordinal)?, step)?;
    }
    let fields = outcome
        .fields
        .iter()
        .map(|f| (f, false))
        .chain(outcome.conflicts.iter().map(|f| (f, true)));
    for (ordinal, (field, lost)) in fields.enumerate() {
        field_rows(&mut rows, id, count_out(ordinal)?, field, lost)?;
    }
    for (ordinal, check) in outcome.checks.iter().enumerate() {
        check_rows(&mut rows, id, count_out(ordinal)?, check)?;
    }
    for (ordinal, artifact) in outcome.artifacts.iter().enumerate() {
        rows.artifacts.push(NewArtifact {
            run_id: id,
            id: artifact.id.uuid(),
            ordinal: count_out(ordinal)?,
            step: text(&artifact.step).into_owned(),
            name: text(&artifact.name).into_owned(),
            media_type: text(&artifact.media_type).into_owned(),
            size: size_out(artifact.size)?,
            digest: artifact.digest.as_bytes().to_vec(),
        });
    }
    if !outcome.chunks.is_empty() || !outcome.embeddings.is_empty() {
        rows.chunks.push(NewChunks {
            run_id: id,
            chunks: json_text(&outcome.chunks)?,
            embeddings: json_text(&outcome.embeddings)?,
        });
    }
    Ok(rows)
}

fn run(head: &RunHead) -> Result<NewRun, StoreError> {
    Ok(NewRun {
        id: head.id.uuid(),
        pipeline_id: head.pipeline.uuid(),
        pipeline_name: text(&head.pipeline_name).into_owned(),
        pipeline_version_id: head.pipeline_version.uuid(),
        version_number: head.version_number,
        durability: match head.durability {
            Durability::Result => "result",
            Durability::Accepted => "accepted",
            Durability::Steps => "steps",
        }
        .to_owned(),
        retain: match head.retain {
            Retain::None => {
                return Err(StoreError::invalid(
                    "a run of which nothing is to be kept is not stored",
                ));
            }
            Retain::Result => "result",
            Retain::Debug => "debug",
        }
        .to_owned(),
        status: "running".to_owned(),
        verdict: None,
        error_code: None,
        error: None,
        output: None,
        params: json_text(&head.params)?,
        plugins: texts(&head.plugins),
        key_id: head.key.map(|k| k.uuid()),
        client_ip: head.client_ip.map(|ip| ip.to_string()),
        request_id: head.request.uuid(),
        created_ms: head.created_at,
        started_ms: None,
        finished_ms: None,
        tier: head.tier.as_str().to_owned(),
        user_id: head.user.map(|u| u.uuid()),
        subject: head.subject.as_deref().map(|s| text(s).into_owned()),
    })
}

fn head_rows(rows: &mut Rows, head: &RunHead, documents: &[NewDocument]) -> Result<(), StoreError> {
    let id = head.id.uuid();
    for document in documents {
        rows.sources.push(NewSource {
            id: document.source.uuid(),
            document_id: document.document.uuid(),
            name: document.name.as_deref().map(|n| text(n).into_owned()),
            media_type: text(&document.media_type).into_owned(),
            size: size_out(document.size)?,
            digest: document.digest.as_bytes().to_vec(),
            simhash: document.simhash.map(u64::cast_signed),
            inline: document.inline.as_ref().map(|b| b.to_vec()),
            created_ms: head.created_at,
            tier: head.tier.as_str().to_owned(),
        });
    }
    for (ordinal, input) in head.inputs.iter().enumerate() {
        let mut row = NewInput {
            run_id: id,
            ordinal: count_out(ordinal)?,
            role: text(&input.role).into_owned(),
            position: input.position,
            kind: String::new(),
            document_id: None,
            source_id: None,
            name: None,
            media_type: None,
            size: None,
            digest: None,
            text: None,
            record: None,
        };
        match &input.content {
            InputContent::File {
                document,
                source,
                name,
                media_type,
                size,
                digest,
            } => {
                if !documents.iter().any(|new| new.document == *document) {
                    rows.inherited.push(document.uuid());
                }
                row.kind.push_str("file");
                row.document_id = Some(document.uuid());
                row.source_id = Some(source.uuid());
                row.name = name.as_deref().map(|n| text(n).into_owned());
                row.media_type = Some(text(media_type).into_owned());
                row.size = Some(size_out(*size)?);
                row.digest = Some(digest.as_bytes().to_vec());
            }
            InputContent::Text { text: input } => {
                row.kind.push_str("text");
                row.text = Some(text(input).into_owned());
            }
            InputContent::Record { record } => {
                row.kind.push_str("record");
                row.record = Some(json_text(record)?);
            }
        }
        rows.inputs.push(row);
    }
    for (ordinal, lookup) in head.lookups.iter().enumerate() {
        rows.lookups.push(NewLookup {
            run_id: id,
            ordinal: count_out(ordinal)?,
            name: text(&lookup.name).into_owned(),
            value: text(&lookup.value).into_owned(),
            tokens: texts(&lookup.tokens),
        });
    }
    Ok(())
}

fn reading_rows(
    rows: &mut Rows,
    run: Uuid,
    head: &RunHead,
    record: &ReadingRecord,
) -> Result<(), StoreError> {
    let reading = &record.reading;
    rows.readings.push(NewReading {
        run_id: run,
        key: text(&reading.key).into_owned(),
        id: record.id.uuid(),
        source_id: record.source.uuid(),
        plugin: text(&record.plugin).into_owned(),
        recipe: record.recipe.as_bytes().to_vec(),
        source_media_type: text(&reading.source_media_type).into_owned(),
        language: reading.language.as_deref().map(|l| text(l).into_owned()),
        metadata: json_text(&reading.metadata)?,
        page_count: count_out(reading.pages.len())?,
        created_ms: head.created_at,
    });
    for (number, page) in reading.pages.iter().enumerate() {
        rows.pages
            .push(page_row(record.id.uuid(), count_out(number)?, page)?);
    }
    Ok(())
}

fn page_row(reading: Uuid, number: i32, page: &Page) -> Result<NewPage, StoreError> {
    Ok(NewPage {
        reading_id: reading,
        number,
        label: page.info.label.as_deref().map(|l| text(l).into_owned()),
        width: page.info.size.map(|s| s.width),
        height: page.info.size.map(|s| s.height),
        origin: match page.info.origin {
            TextOrigin::Digital => "digital",
            TextOrigin::Recognized => "recognized",
            TextOrigin::Mixed => "mixed",
        }
        .to_owned(),
        warnings: texts(&page.info.warnings),
        text: text(&page.text).into_owned(),
        blocks: json_text(&page.blocks)?,
    })
}

fn step_rows(rows: &mut Rows, head: &RunHead, ordinal: i32, step: &StepRecord) -> Result<(), StoreError> {
    rows.steps.push(NewStep {
        run_id: head.id.uuid(),
        ordinal,
        id: step.id.uuid(),
        step: text(&step.step).into_owned(),
        item: step.item,
        plugin: text(&step.plugin).into_owned(),
        status: step.status.as_str().to_owned(),
        started_us: step.started_us.max(0),
        wall_us: step.wall_us.max(0),
    });
    if let Some(output) = step.output.as_ref().filter(|_| head.retain == Retain::Debug) {
        rows.outputs.push(NewOutput {
            run_id: head.id.uuid(),
            step_ordinal: ordinal,
            output: json_text(output)?,
        });
    }
    for (number, attempt) in step.attempts.iter().enumerate() {
        let number = count_out(number)?;
        rows.attempts.push(attempt_row(head, ordinal, number, attempt)?);
        for (place, call) in attempt.usage.llm.iter().enumerate() {
            rows.llm_calls
                .push(llm_row(head, ordinal, number, count_out(place)?, call)?);
        }
    }
    Ok(())
}

fn llm_row(
    head: &RunHead,
    step: i32,
    attempt: i32,
    ordinal: i32,
    call: &LlmCall,
) -> Result<NewLlmCall, StoreError> {
    let tokens = |of: fn(&Usage) -> u32| call.usage.as_ref().map(|usage| i64::from(of(usage)));
    let cost = call.cost.map(|cost| size_out(cost.amount.as_micros()));
    Ok(NewLlmCall {
        run_id: head.id.uuid(),
        step_ordinal: step,
        attempt_ordinal: attempt,
        ordinal,
        alias: call.alias.to_string(),
        adapter: text(&call.adapter.name).into_owned(),
        component: call.adapter.digest.as_bytes().to_vec(),
        model: text(&call.model).into_owned(),
        answered_by: call.answered_by.as_deref().map(|model| text(model).into_owned()),
        prompt: call.prompt.as_bytes().to_vec(),
        input: tokens(|it| it.input),
        cached_input: tokens(|it| it.cached_input),
        output: tokens(|it| it.output),
        reasoning: tokens(|it| it.reasoning),
        cost_micros: cost.transpose()?,
        currency: call.cost.map(|cost| cost.currency.to_string()),
        wall_us: size_out(call.wall_us)?,
        outcome: text(&call.outcome).into_owned(),
    })
}

fn attempt_row(
    head: &RunHead,
    step: i32,
    ordinal: i32,
    attempt: &AttemptRecord,
) -> Result<NewAttempt, StoreError> {
    let usage = &attempt.usage;
    let log = attempt
        .log
        .as_deref()
        .filter(|_| head.retain == Retain::Debug || attempt.error.is_some());
    Ok(NewAttempt {
        run_id: head.id.uuid(),
        step_ordinal: step,
        ordinal,
        id: attempt.id.uuid(),
        plugin: text(&attempt.plugin).into_owned(),
        error: attempt.error.as_ref().map(json_text).transpose()?,
        wall_us: size_out(usage.wall_us)?,
        cpu_us: size_out(usage.cpu_us)?,
        peak_memory_bytes: size_out(usage.peak_memory_bytes)?,
        host_calls: size_out(usage.host_calls)?,
        host_call_bytes: size_out(usage.host_call_bytes)?,
        log_dropped_bytes: size_out(usage.log_dropped_bytes)?,
        effects: texts(&usage.effects),
        log: log.map(|l| text(l).into_owned()),
        reused: attempt.reused,
    })
}

fn field_rows(rows: &mut Rows, run: Uuid, ordinal: i32, field: &Field, lost: bool) -> Result<(), StoreError> {
    rows.fields.push(NewField {
        run_id: run,
        ordinal,
        path: text(&field.path).into_owned(),
        lost,
        value: field.value.as_ref().map(json_text).transpose()?,
        raw: field.raw.as_deref().map(|r| text(r).into_owned()),
        confidence: field.confidence,
        origin: field.origin.as_ref().map(json_text).transpose()?,
    });
    citation_rows(rows, run, Some(ordinal), None, &field.citations)
}

fn check_rows(rows: &mut Rows, run: Uuid, ordinal: i32, check: &Check) -> Result<(), StoreError> {
    rows.checks.push(NewCheck {
        run_id: run,
        ordinal,
        code: text(&check.code).into_owned(),
        outcome: match check.outcome {
            Outcome::Pass => "pass",
            Outcome::Fail => "fail",
            Outcome::Undecided => "undecided",
        }
        .to_owned(),
        severity: match check.severity {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Error => "error",
        }
        .to_owned(),
        reason: text(&check.reason).into_owned(),
        fields: texts(&check.fields),
        origin: check.origin.as_ref().map(json_text).transpose()?,
    });
    citation_rows(rows, run, None, Some(ordinal), &check.citations)
}

fn citation_rows(
    rows: &mut Rows,
    run: Uuid,
    field: Option<i32>,
    check: Option<i32>,
    citations: &[Citation],
) -> Result<(), StoreError> {
    for citation in citations {
        rows.citations.push(NewCitation {
            run_id: run,
            ordinal: count_out(rows.citations.len())?,
            field_ordinal: field,
            check_ordinal: check,
            reading: citation.reading.as_deref().map(|r| text(r).into_owned()),
            page: count_out(citation.page)?,
            range_start: citation.range.map(|r| count_out(r.start)).transpose()?,
            range_end: citation.range.map(|r| count_out(r.end)).transpose()?,
            quote: text(&citation.quote).into_owned(),
            regions: json_text(&citation.regions)?,
            class: match citation.class {
                MatchClass::Exact => "exact",
                MatchClass::Normalized => "normalized",
                MatchClass::Unmatched => "unmatched",
                MatchClass::Unlocated => "unlocated",
            }
            .to_owned(),
        });
    }
    Ok(())
}
