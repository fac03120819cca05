//! Plan + inputs → outcome. Steps run as soon as what they need is over; what a step sees is what those before it gave,
//! joined in the definition's order, so the outcome does not depend on who was faster.
//!
//! A step begins when every step in its `needs` is over, however that one ended: skipped by `when`, failed with
//! `on_error: skip`, or succeeded; its own `when` decides by itself. Only a failure that is neither skipped nor caught by
//! a fallback ends the run, and so do the run's deadline and the host's interruption whatever `on_error` says: what runs
//! beside it is stopped, what has not begun is recorded as skipped.

mod asking;
mod attempt;
mod call;
mod chunking;
mod item;
mod key;
mod memo;
mod outcome;
mod saved;
mod state;
mod step;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use docmill_cache::Cache;
use docmill_engine::Engine;
use docmill_model::access::Clearance;
use docmill_model::failure::{Code, Failure};
use docmill_model::id::{RunId, TenantId};
use docmill_model::plan::Plan;
use docmill_model::run::{ArtifactRecord, Lookup, Millis, RunOutcome};
use docmill_model::size::ByteSize;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use crate::expression::{Known, Scope, Stop, Trouble, Variable};
use crate::inputs::{RunInputs, check_params, check_roles, check_size, invalid, lookups, with_defaults};
use crate::loader::Loader;
use crate::prepared::{Prepared, Ready};
use crate::schema::Effort;
use crate::vault::Vault;
use call::Caller;
pub use saved::Progress;
use state::Done;

/// Calls of one run that are under way at once; the engine decides how many really run.
const CALLS_AT_ONCE: usize = 16;
/// What the steps of one run may give all together, roughly in bytes.
const RUN_BYTES: usize = 512 << 20;
/// What is kept of the logs of one run.
const LOG_BYTES: usize = 4 << 20;
/// What is kept of its transformers' outputs.
const OUTPUT_BYTES: usize = 4 << 20;

/// What runs need of the host; cheap to clone.
#[derive(Clone)]
pub struct Executor(Arc<Parts>);

pub(crate) struct Parts {
    engine: Engine,
    loader: Loader,
    cache: Cache,
    platform_key: [u8; 32],
    ready: Ready,
    /// Places for heavy evaluations: as many as there are cores, so that hashing and files find threads beside them.
    heavy: Arc<Semaphore>,
    call: Caller,
    vault: Option<Vault>,
}

impl Executor {
    /// Over an engine, a loader of plugins, and a cache of what pure calls gave. The platform's key seeds what guests see as
    /// random.
    pub fn new(engine: Engine, loader: Loader, cache: Cache, platform_key: [u8; 32]) -> Self {
        Self::with_vault(engine, loader, cache, platform_key, None)
    }

    /// The same, with secrets for calls whose grants name some.
    pub fn with_vault(
        engine: Engine,
        loader: Loader,
        cache: Cache,
        platform_key: [u8; 32],
        vault: Option<Vault>,
    ) -> Self {
        let call = call::real(engine.clone(), loader.clone(), vault.clone());
        Self(Arc::new(Parts {
            vault,
            engine,
            loader,
            cache,
            platform_key,
            ready: Ready::default(),
            heavy: places(),
            call,
        }))
    }

    /// For metrics, and for shutting down.
    pub fn engine(&self) -> &Engine {
        &self.0.engine
    }

    /// The secrets, if this executor has any.
    pub fn vault(&self) -> Option<&Vault> {
        self.0.vault.as_ref()
    }

    /// For metrics.
    pub fn cache(&self) -> &Cache {
        &self.0.cache
    }

    /// Loads plugins.
    pub fn loader(&self) -> &Loader {
        &self.0.loader
    }

