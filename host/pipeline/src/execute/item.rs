//! One item of a step (a step without a fan-out has one): configuration, attempts, fallback, and what came out.

use std::sync::Arc;

use bytes::Bytes;
use docmill_engine::{Call, Output};
use docmill_model::definition::{Fallback, OnError};
use docmill_model::digest::{Digest, Hasher};
use docmill_model::failure::{Code, Failure};
use docmill_model::id::{ArtifactId, ReadingId, StepId};
use docmill_model::plugin::{Kind, PinnedPlugin};
use docmill_model::reading::Reading;
use docmill_model::run::{ArtifactRecord, AttemptRecord, ReadingRecord, StepRecord, StepStatus};
use docmill_model::value::{Check, Field, Origin};
use serde_json::Value as Json;

use super::attempt::{Asked, attempts};
use super::state::{Done, Gathered, Made};
use super::step::on_error;
use super::{Run, expression_failed, micros};
use crate::expression::{Absent, Scope};
use crate::inputs::FileInput;
use crate::schema;

/// What a step runs over.
pub(crate) struct Item {
    pub(crate) scope: Scope,
    pub(crate) value: Option<Arc<Json>>,
    pub(crate) index: Option<usize>,
    /// For a parser: the role and the file that it reads.
    pub(crate) file: Option<(String, FileInput)>,
}

/// What an item came to.
pub(crate) struct ItemDone {
    pub(crate) record: StepRecord,
    pub(crate) reading: Option<Made>,
    pub(crate) fields: Vec<Field>,
    pub(crate) checks: Vec<Check>,
    pub(crate) output: Option<Json>,
    pub(crate) artifact: Option<(ArtifactRecord, Bytes)>,
    pub(crate) error: Option<Failure>,
}

/// Works on one item, however it ends.
pub(crate) async fn item(
    run: &Run,
    number: usize,
    before: &[Arc<Done>],
    gathered: &Gathered,
    item: Item,
    main: bool,
) -> ItemDone {
    let started = micros(run.begun.elapsed());
    let mut record = StepRecord {
        id: StepId::new(),
        step: run.step_id(number).to_owned(),
        item: item.index.and_then(|i| i32::try_from(i).ok()),
        plugin: run
            .plan
            .steps
            .get(number)
            .map(|s| s.plugin.to_string())
            .unwrap_or_default(),
        status: StepStatus::Succeeded,
        started_us: started,
        wall_us: 0,
        attempts: Vec::new(),
    };
    let mut result = call(run, number, before, gathered, &item, false, &mut record.attempts).await;
    if let Err(first) = &result
        && matches!(on_error(run, number), OnError::Fallback(_))
        && !matches!(first.code, Code::Interrupted)
    {
        record.status = StepStatus::FellBack;
        result = call(run, number, before, gathered, &item, true, &mut record.attempts).await;
    }
    let mut done = ItemDone {
        record,
        reading: None,
        fields: Vec::new(),
        checks: Vec::new(),
        output: None,
        artifact: None,
        error: None,
    };
    match result {
        Ok(answer) => place(run, number, &item, answer, main, &mut done),
        Err(failure) => {
            done.record.status = StepStatus::Failed;
            done.error = Some(failure.in_step(run.step_id(number)));
        }
    }
    done.record.wall_us = micros(run.begun.elapsed()).saturating_sub(started);
    done
}

/// What a plugin gave, and which one it was.
struct Answer {
    plugin: PinnedPlugin,
    recipe: Digest,
    output: Arc<Output>,
}

/// Calls the step's plugin, or its fallback, until an attempt succeeds or none is left.
async fn call(
    run: &Run,
    number: usize,
    before: &[Arc<Done>],
    gathered: &Gathered,
    item: &Item,
    fallback: bool,
    records: &mut Vec<AttemptRecord>,
) -> Result<Answer, Failure> {
    let missing = || {
        Failure::new(
            Code::Internal,
            "the plan has no such step; this is a fault of docmill",
        )
    };
    let pinned = run.plan.steps.get(number).ok_or_else(missing)?;
    let plugin = if fallback {
        pinned.fallback.as_ref().ok_or_else(missing)?
    } else {
        &pinned.plugin
    };
    let config = configuration(run, number, item, fallback).await?;
    let mut hasher = Hasher::default();
    hasher.update(plugin.digest.as_bytes());
    hasher.update(config.as_bytes());
    let recipe = hasher.finish();
    let config: Arc<str> = config.into();
    let inputs = || Arc::new(gathered.inputs(run, before, item.value.as_ref()));
    let call = match (plugin.kind, &item.file) {
        (Kind::Parser, Some((_, file))) => Call::Parse {
            source: file.bytes.clone(),
            config,
        },
        (Kind::Parser, None) => {
            return Err(Failure::new(
                Code::MissingInput,
                "there is no file for the parser to read",
            ));
        }
        (Kind::Extractor, _) => Call::Extract {
            inputs: inputs(),
            config,
        },
        (Kind::Validator, _) => Call::Validate {
            inputs: inputs(),
            config,
        },
        (Kind::Transformer, _) => Call::Transform {
            inputs: inputs(),
            config,
        },
    };
    let asked = Asked {
        number,
        item: item.index,
        plugin,
        recipe,
        call,
        file: item.file.as_ref().map(|(_, f)| f),
    };
    let output = attempts(run, asked, records).await?;
    Ok(Answer {
        plugin: plugin.clone(),
        recipe,
        output,
    })
}

