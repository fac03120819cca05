//! Plan + inputs → outcome. Steps run as soon as what they need is over; what a step sees is what those before it gave,
//! joined in the definition's order, so the outcome does not depend on who was faster.
//!
//! A step begins when every step in its `needs` is over, however that one ended: skipped by `when`, failed with
//! `on_error: skip`, or succeeded. Only a failure that is neither skipped nor caught by a fallback ends the run: what runs
//! beside it is stopped, what has not begun is recorded as skipped.

mod attempt;
mod item;
mod memo;
mod state;
mod step;

use std::sync::Arc;

use bytes::Bytes;
use docmill_cache::Cache;
use docmill_engine::Engine;
use docmill_model::failure::{Code, Failure};
use docmill_model::id::{RunId, StepId, TenantId};
use docmill_model::plan::Plan;
use docmill_model::run::{ArtifactRecord, Millis, RunOutcome, Status, StepRecord, StepStatus};
use docmill_model::value::Verdict;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::time::Instant;

use crate::expression::{Absent, Template, Trouble};
use crate::inputs::{RunInputs, with_defaults};
use crate::loader::Loader;
use crate::program::{Program, Programs};
use state::{Done, Gathered};

/// What runs need of the host; cheap to clone.
#[derive(Clone)]
pub struct Executor(Arc<Parts>);

pub(crate) struct Parts {
    engine: Engine,
    loader: Loader,
    cache: Cache,
    platform_key: [u8; 32],
    programs: Programs,
}

impl Executor {
    /// Over an engine, a loader of plugins, and a cache of what pure calls gave. The platform's key seeds what guests see as
    /// random.
    pub fn new(engine: Engine, loader: Loader, cache: Cache, platform_key: [u8; 32]) -> Self {
        Self(Arc::new(Parts {
            engine,
            loader,
            cache,
            platform_key,
            programs: Programs::default(),
        }))
    }

    /// For metrics, and for shutting down.
    pub fn engine(&self) -> &Engine {
        &self.0.engine
    }

    /// For metrics.
    pub fn cache(&self) -> &Cache {
        &self.0.cache
    }

    /// Loads plugins.
    pub fn loader(&self) -> &Loader {
        &self.0.loader
    }
}

/// Which run it is.
#[derive(Debug, Clone, Copy)]
pub struct RunContext {
    /// The run.
    pub run: RunId,
    /// The time that guests see.
    pub started_at: Millis,
    /// No step goes on after it.
    pub deadline: Option<Instant>,
}

/// Everything that a step of this run can reach.
pub(crate) struct Run {
    pub(crate) parts: Executor,
    pub(crate) tenant: TenantId,
    pub(crate) plan: Arc<Plan>,
    pub(crate) program: Arc<Program>,
    pub(crate) inputs: RunInputs,
    pub(crate) params: Arc<serde_json::Value>,
    pub(crate) variable: Arc<serde_json::Value>,
    pub(crate) context: RunContext,
    pub(crate) begun: Instant,
}

impl Run {
    fn parts(&self) -> &Parts {
        &self.parts.0
    }

    fn step_id(&self, number: usize) -> &str {
        self.plan
            .definition
            .steps
            .get(number)
            .map_or("", |s| s.id.as_str())
    }
}

/// Executes a plan. Dropping the future stops its guests.
pub async fn execute(
    executor: &Executor,
    tenant: TenantId,
    plan: &Arc<Plan>,
    inputs: RunInputs,
    context: RunContext,
) -> (RunOutcome, Vec<(ArtifactRecord, Bytes)>) {
    let definition = &plan.definition;
    let run = Run {
        parts: executor.clone(),
        tenant,
        plan: plan.clone(),
        program: executor.0.programs.of(plan),
        params: Arc::new(with_defaults(definition, &inputs.params)),
        variable: Arc::new(inputs.variable(definition)),
        inputs,
        context,
        begun: Instant::now(),
    };
    let (done, failure) = steps(&run).await;
    finish(&run, done, failure).await
}

