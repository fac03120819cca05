//! One item of a step (a step without a fan-out has one): configuration, attempts, fallback, and what came out.

use std::sync::Arc;

use bytes::Bytes;
use docmill_engine::Call;
use docmill_model::definition::{Fallback, OnError, Retain};
use docmill_model::digest::{Digest, Hasher};
use docmill_model::failure::{Code, Failure};
use docmill_model::id::{ArtifactId, ReadingId, StepId};
use docmill_model::plugin::Kind;
use docmill_model::run::{ArtifactRecord, AttemptRecord, ReadingRecord, StepRecord, StepStatus};
use docmill_model::value::{Check, Field, Origin};
use serde_json::Value as Json;

use super::attempt::{Asked, Given, attempts};
use super::state::{Done, Gathered, Made};
use super::step::on_error;
use super::{Run, expression_failed, key, memo};
use crate::expression::{Absent, Scope, Stop, Template};
use crate::inputs::FileInput;
use crate::prepared::{Prepared, Use};
use crate::schema::Effort;

/// What a step sees, the same for all its items.
pub(crate) struct View<'a> {
    pub(crate) run: &'a Run,
    /// The step.
    pub(crate) number: usize,
    /// The steps before it.
    pub(crate) before: &'a [Arc<Done>],
    pub(crate) gathered: &'a Gathered,
}

/// What a step runs over.
pub(crate) struct Item {
    pub(crate) scope: Scope,
    pub(crate) value: Option<Arc<Json>>,
    pub(crate) index: Option<usize>,
    pub(crate) file: Option<RoleFile>,
}

/// What a parser reads.
#[derive(Clone)]
pub(crate) struct RoleFile {
    pub(crate) role: String,
    pub(crate) position: usize,
    pub(crate) file: FileInput,
}

/// What an item came to.
pub(crate) struct ItemDone {
    pub(crate) record: StepRecord,
    pub(crate) reading: Option<Made>,
    pub(crate) fields: Vec<Field>,
    pub(crate) checks: Vec<Check>,
    pub(crate) output: Option<Arc<Json>>,
    pub(crate) artifact: Option<(ArtifactRecord, Bytes)>,
    pub(crate) error: Option<Failure>,
}

/// Works on one item, however it ends.
pub(crate) async fn item(view: &View<'_>, item: Item) -> ItemDone {
    let (run, number) = (view.run, view.number);
    let started_us = run.at();
    let mut done = ItemDone {
        record: StepRecord {
            id: StepId::new(),
            step: run.step_id(number).to_owned(),
            item: item.index.and_then(|i| i32::try_from(i).ok()),
            plugin: run.plugin(number),
            status: StepStatus::Succeeded,
            started_us,
            wall_us: 0,
            output: None,
            attempts: Vec::new(),
        },
        reading: None,
        fields: Vec::new(),
        checks: Vec::new(),
        output: None,
        artifact: None,
        error: None,
    };
    let attempts = &mut done.record.attempts;
    let mut status = StepStatus::Succeeded;
    let mut result = match run.prepared.uses.get(number) {
        None => Err(no_such_step()),
        Some((own, fallback)) => {
            let mut result = call(view, &item, own, false, attempts).await;
            if let (Err(first), Some(fallback)) = (&result, fallback)
                && first.code != Code::Interrupted
                && !run.is_over_time()
            {
                status = StepStatus::FellBack;
                result = call(view, &item, fallback, true, attempts).await;
            }
            result
        }
    };
    if let Ok(answer) = &mut result {
        answer.settle(view);
    }
    match result {
        Ok(answer) => {
            done.record.status = status;
            answer.place(view, &item, &mut done);
        }
        Err(failure) => {
            done.record.status = StepStatus::Failed;
            done.error = Some(failure.in_step(run.step_id(number)));
        }
    }
    done.record.wall_us = run.at().saturating_sub(started_us);
    done
}

/// What a plugin gave, and which one it was.
struct Answer {
    /// `namespace/name@version`
    plugin: String,
    /// Of everything that the call could see.
    identity: Digest,
    /// Whether it did nothing beyond its inputs: the same call gives the same again.
    pure: bool,
    given: Given,
}

