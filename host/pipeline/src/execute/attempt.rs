//! Attempts: load, reuse or call, and try again what may pass.

use std::sync::Arc;
use std::time::Duration;

use docmill_engine::{Call, Context, Output};
use docmill_model::definition::{Retain, Retry};
use docmill_model::digest::{Digest, Hasher};
use docmill_model::failure::{Code, Failure};
use docmill_model::id::AttemptId;
use docmill_model::limits::Limits;
use docmill_model::plugin::PinnedPlugin;
use docmill_model::run::{AttemptRecord, CallUsage};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::{Run, memo};
use crate::inputs::FileInput;

/// Which plugin is asked what.
pub(crate) struct Asked<'a> {
    pub(crate) number: usize,
    pub(crate) item: Option<usize>,
    pub(crate) plugin: &'a PinnedPlugin,
    /// Of the plugin and its configuration.
    pub(crate) recipe: Digest,
    pub(crate) call: Call,
    /// What a parser reads.
    pub(crate) file: Option<&'a FileInput>,
}

/// The longest pause between two attempts.
const MAX_PAUSE: Duration = Duration::from_secs(60);

/// Tries until it succeeds, cannot be cured by trying again, or no attempt or time is left.
pub(crate) async fn attempts(
    run: &Run,
    asked: Asked<'_>,
    records: &mut Vec<AttemptRecord>,
) -> Result<Arc<Output>, Failure> {
    let retry = run.plan.definition.steps.get(asked.number).and_then(|s| s.retry);
    let most = retry.map_or(1, |r| r.attempts);
    let mut attempt = 1;
    loop {
        let failure = match once(run, &asked, records).await {
            Ok(output) => return Ok(output),
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
        attempt += 1;
    }
}

fn curable(failure: &Failure, retry: &Retry) -> bool {
    let never = matches!(
        failure.code,
        Code::Unsupported | Code::InvalidInput | Code::InvalidConfig | Code::Interrupted
    );
    !never && (failure.code.transient() || retry.any_failure)
}

/// Doubles each time, plus or minus a fifth; the spread comes from the run, so a replay pauses alike.
fn pause(run: &Run, asked: &Asked<'_>, retry: Retry, attempt: u32, failure: &Failure) -> Duration {
    let doubled = retry
        .backoff
        .0
        .saturating_mul(1_u32.checked_shl(attempt.saturating_sub(1)).unwrap_or(u32::MAX));
    let mut hasher = Hasher::default();
    hasher.update(run.context.run.uuid().as_bytes());
    hasher.update(format!("{} {:?} {attempt}", asked.number, asked.item).as_bytes());
    let spread = hasher.finish().as_bytes().first().copied().unwrap_or(128);
    let jittered = doubled
        .min(MAX_PAUSE)
        .mul_f64(0.8 + 0.4 * f64::from(spread) / 255.0);
    let asked_for = failure
        .retry_after_ms
        .map_or(Duration::ZERO, |ms| Duration::from_millis(u64::from(ms)));
    jittered.max(asked_for)
}

/// One attempt, recorded.
async fn once(
    run: &Run,
    asked: &Asked<'_>,
    records: &mut Vec<AttemptRecord>,
) -> Result<Arc<Output>, Failure> {
    let mut record = AttemptRecord {
        id: AttemptId::new(),
        plugin: asked.plugin.to_string(),
        error: None,
        usage: CallUsage::default(),
        log: None,
        reused: false,
    };
    let started = Instant::now();
    let result = match memo::key(run, asked) {
        Some(key) => memo::reading(run, asked, key, &mut record).await,
        None => invoke(run, asked, &mut record).await.map(Arc::new),
    };
    if record.usage.wall_us == 0 {
        record.usage.wall_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
    }
    record.error = result.as_ref().err().cloned();
    records.push(record);
    result.map_err(|mut failure| {
        failure.plugin.get_or_insert_with(|| asked.plugin.to_string());
        failure.in_step(run.step_id(asked.number))
    })
}

/// Loads the plugin and calls it.
pub(crate) async fn invoke(
    run: &Run,
    asked: &Asked<'_>,
    record: &mut AttemptRecord,
) -> Result<Output, Failure> {
    let load = run.parts().loader.plugin(run.tenant, asked.plugin);
    let plugin = match run.context.deadline {
        Some(deadline) => timeout_at(deadline, load).await.map_err(|_| {
            Failure::new(
                Code::Timeout,
                "the run's time was over before the plugin was loaded",
            )
        })??,
        None => load.await?,
    };
    let context = Context {
        now: run.context.started_at,
        seed: seed(run, asked),
        deadline: run.context.deadline,
    };
    let invocation = run
        .parts()
        .engine
        .invoke(&plugin, asked.call.clone(), &limits(run, asked.number), &context)
        .await;
    let keep_log = invocation.result.is_err() || run.plan.definition.retain == Retain::Debug;
    record.log = Some(invocation.log).filter(|log| keep_log && !log.is_empty());
    record.usage = invocation.usage;
    invocation.result
}

/// The step's limits over the pipeline's over the defaults; the engine keeps its own ceiling.
fn limits(run: &Run, number: usize) -> Limits {
    let definition = &run.plan.definition;
    let defaults = Limits::default();
    let ceiling = Limits {
        timeout: docmill_model::duration::Span::seconds(86_400),
        cpu: docmill_model::duration::Span::seconds(86_400),
        memory: docmill_model::size::ByteSize(u64::MAX),
        output: docmill_model::size::ByteSize(u64::MAX),
        log: docmill_model::size::ByteSize(u64::MAX),
        ..defaults
    };
    // On a pipeline, `timeout` is that of the whole run.
    let whole = docmill_model::limits::LimitsSpec {
        timeout: None,
        ..definition.limits
    };
    let base = whole.apply(defaults, &ceiling);
    let Some(step) = definition.steps.get(number) else {
        return base;
    };
    let mut limits = step.limits.apply(base, &ceiling);
    if let Some(timeout) = step.timeout {
        limits.timeout = timeout;
    }
    limits
}

/// What the guest's random numbers are made from: the same call on the same document sees the same numbers, and nobody
/// outside can know them.
fn seed(run: &Run, asked: &Asked<'_>) -> [u8; 32] {
    let mut hasher = Hasher::default();
    hasher.update(&run.parts().platform_key);
    hasher.update(run.tenant.uuid().as_bytes());
    hasher.update(asked.recipe.as_bytes());
    for file in run.inputs.files.values().flatten() {
        hasher.update(file.bytes.digest.as_bytes());
    }
    hasher.update(format!("{:?}", asked.item).as_bytes());
    *hasher.finish().as_bytes()
}