/// Runs the steps; stops at the first failure that ends the run.
async fn steps(run: &Run) -> (Vec<Option<Arc<Done>>>, Option<Failure>) {
    let count = run.plan.steps.len();
    let mut done: Vec<Option<Arc<Done>>> = vec![None; count];
    let mut begun = vec![false; count];
    let mut running = FuturesUnordered::new();
    let mut failure = None;
    loop {
        for number in 0..count {
            let Some(program) = run.program.steps.get(number) else {
                continue;
            };
            let waits = begun.get(number) != Some(&false);
            if waits
                || !program
                    .needs
                    .iter()
                    .all(|need| done.get(*need).is_some_and(Option::is_some))
            {
                continue;
            }
            if let Some(mark) = begun.get_mut(number) {
                *mark = true;
            }
            let before: Vec<Arc<Done>> = program
                .ancestors
                .iter()
                .filter_map(|a| done.get(*a).cloned().flatten())
                .collect();
            running.push(step::step(run, number, before));
        }
        let Some((number, ended)) = running.next().await else {
            break;
        };
        failure = ended.ends_run.clone();
        if let Some(place) = done.get_mut(number) {
            *place = Some(Arc::new(ended));
        }
        if failure.is_some() {
            break;
        }
    }
    (done, failure)
}

/// Puts the outcome together, in the definition's order.
async fn finish(
    run: &Run,
    done: Vec<Option<Arc<Done>>>,
    failure: Option<Failure>,
) -> (RunOutcome, Vec<(ArtifactRecord, Bytes)>) {
    let mut steps = Vec::new();
    for (number, ended) in done.iter().enumerate() {
        match ended {
            Some(ended) => steps.extend(ended.records.iter().cloned()),
            None => steps.push(never_begun(run, number)),
        }
    }
    let present: Vec<Arc<Done>> = done.into_iter().flatten().collect();
    let gathered = Gathered::over(run, &present);
    let (output, failure) = match (&run.program.output, failure) {
        (Some(template), None) => match output(run, template, &gathered, &present).await {
            Ok(output) => (Some(output), None),
            Err(failure) => (None, Some(failure)),
        },
        (_, failure) => (None, failure),
    };
    let artifacts: Vec<(ArtifactRecord, Bytes)> =
        present.iter().flat_map(|d| d.artifacts.iter().cloned()).collect();
    let checks = gathered.checks.as_ref().clone();
    let outcome = RunOutcome {
        status: if failure.is_some() {
            Status::Failed
        } else {
            Status::Succeeded
        },
        verdict: if failure.is_some() {
            None
        } else {
            Verdict::over(&checks)
        },
        error: failure,
        output,
        fields: gathered.fields.as_ref().clone(),
        conflicts: gathered.conflicts,
        checks,
        steps,
        artifacts: artifacts.iter().map(|(record, _)| record.clone()).collect(),
        readings: present
            .iter()
            .flat_map(|d| d.readings.iter().map(|r| r.record.clone()))
            .collect(),
        started_at: run.context.started_at,
        finished_at: run
            .context
            .started_at
            .saturating_add(i64::try_from(run.begun.elapsed().as_millis()).unwrap_or(0)),
    };
    (outcome, artifacts)
}

fn never_begun(run: &Run, number: usize) -> StepRecord {
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
        status: StepStatus::Skipped,
        started_us: micros(run.begun.elapsed()),
        wall_us: 0,
        attempts: Vec::new(),
    }
}

async fn output(
    run: &Run,
    template: &Template,
    gathered: &Gathered,
    present: &[Arc<Done>],
) -> Result<serde_json::Value, Failure> {
    let scope = gathered.scope(run, present, run.inputs.first());
    let evaluated = if template.heavy(&scope) {
        let program = run.program.clone();
        let work = move || program.output.as_ref().map(|t| t.evaluate(&scope, Absent::Null));
        tokio::task::spawn_blocking(work).await.ok().flatten()
    } else {
        Some(template.evaluate(&scope, Absent::Null))
    };
    evaluated
        .unwrap_or(Ok(serde_json::Value::Null))
        .map_err(|failed| expression_failed("output", &failed.source, &failed.trouble))
}

/// An expression that gave no value, as a failure.
pub(crate) fn expression_failed(at: &str, source: &str, trouble: &Trouble) -> Failure {
    let shown: String = source.chars().take(200).collect();
    Failure::new(
        Code::ExpressionFailed,
        format!("{at}: `{shown}` cannot be evaluated: {trouble}"),
    )
}

pub(crate) fn micros(span: std::time::Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}