/// Calls a plugin until an attempt succeeds or none is left.
async fn call(
    view: &View<'_>,
    item: &Item,
    used: &Use,
    fallback: bool,
    records: &mut Vec<AttemptRecord>,
) -> Result<Answer, Failure> {
    let config = configuration(view, item, used, fallback).await?;
    let mut hasher = Hasher::default();
    hasher.update(used.plugin.digest.as_bytes());
    hasher.update(config.as_bytes());
    let recipe = hasher.finish();
    let inputs = || Arc::new(view.gathered.inputs(view.run, view.before, item.value.as_ref()));
    let call = match (used.plugin.kind, &item.file) {
        (Kind::Parser, Some(read)) => Call::Parse {
            source: read.file.bytes.clone(),
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
    let identity = memo::identity(recipe, &call, &view.gathered.readings);
    let asked = Asked {
        number: view.number,
        item: item.index,
        plugin: &used.plugin,
        grants: &used.grants,
        call,
        identity,
        cost: &used.cost,
        key: item
            .file
            .as_ref()
            .map(|read| key::of(view.run, view.number, view.before, &read.role, read.position)),
    };
    let given = attempts(view.run, asked, records).await?;
    Ok(Answer {
        plugin: used.plugin.to_string(),
        identity,
        // The last attempt is the one that succeeded.
        pure: records.last().is_some_and(|r| r.usage.effects.is_empty()),
        given,
    })
}

/// The configuration with expressions filled in, defaults under it, and checked.
async fn configuration(
    view: &View<'_>,
    item: &Item,
    used: &Use,
    fallback: bool,
) -> Result<Arc<str>, Failure> {
    if let Some(fixed) = &used.fixed {
        return Ok(fixed.clone());
    }
    let (run, number) = (view.run, view.number);
    // A fallback without a configuration of its own takes the step's.
    let own = fallback
        && matches!(
            on_error(run, number),
            OnError::Fallback(Fallback::Configured { .. })
        );
    let template = template(&run.prepared, number, own)?;
    let mut begun = None;
    if !template.heavy(&item.scope) {
        let mut config = filled(template, &item.scope, &Stop::default())?;
        if let Ok(finished) = used.finish(&mut config, Effort::SMALL) {
            return finished.map_err(|misfit| misfits(used, &misfit));
        }
        begun = Some(config);
    }
    let (prepared, scope) = (run.prepared.clone(), item.scope.clone());
    let work = move |stop: &Stop| {
        let mut config = match begun {
            Some(config) => config,
            None => filled(self::template(&prepared, number, own)?, &scope, stop)?,
        };
        let used = prepared.used(number, fallback).ok_or_else(no_such_step)?;
        let finished = used.finish(&mut config, Effort::WHOLE);
        finished
            .unwrap_or_else(|why| Err(why.to_string()))
            .map_err(|misfit| misfits(used, &misfit))
    };
    run.evaluate(true, work).await?
}

/// The step's configuration, or that of its fallback.
fn template(prepared: &Prepared, number: usize, fallback: bool) -> Result<&Template, Failure> {
    let step = prepared.program.steps.get(number).ok_or_else(no_such_step)?;
    let other = step.fallback_config.as_ref().filter(|_| fallback);
    Ok(other.unwrap_or(&step.config))
}

fn filled(template: &Template, scope: &Scope, stop: &Stop) -> Result<Json, Failure> {
    template
        .evaluate_until(scope, Absent::Omit, stop)
        .map_err(|failed| expression_failed("with", &failed.source, &failed.trouble))
}

fn misfits(used: &Use, told: &str) -> Failure {
    let message = format!(
        "with its expressions filled in, the configuration does not fit {}: {told}",
        used.plugin
    );
    Failure::new(Code::InvalidConfig, message)
}

fn no_such_step() -> Failure {
    Failure::new(
        Code::Internal,
        "the plan has no such step; this is a fault of docmill",
    )
}

impl Answer {
    /// Names who found it, and in which reading.
    fn settle(&mut self, view: &View<'_>) {
        let origin = Origin::Plugin {
            step: view.run.step_id(view.number).to_owned(),
            plugin: self.plugin.clone(),
        };
        match &mut self.given {
            Given::Fields(fields) => {
                for field in fields {
                    field.origin = Some(origin.clone());
                    view.gathered.name_readings(&mut field.citations);
                }
            }
            Given::Checks(checks) => {
                for check in checks {
                    check.origin = Some(origin.clone());
                    view.gathered.name_readings(&mut check.citations);
                }
            }
            Given::Reading(_) | Given::Json(_) | Given::Artifact(_) => {}
        }
    }

    /// Puts what a plugin gave into its place.
    fn place(self, view: &View<'_>, item: &Item, done: &mut ItemDone) {
        match self.given {
            Given::Reading(reading) => {
                let Some(read) = &item.file else { return };
                let id = ReadingId::new();
                let record = ReadingRecord {
                    id,
                    source: read.file.source,
                    plugin: self.plugin,
                    recipe: if self.pure {
                        self.identity
                    } else {
                        // The store keeps readings of one recipe once; this one may be like no other.
                        Digest::of(id.uuid().as_bytes())
                    },
                    reading,
                };
                done.reading = Some(Made {
                    role: read.role.clone(),
                    position: read.position,
                    identity: self.identity,
                    record,
                });
            }
            Given::Fields(fields) => done.fields = fields,
            Given::Checks(checks) => done.checks = checks,
            Given::Json(json) => {
                done.output = Some(Arc::new(json));
                if view.run.plan.definition.retain == Retain::Debug {
                    done.record.output.clone_from(&done.output);
                }
            }
            Given::Artifact(artifact) => {
                let record = ArtifactRecord {
                    id: ArtifactId::new(),
                    step: view.run.step_id(view.number).to_owned(),
                    name: artifact.name,
                    media_type: artifact.media_type,
                    size: u64::try_from(artifact.content.len()).unwrap_or(u64::MAX),
                    digest: Digest::of(&artifact.content),
                };
                done.artifact = Some((record, artifact.content));
            }
        }
    }
}