/// The configuration with expressions filled in and defaults under it, checked again if something was filled in.
async fn configuration(run: &Run, number: usize, item: &Item, fallback: bool) -> Result<String, Failure> {
    let missing = || {
        Failure::new(
            Code::Internal,
            "the plan has no such step; this is a fault of docmill",
        )
    };
    let pinned = run.plan.steps.get(number).ok_or_else(missing)?;
    // A fallback without a configuration of its own takes the step's.
    let of_fallback = fallback
        && matches!(
            on_error(run, number),
            OnError::Fallback(Fallback::Configured { .. })
        );
    let step = run.program.steps.get(number).ok_or_else(missing)?;
    let template = if of_fallback {
        step.fallback_config.as_ref().unwrap_or(&step.config)
    } else {
        &step.config
    };
    let filled = if template.heavy(&item.scope) {
        let (program, scope) = (run.program.clone(), item.scope.clone());
        let work = move || {
            let step = program.steps.get(number)?;
            let template = if of_fallback {
                step.fallback_config.as_ref().unwrap_or(&step.config)
            } else {
                &step.config
            };
            Some(template.evaluate(&scope, Absent::Omit))
        };
        tokio::task::spawn_blocking(work)
            .await
            .ok()
            .flatten()
            .unwrap_or(Ok(Json::Null))
    } else {
        template.evaluate(&item.scope, Absent::Omit)
    };
    let filled = filled.map_err(|failed| expression_failed("with", &failed.source, &failed.trouble))?;
    let (defaults, config_schema) = if fallback {
        (&pinned.fallback_defaults, &pinned.fallback_config_schema)
    } else {
        (&pinned.defaults, &pinned.config_schema)
    };
    let whole = schema::overlay(defaults, filled);
    if !template.dynamic().is_empty() {
        let wrong = |message: String| Failure::new(Code::InvalidConfig, message);
        let validator = schema::compile(config_schema).map_err(wrong)?;
        if let Some(mistake) = schema::mistakes(&validator, &whole).into_iter().next() {
            let message = format!(
                "with expressions filled in, the configuration does not fit: {}: {}",
                mistake.pointer, mistake.message
            );
            return Err(wrong(message));
        }
    }
    Ok(whole.to_string())
}

/// Puts what a plugin gave into its place, with its origin.
fn place(run: &Run, number: usize, item: &Item, answer: Answer, main: bool, done: &mut ItemDone) {
    let plugin = answer.plugin.to_string();
    let origin = Origin::Plugin {
        step: run.step_id(number).to_owned(),
        plugin: plugin.clone(),
    };
    let output = Arc::try_unwrap(answer.output).unwrap_or_else(|shared| shared.as_ref().clone());
    match output {
        Output::Reading(reading) => {
            let Some((role, file)) = &item.file else { return };
            let first = item.index.is_none_or(|i| i == 0);
            let key = match item.index {
                _ if main && first => "main".to_owned(),
                None => run.step_id(number).to_owned(),
                Some(index) => format!("{}[{index}]", run.step_id(number)),
            };
            let reading = Arc::new(Reading {
                key,
                source_media_type: file.bytes.media_type.clone(),
                ..reading
            });
            let record = ReadingRecord {
                id: ReadingId::new(),
                source: file.source,
                plugin,
                recipe: answer.recipe,
                reading,
            };
            done.reading = Some(Made {
                role: role.clone(),
                record,
            });
        }
        Output::Fields(fields) => {
            done.fields = fields
                .into_iter()
                .map(|f| Field {
                    origin: Some(origin.clone()),
                    ..f
                })
                .collect();
        }
        Output::Checks(checks) => {
            done.checks = checks
                .into_iter()
                .map(|c| Check {
                    origin: Some(origin.clone()),
                    ..c
                })
                .collect();
        }
        Output::Json(json) => done.output = Some(json),
        Output::Artifact(artifact) => {
            let record = ArtifactRecord {
                id: ArtifactId::new(),
                step: run.step_id(number).to_owned(),
                name: artifact.name,
                media_type: artifact.media_type,
                size: artifact.content.len() as u64,
                digest: Digest::of(&artifact.content),
            };
            done.artifact = Some((record, artifact.content));
        }
    }
}
