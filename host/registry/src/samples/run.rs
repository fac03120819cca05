//! Running a sample: the steps before it and the plugin, as a pipeline of which nothing is kept but what it used.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use docmill_model::access::Clearance;
use docmill_model::definition::{Definition, Problem};
use docmill_model::failure::{Code, Failure};
use docmill_model::id::{
    DocumentId, KeyId, PipelineId, PipelineVersionId, RequestId, RunId, SourceId, TenantId,
};
use docmill_model::plan::Plan;
use docmill_model::quota::Allowance;
use docmill_model::run::{InputContent, Millis, RunHead, RunInput, RunOutcome, Status};
use docmill_model::size::ByteSize;
use docmill_model::usage::{Amounts, of_run};
use docmill_pipeline::{Catalog, Executor, FileInput, RunContext, RunInputs, execute, plan};
use docmill_store::Store;
use docmill_store::plugin::CatalogEntry;
use docmill_store::usage::UsageEntry;
use serde_json::{Map, Value as Json, json};
use tokio::time::Instant;

use super::{Input, Sample, first_difference, view};

/// The id of the step that is tried out.
pub(super) const PLUGIN: &str = "plugin";
/// What a pipeline has that states none.
const ONE: Duration = Duration::from_secs(60);
/// All samples of a version together.
const ALL: Duration = Duration::from_secs(180);

/// A version whose samples are tried out.
pub(crate) struct Trial<'a> {
    pub(crate) executor: &'a Executor,
    pub(crate) store: &'a Store,
    pub(crate) tenant: TenantId,
    /// Whose usage it is.
    pub(crate) key: Option<KeyId>,
    /// What runs of the tenant may use.
    pub(crate) allowance: &'a Allowance,
    pub(crate) candidate: CatalogEntry,
    pub(crate) now: Millis,
}

/// What became of samples.
#[derive(Default)]
pub(crate) struct Tried {
    /// Of each sample its name, and what is wrong with it.
    pub(crate) lines: Vec<(String, Result<String, String>)>,
    /// CPU time of guests.
    pub(crate) cpu_us: u64,
}

