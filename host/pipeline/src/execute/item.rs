//! One item of a step (a step without a fan-out has one): configuration, attempts, fallback, and what came out.

use std::sync::Arc;

use bytes::Bytes;
use docmill_engine::Call;
use docmill_model::chunk::{Chunk, Embeddings, Purpose};
use docmill_model::definition::{Fallback, OnError, Retain};
use docmill_model::digest::{Digest, Hasher};
use docmill_model::failure::{Code, Failure};
use docmill_model::id::{ArtifactId, ReadingId, StepId};
use docmill_model::plugin::Kind;
use docmill_model::reading::Reading;
use docmill_model::run::{
    ArtifactRecord, AttemptRecord, EmbeddingsRecord, NamedVector, ReadingRecord, StepRecord, StepStatus,
};
use docmill_model::value::{Check, Field, Origin};
use serde_json::{Value as Json, json};

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
    pub(crate) taken: Taken,
}

/// What a step takes beside what all see.
pub(crate) enum Taken {
    Nothing,
    /// For a parser.
    File(RoleFile),
    /// For a chunker.
    Reading(Arc<Reading>),
    /// For an embedder.
    Texts(Texts),
}

/// What an embedder takes, and what each text is.
pub(crate) struct Texts {
    pub(crate) texts: Arc<[Arc<str>]>,
    pub(crate) names: Vec<String>,
    pub(crate) purpose: Purpose,
}

impl Item {
    fn file(&self) -> Option<&RoleFile> {
        match &self.taken {
            Taken::File(file) => Some(file),
            _ => None,
        }
    }
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
    pub(crate) chunks: Vec<Chunk>,
    pub(crate) embeddings: Option<EmbeddingsRecord>,
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
        chunks: Vec::new(),
        embeddings: None,
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
    let call = asking(view, item, used.plugin.kind, config)?;
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
            .file()
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

/// What the plugin is asked.
fn asking(view: &View<'_>, item: &Item, kind: Kind, config: Arc<str>) -> Result<Call, Failure> {
    let inputs = || Arc::new(view.gathered.inputs(view.run, view.before, item.value.as_ref()));
    let missing = |what: &str| Err(Failure::new(Code::MissingInput, what));
    Ok(match (kind, &item.taken) {
        (Kind::Parser, Taken::File(read)) => Call::Parse {
            source: read.file.bytes.clone(),
            config,
        },
        (Kind::Parser, _) => return missing("there is no file for the parser to read"),
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
        (Kind::Chunker, Taken::Reading(reading)) => Call::Split {
            reading: reading.clone(),
            config,
        },
        (Kind::Chunker, _) => return missing("there is no reading for the chunker to split"),
        (Kind::Embedder, Taken::Texts(texts)) => Call::Embed {
            texts: texts.texts.clone(),
            purpose: texts.purpose,
            config,
        },
        (Kind::Embedder, _) => return missing("there are no texts for the embedder"),
        (Kind::LlmAdapter, _) => return missing("an llm-adapter is asked through a model, and by no step"),
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
            Given::Chunks(chunks) => {
                for chunk in chunks {
                    chunk.origin = Some(origin.clone());
                    view.gathered.name_readings(&mut chunk.citations);
                }
            }
            Given::Reading(_) | Given::Json(_) | Given::Artifact(_) | Given::Embeddings(_) => {}
        }
    }

    /// Puts what a plugin gave into its place.
    fn place(self, view: &View<'_>, item: &Item, done: &mut ItemDone) {
        match self.given {
            Given::Reading(reading) => {
                let Some(read) = item.file() else { return };
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
            Given::Chunks(chunks) => done.chunks = chunks,
            Given::Embeddings(embeddings) => {
                let Taken::Texts(texts) = &item.taken else { return };
                let record = named(view.run.step_id(view.number), self.plugin, texts, embeddings);
                done.output = Some(Arc::new(json!({
                    "model": record.model,
                    "purpose": record.purpose,
                    "dimensions": record.dimensions,
                    "count": record.vectors.len(),
                })));
                done.embeddings = Some(record);
            }
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

/// Vectors with the names of what they are of.
fn named(step: &str, plugin: String, texts: &Texts, embeddings: Embeddings) -> EmbeddingsRecord {
    let dimensions = embeddings.vectors.first().map_or(0, Vec::len);
    let vectors = texts.names.iter().zip(embeddings.vectors);
    EmbeddingsRecord {
        step: step.to_owned(),
        plugin,
        model: embeddings.model,
        purpose: texts.purpose,
        dimensions: u32::try_from(dimensions).unwrap_or(u32::MAX),
        vectors: vectors
            .map(|(of, vector)| NamedVector {
                of: of.clone(),
                vector,
            })
            .collect(),
    }
}