    /// Compares inputs with what the plan's definition takes.
    ///
    /// # Errors
    /// [`Code::MissingInput`], [`Code::DuplicateInput`], [`Code::UnknownInput`], [`Code::InputNotAccepted`],
    /// [`Code::InvalidParams`]; the message names role or place.
    pub async fn check_inputs(&self, plan: &Arc<Plan>, inputs: &RunInputs) -> Result<(), Failure> {
        check_roles(&plan.definition, inputs)?;
        check_size(&inputs.params)?;
        let prepared = self.0.ready.of(plan).await;
        if let Ok(checked) = check_params(prepared.params.as_ref(), &inputs.params, Effort::SMALL) {
            return checked;
        }
        let params = inputs.params.clone();
        let check = move |_: &Stop| check_params(prepared.params.as_ref(), &params, Effort::WHOLE);
        let checked = self.0.evaluate(true, None, check).await?;
        checked.unwrap_or_else(|why| Err(invalid(format!("the params: {why}"))))
    }

    /// The values by which the run is found again. One that comes to nothing is left out.
    ///
    /// # Errors
    /// [`Code::ExpressionFailed`], naming the look-up; [`Code::InvalidParams`].
    pub async fn lookups(&self, plan: &Arc<Plan>, inputs: &RunInputs) -> Result<Vec<Lookup>, Failure> {
        if plan.definition.lookups.is_empty() {
            return Ok(Vec::new());
        }
        let prepared = self.0.ready.of(plan).await;
        let (params, variable) = self.0.known(plan, &prepared, inputs).await?;
        let known = Known {
            params,
            inputs: variable,
            ..Known::default()
        };
        let first = inputs.first().and_then(|file| prepared.describe(file));
        let scope = Scope::new(known, first);
        let heavy = prepared.program.lookups.iter().any(|(_, t)| t.heavy(&scope));
        let work = move |stop: &Stop| lookups(&prepared.program.lookups, &scope, stop);
        self.0.evaluate(heavy, None, work).await?
    }

    /// The params with the defaults of what is left out.
    ///
    /// # Errors
    /// [`Code::InvalidParams`] when that comes to too much.
    pub async fn params(
        &self,
        plan: &Arc<Plan>,
        params: &serde_json::Value,
    ) -> Result<serde_json::Value, Failure> {
        let prepared = self.0.ready.of(plan).await;
        self.0.params(&prepared, params).await
    }
}

impl Parts {
    async fn params(
        &self,
        prepared: &Arc<Prepared>,
        params: &serde_json::Value,
    ) -> Result<serde_json::Value, Failure> {
        if let Ok(whole) = with_defaults(prepared.params.as_ref(), params, Effort::SMALL) {
            return Ok(whole);
        }
        check_size(params)?;
        let (prepared, params) = (Arc::clone(prepared), params.clone());
        let fill = move |_: &Stop| with_defaults(prepared.params.as_ref(), &params, Effort::WHOLE);
        let filled = self.evaluate(true, None, fill).await?;
        filled.map_err(|why| invalid(format!("the params: {why}")))
    }

    /// The variables `params` and `inputs` of a run.
    async fn known(
        &self,
        plan: &Arc<Plan>,
        prepared: &Arc<Prepared>,
        inputs: &RunInputs,
    ) -> Result<(Arc<serde_json::Value>, Arc<serde_json::Value>), Failure> {
        let params = self.params(prepared, &inputs.params).await?;
        let variable = if !prepared.program.variables.has(Variable::Inputs) {
            serde_json::Value::Null
        } else if inputs.is_small() {
            inputs.variable(&plan.definition)
        } else {
            let (plan, inputs) = (Arc::clone(plan), inputs.without_params());
            let copy = move |_: &Stop| inputs.variable(&plan.definition);
            self.evaluate(true, None, copy).await?
        };
        Ok((Arc::new(params), Arc::new(variable)))
    }

