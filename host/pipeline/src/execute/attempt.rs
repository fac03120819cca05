//! Attempts: reuse or call, and try again what may pass.

use std::sync::Arc;
use std::time::Duration;

use docmill_engine::{Call, Context, Output};
use docmill_model::chunk::{Chunk, Embeddings};
use docmill_model::definition::{Retain, Retry};
use docmill_model::digest::{Digest, Hasher};
use docmill_model::duration::Span;
use docmill_model::failure::{Code, Failure};
use docmill_model::grant::Grants;
use docmill_model::id::AttemptId;
use docmill_model::limits::{Limits, LimitsSpec};
use docmill_model::plugin::PinnedPlugin;
use docmill_model::reading::Reading;
use docmill_model::run::{AttemptRecord, CallUsage};
use docmill_model::size::ByteSize;
use docmill_model::value::{Artifact, Check, Field};
use serde_json::Value as Json;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::call::Request;
use super::{Run, memo};
use crate::cost::Cost;
use crate::weight;

/// Which plugin is asked what.
pub(crate) struct Asked<'a> {
    pub(crate) number: usize,
    pub(crate) item: Option<usize>,
    pub(crate) plugin: &'a PinnedPlugin,
    /// What the plugin may do beyond its inputs.
    pub(crate) grants: &'a Grants,
    pub(crate) call: Call,
    /// See [`memo::identity`].
    pub(crate) identity: Digest,
    /// What the plugin's calls cost of late.
    pub(crate) cost: &'a Cost,
    /// For a parser: what its reading is called.
    pub(crate) key: Option<String>,
}

/// What a call gave.
pub(crate) enum Given {
    Reading(Arc<Reading>),
    Fields(Vec<Field>),
    Checks(Vec<Check>),
    Json(Json),
    Artifact(Artifact),
    Chunks(Vec<Chunk>),
    Embeddings(Embeddings),
}

/// The longest pause between two attempts that a plugin did not ask for.
const MAX_PAUSE: Duration = Duration::from_secs(60);
/// How long after the run's deadline a call is given up whose engine has not noticed it.
const GRACE: Duration = Duration::from_millis(250);

/// Tries until it succeeds, cannot be cured by trying again, or no attempt or time is left.
pub(crate) async fn attempts(
    run: &Run,
    asked: Asked<'_>,
    records: &mut Vec<AttemptRecord>,
) -> Result<Given, Failure> {
    let retry = run.plan.definition.steps.get(asked.number).and_then(|s| s.retry);
    let most = retry.map_or(1, |r| r.attempts);
    let mut attempt: u32 = 1;
    loop {
        let failure = match once(run, &asked, records).await {
            Ok(given) => return Ok(given),
            Err(failure) => failure,
        };
        let Some(retry) = retry.filter(|r| attempt < most && curable(&failure, r)) else {
            return Err(failure);
        };
        let resume = Instant::now() + pause(run, &asked, retry, attempt, &failure);
        // No attempt is begun that could not end in time.
        if run.context.deadline.is_some_and(|deadline| resume >= deadline) {
            return Err(failure);
        }
        sleep_until(resume).await;
        attempt = attempt.saturating_add(1);
    }
}

fn curable(failure: &Failure, retry: &Retry) -> bool {
    let never = matches!(
        failure.code,
        Code::Unsupported
            | Code::InvalidInput
            | Code::InvalidConfig
            | Code::InputTooLarge
            | Code::PluginBound
            | Code::InvalidComponent
            | Code::Denied
            | Code::Interrupted
    );
    !never && (failure.code.transient() || retry.any_failure)
}

/// Doubles each time, plus or minus a fifth; the spread comes from the run, so that it can be repeated.
fn pause(run: &Run, asked: &Asked<'_>, retry: Retry, attempt: u32, failure: &Failure) -> Duration {
    let factor = 1_u32.checked_shl(attempt.saturating_sub(1)).unwrap_or(u32::MAX);
    let doubled = retry.backoff.0.saturating_mul(factor).min(MAX_PAUSE);
    let mut hasher = Hasher::default();
    hasher.update(run.context.run.uuid().as_bytes());
    hasher.update(format!("{} {:?} {attempt}", asked.number, asked.item).as_bytes());
    let spread = hasher.finish().as_bytes().first().copied().unwrap_or(128);
    let jittered = doubled.mul_f64(0.8 + 0.4 * f64::from(spread) / 255.0);
    let wanted = failure
        .retry_after_ms
        .map_or(Duration::ZERO, |ms| Duration::from_millis(u64::from(ms)));
    jittered.max(wanted)
}