impl Trial<'_> {
    /// Runs all of them, one after the other, and writes down what they used.
    ///
    /// # Errors
    /// When what they used cannot be written down.
    pub(crate) async fn run(&self, samples: &[Sample]) -> Result<Tried, Failure> {
        let end = Instant::now() + ALL;
        let mut tried = Tried::default();
        let mut used = BTreeMap::new();
        for sample in samples {
            let found = if Instant::now() < end {
                self.one(sample, end, &mut used).await
            } else {
                Err(format!(
                    "was not tried: all samples together took longer than {} s",
                    ALL.as_secs()
                ))
            };
            tried.lines.push((sample.name.clone(), found));
        }
        let plugins = used.iter().filter(|(plugin, _)| plugin.is_some());
        tried.cpu_us = plugins.map(|(_, amounts): (_, &Amounts)| amounts.cpu_us).sum();
        self.record(used).await?;
        Ok(tried)
    }

    /// What is wrong with one.
    async fn one(
        &self,
        sample: &Sample,
        end: Instant,
        used: &mut BTreeMap<Option<String>, Amounts>,
    ) -> Result<String, String> {
        let plan = Arc::new(self.plan(sample).await?);
        let head = self.head(sample);
        let inputs = sample.inputs();
        let context = RunContext {
            run: head.id,
            started_at: self.now,
            deadline: Some(end.min(Instant::now() + ONE)),
            memory: self.allowance.memory.map(ByteSize),
            reuse: None,
        };
        let (outcome, artifacts) = execute(self.executor, self.tenant, &plan, inputs, context).await;
        let (own, plugins) = of_run(&head, &outcome);
        used.entry(None).or_default().add(&own);
        for (plugin, amounts) in plugins {
            used.entry(Some(plugin.to_owned())).or_default().add(&amounts);
        }
        let found = view::of(&outcome, &artifacts);
        let is_error_expected = sample.expect.get("error").is_some_and(|error| !error.is_null());
        if outcome.status == Status::Failed && !is_error_expected {
            return Err(format!("failed: {}", failure_of(&outcome)));
        }
        match first_difference(&sample.expect, &found, sample.tolerance, &sample.tolerances) {
            None => Ok("comes out as it should".to_owned()),
            Some(difference) => Err(difference),
        }
    }

    async fn plan(&self, sample: &Sample) -> Result<Plan, String> {
        let definition = self.definition(sample)?;
        let catalog = Catalog::of(self.store, self.tenant, &definition).await;
        let catalog = catalog
            .map_err(|error| error.failure().message)?
            .and(self.candidate.clone());
        // Schemas are compiled: not on the async threads.
        let planned = tokio::task::spawn_blocking(move || plan(&definition, &catalog)).await;
        let plan = planned
            .map_err(|error| {
                tracing::error!(%error, "planning a sample panicked");
                "could not be planned".to_owned()
            })?
            .map_err(|problems| told(&problems))?;
        let mut plugins = plan.steps.iter().map(|step| &step.plugin);
        match plugins.find(|plugin| !self.allowance.allows_plugin(&plugin.name.to_string())) {
            Some(plugin) => Err(format!("uses {plugin}, which the organisation may not use")),
            None => Ok(plan),
        }
    }

    fn definition(&self, sample: &Sample) -> Result<Definition, String> {
        let input = match &sample.input {
            Input::Document(_) => Some(("file", "file")),
            Input::Text(_) => Some(("text", "text")),
            Input::Record(_) => Some(("record", "record")),
            Input::Nothing => None,
        };
        let inputs: Map<String, Json> = input
            .map(|(role, kind)| (role.to_owned(), json!({ "kind": kind })))
            .into_iter()
            .collect();
        let CatalogEntry { name, version, .. } = &self.candidate;
        let before = sample.before.iter().enumerate();
        let mut steps: Vec<Json> = before
            .map(|(n, step)| json!({ "id": format!("before_{n}"), "use": step.plugin, "with": step.with }))
            .collect();
        steps.push(json!({ "id": PLUGIN, "use": format!("{name}@={version}"), "with": sample.config }));
        let written = json!({
            "name": "sample", "inputs": inputs, "retain": "debug", "steps": steps,
        });
        Definition::parse(&written.to_string()).map_err(|problems| told(&problems))
    }

    fn head(&self, sample: &Sample) -> RunHead {
        RunHead {
            id: RunId::new(),
            pipeline: PipelineId::new(),
            pipeline_name: self.pipeline_name(),
            pipeline_version: PipelineVersionId::new(),
            version_number: 1,
            durability: Default::default(),
            retain: Default::default(),
            created_at: self.now,
            tier: Clearance::everybody(),
            key: self.key,
            user: None,
            subject: None,
            client_ip: None,
            request: RequestId::new(),
            params: Json::Object(Map::new()),
            lookups: Vec::new(),
            inputs: sample.recorded(),
            plugins: Vec::new(),
        }
    }

    /// As the ledger calls what samples used.
    fn pipeline_name(&self) -> String {
        format!("samples of {}", self.candidate.name)
    }

    async fn record(&self, used: BTreeMap<Option<String>, Amounts>) -> Result<(), Failure> {
        if used.is_empty() {
            return Ok(());
        }
        let entries = used.into_iter().map(|(plugin, amounts)| UsageEntry {
            key: self.key,
            at: self.now,
            pipeline: self.pipeline_name(),
            plugin,
            amounts,
        });
        let entries: Vec<UsageEntry> = entries.collect();
        let written = self.store.record_usage(self.tenant, RunId::new(), &entries).await;
        written.map_err(|error| error.failure())
    }
}

impl Sample {
    fn inputs(&self) -> RunInputs {
        let mut inputs = RunInputs {
            params: Json::Object(Map::new()),
            ..RunInputs::default()
        };
        match &self.input {
            Input::Document(source) => {
                let file = FileInput {
                    document: DocumentId::new(),
                    source: SourceId::new(),
                    bytes: Arc::new(source.clone()),
                };
                inputs.files.insert("file".to_owned(), vec![file]);
            }
            Input::Text(text) => {
                inputs.texts.insert("text".to_owned(), vec![text.as_str().into()]);
            }
            Input::Record(record) => {
                inputs
                    .records
                    .insert("record".to_owned(), vec![Arc::new(record.clone())]);
            }
            Input::Nothing => {}
        }
        inputs
    }

    /// For the ledger.
    fn recorded(&self) -> Vec<RunInput> {
        let content = match &self.input {
            Input::Document(source) => InputContent::File {
                document: DocumentId::new(),
                source: SourceId::new(),
                name: None,
                media_type: source.media_type.clone(),
                size: source.bytes.len() as u64,
                digest: source.digest,
            },
            Input::Text(text) => InputContent::Text { text: text.clone() },
            Input::Record(record) => InputContent::Record {
                record: record.clone(),
            },
            Input::Nothing => return Vec::new(),
        };
        vec![RunInput {
            role: "file".to_owned(),
            position: 0,
            content,
        }]
    }
}

fn told(problems: &[Problem]) -> String {
    let said: Vec<String> = problems.iter().take(5).map(ToString::to_string).collect();
    format!("cannot be planned: {}", said.join("; "))
}

fn failure_of(outcome: &RunOutcome) -> String {
    let code = outcome.error.as_ref().map_or(Code::Internal, |error| error.code);
    let said = outcome.error.as_ref().map(|error| error.message.as_str());
    format!("{} ({code})", said.unwrap_or("nobody says why"))
}