    /// Does it here, or, if it is heavy, on a thread that may block, when one of a few places is free. It is told to stop
    /// when the deadline is over, and when nobody waits for it any more.
    async fn evaluate<T: Send + 'static>(
        &self,
        heavy: bool,
        deadline: Option<Instant>,
        work: impl FnOnce(&Stop) -> T + Send + 'static,
    ) -> Result<T, Failure> {
        let stop = Stop::default();
        if !heavy {
            return Ok(work(&stop));
        }
        let _told = StopOnDrop(stop.clone());
        let places = Arc::clone(&self.heavy);
        let evaluated = async move {
            let place = places.acquire_owned().await;
            let work = move || {
                let _place = place;
                work(&stop)
            };
            tokio::task::spawn_blocking(work).await.map_err(|error| {
                if error.is_panic() {
                    tracing::error!(%error, "evaluating an expression panicked");
                    return Failure::new(
                        Code::Internal,
                        "an expression could not be evaluated; the log tells more",
                    );
                }
                Failure::new(
                    Code::Interrupted,
                    "the host stopped before an expression was evaluated",
                )
            })
        };
        match deadline {
            Some(deadline) => timeout_at(deadline, evaluated).await.unwrap_or_else(|_| {
                Err(Failure::new(
                    Code::Timeout,
                    "the run's time was over before an expression was evaluated",
                ))
            }),
            None => evaluated.await,
        }
    }
}

struct StopOnDrop(Stop);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.set();
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
    /// Bytes that a call may have at most, whatever the pipeline says; none: as the engine says.
    pub memory: Option<ByteSize>,
    /// It shares what parsers gave with runs of this tier; none: with nobody, because who asks may not know of them.
    pub reuse: Option<Clearance>,
}

/// Everything that a step of this run can reach.
pub(crate) struct Run {
    parts: Executor,
    tenant: TenantId,
    plan: Arc<Plan>,
    prepared: Arc<Prepared>,
    inputs: RunInputs,
    params: Arc<serde_json::Value>,
    variable: Arc<serde_json::Value>,
    context: RunContext,
    begun: Instant,
    /// For every parser the role that it reads.
    roles: Vec<Option<String>>,
    calls: Semaphore,
    bytes_left: AtomicUsize,
    log_left: AtomicUsize,
    progress: Option<Arc<dyn Progress>>,
}

impl Run {
    fn parts(&self) -> &Parts {
        &self.parts.0
    }

    /// See [`Parts::evaluate`].
    async fn evaluate<T: Send + 'static>(
        &self,
        heavy: bool,
        work: impl FnOnce(&Stop) -> T + Send + 'static,
    ) -> Result<T, Failure> {
        self.parts().evaluate(heavy, self.context.deadline, work).await
    }

    fn step_id(&self, number: usize) -> &str {
        self.plan
            .definition
            .steps
            .get(number)
            .map_or("", |s| s.id.as_str())
    }

    fn plugin(&self, number: usize) -> String {
        self.plan
            .steps
            .get(number)
            .map(|s| s.plugin.to_string())
            .unwrap_or_default()
    }

    /// Microseconds since the run began.
    fn at(&self) -> i64 {
        micros(self.begun.elapsed())
    }

    fn is_over_time(&self) -> bool {
        self.context
            .deadline
            .is_some_and(|deadline| Instant::now() >= deadline)
    }

    /// Takes what a result weighs from the run's budget.
    fn charge(&self, bytes: usize) -> Result<(), Failure> {
        let taken = self
            .bytes_left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(bytes)
            });
        taken.map(|_| ()).map_err(|_| {
            let message =
                format!("the results of the run's steps are larger than {RUN_BYTES} bytes together");
            Failure::new(Code::OutputLimit, message)
        })
    }

    /// A log, if the run may still keep that much.
    fn keep_log(&self, log: String) -> Option<String> {
        let take = |left: usize| left.checked_sub(log.len());
        let taken = self
            .log_left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
        (taken.is_ok() && !log.is_empty()).then_some(log)
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
    // Boxed: whoever runs samples inside a request would be a state machine that the compiler does not lay out any more.
    Box::pin(execute_from(executor, tenant, plan, inputs, context, None)).await
}