/// One attempt, recorded.
async fn once(run: &Run, asked: &Asked<'_>, records: &mut Vec<AttemptRecord>) -> Result<Given, Failure> {
    let mut record = AttemptRecord {
        id: AttemptId::new(),
        plugin: asked.plugin.to_string(),
        started_us: run.at(),
        error: None,
        usage: CallUsage::default(),
        log: None,
        reused: false,
    };
    let mut limits = limits(run, asked.number);
    if let Some(most) = run.context.memory {
        limits.memory = limits.memory.min(most);
    }
    let began = Instant::now();
    let result = match &asked.key {
        Some(key) => memo::reading(run, asked, key, &limits, &mut record).await,
        None => invoke(run, asked, None, &limits, &mut record).await,
    };
    let result = result
        .and_then(|given| run.charge(weigh(&given)).map(|()| given))
        .map_err(|mut failure| {
            failure.plugin.get_or_insert_with(|| asked.plugin.to_string());
            failure.in_step(run.step_id(asked.number))
        });
    if record.usage.wall_us == 0 {
        record.usage.wall_us = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
    }
    record.error = result.as_ref().err().cloned();
    records.push(record);
    result
}

/// Calls the plugin, when it is this run's turn.
pub(crate) async fn invoke(
    run: &Run,
    asked: &Asked<'_>,
    key: Option<&str>,
    limits: &Limits,
    record: &mut AttemptRecord,
) -> Result<Given, Failure> {
    let request = Request {
        tenant: run.tenant,
        run: run.context.run,
        plugin: asked.plugin.clone(),
        grants: asked.grants.clone(),
        call: asked.call.clone(),
        limits: *limits,
        context: Context {
            now: run.context.started_at,
            seed: memo::seed(run, asked.identity),
            deadline: run.context.deadline,
        },
        plan: run.plan.clone(),
        memory: run.context.memory,
    };
    let work = async {
        let _turn = run.calls.acquire().await;
        (run.parts().call)(request).await
    };
    let late = || {
        Failure::new(
            Code::Timeout,
            "the run's time was over before the plugin was done",
        )
    };
    let invocation = match run.context.deadline {
        Some(deadline) => timeout_at(deadline + GRACE, work).await.map_err(|_| late())?,
        None => work.await,
    };
    if invocation.result.is_err() || run.plan.definition.retain == Retain::Debug {
        record.log = run.keep_log(invocation.log);
    }
    record.usage = invocation.usage;
    Ok(match invocation.result? {
        Output::Reading(reading) => {
            let key = key.unwrap_or_default().to_owned();
            Given::Reading(Arc::new(Reading { key, ..reading }))
        }
        Output::Fields(fields) => Given::Fields(fields),
        Output::Checks(checks) => Given::Checks(checks),
        Output::Json(json) => Given::Json(json),
        Output::Artifact(artifact) => Given::Artifact(artifact),
        Output::Chunks(chunks) => Given::Chunks(chunks),
        Output::Embeddings(embeddings) => Given::Embeddings(embeddings),
        Output::Completion(_) => {
            let message = "a step called an llm-adapter; this is a fault of docmill";
            return Err(Failure::new(Code::Internal, message));
        }
    })
}

fn weigh(given: &Given) -> usize {
    match given {
        Given::Reading(reading) => weight::reading(reading),
        Given::Fields(fields) => fields.iter().map(weight::field).sum(),
        Given::Checks(checks) => checks.iter().map(weight::check).sum(),
        Given::Json(json) => weight::json(json),
        Given::Artifact(artifact) => artifact.content.len(),
        Given::Chunks(chunks) => chunks.iter().map(weight::chunk).sum(),
        Given::Embeddings(embeddings) => weight::embeddings(embeddings),
    }
}

/// The step's limits over the pipeline's over the defaults; the engine keeps its own ceiling.
fn limits(run: &Run, number: usize) -> Limits {
    let definition = &run.plan.definition;
    let defaults = Limits::default();
    let unbounded = Limits {
        timeout: Span(Duration::MAX),
        cpu: Span(Duration::MAX),
        memory: ByteSize(u64::MAX),
        output: ByteSize(u64::MAX),
        log: ByteSize(u64::MAX),
        ..defaults
    };
    // On a pipeline, `timeout` is that of the whole run.
    let whole = LimitsSpec {
        timeout: None,
        ..definition.limits
    };
    let base = whole.apply(defaults, &unbounded);
    let Some(step) = definition.steps.get(number) else {
        return base;
    };
    let mut limits = step.limits.apply(base, &unbounded);
    if let Some(timeout) = step.timeout {
        limits.timeout = step.limits.timeout.map_or(timeout, |other| other.min(timeout));
    }
    limits
}