/// The same, going on after the steps that were kept before, and keeping those that follow.
pub async fn execute_from(
    executor: &Executor,
    tenant: TenantId,
    plan: &Arc<Plan>,
    inputs: RunInputs,
    context: RunContext,
    progress: Option<Arc<dyn Progress>>,
) -> (RunOutcome, Vec<(ArtifactRecord, Bytes)>) {
    let begun = Instant::now();
    let prepared = executor.0.ready.of(plan).await;
    let known = executor.0.known(plan, &prepared, &inputs).await;
    let (known, failed) = match known {
        Ok(known) => (known, None),
        Err(failure) => (Default::default(), Some(failure)),
    };
    let (params, variable) = known;
    let run = Run {
        parts: executor.clone(),
        tenant,
        plan: plan.clone(),
        params,
        variable,
        roles: key::roles(plan, &inputs),
        prepared,
        inputs,
        context,
        begun,
        calls: Semaphore::new(CALLS_AT_ONCE),
        bytes_left: AtomicUsize::new(RUN_BYTES),
        log_left: AtomicUsize::new(LOG_BYTES),
        progress,
    };
    let (done, failure) = match failed {
        Some(_) => (vec![None; plan.steps.len()], failed),
        None => steps(&run).await,
    };
    outcome::finish(&run, done, failure).await
}

/// Runs the steps; stops at the first failure that ends the run.
async fn steps(run: &Run) -> (Vec<Option<Arc<Done>>>, Option<Failure>) {
    let mut done: Vec<Option<Arc<Done>>> = vec![None; run.plan.steps.len()];
    let before_this = match saved::before(run).await {
        Ok(kept) => kept,
        Err(failure) => return (done, Some(failure)),
    };
    for kept in before_this {
        if let Some(place) = done.get_mut(kept.number) {
            *place = Some(Arc::new(kept));
        }
    }
    let mut waiting: Vec<usize> = (0..run.plan.steps.len())
        .filter(|number| done.get(*number).is_none_or(Option::is_none))
        .collect();
    let mut running = FuturesUnordered::new();
    let program = |number: usize| run.prepared.program.steps.get(number);
    let before = |done: &[Option<Arc<Done>>], number: usize| -> Vec<Arc<Done>> {
        let ancestors = program(number).into_iter().flat_map(|program| &program.ancestors);
        ancestors
            .filter_map(|a| done.get(*a).cloned().flatten())
            .collect()
    };
    loop {
        let mut ready: Vec<usize> = Vec::new();
        waiting.retain(|number| {
            let is_over = |step: &usize| done.get(*step).is_some_and(Option::is_some);
            let waits = program(*number).is_some_and(|program| !program.needs.iter().all(is_over));
            if !waits {
                ready.push(*number);
            }
            waits
        });
        if let Some(Err(failure)) = ready
            .iter()
            .map(|number| saved::begin(run, *number))
            .find(Result::is_err)
        {
            return (done, Some(failure));
        }
        let next = match (running.is_empty(), ready.as_slice()) {
            // Nothing runs beside it.
            (true, [only]) => Some(step::step(run, *only, before(&done, *only)).await),
            _ => {
                running.extend(
                    ready
                        .iter()
                        .map(|number| step::step(run, *number, before(&done, *number))),
                );
                running.next().await
            }
        };
        let Some((number, ended)) = next else {
            return (done, None);
        };
        let kept = saved::keep(run, &ended).await;
        let failure = ended.ends_run.clone().or(kept.err());
        if let Some(place) = done.get_mut(number) {
            *place = Some(Arc::new(ended));
        }
        if failure.is_some() {
            return (done, failure);
        }
    }
}

/// An expression that gave no value, as a failure.
fn expression_failed(at: &str, source: &str, trouble: &Trouble) -> Failure {
    let shown: String = source.trim().chars().take(200).collect();
    Failure::new(
        Code::ExpressionFailed,
        format!("{at}: `{shown}` cannot be evaluated: {trouble}"),
    )
}

fn places() -> Arc<Semaphore> {
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    Arc::new(Semaphore::new(cores.max(2)))
}

fn micros(span: std::time::Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
