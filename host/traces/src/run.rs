//! The spans of a run, made of what it recorded.

use std::time::{Duration, SystemTime};

use docmill_model::run::{AttemptRecord, RunHead, RunOutcome, Status as RunStatus, StepRecord, StepStatus};
use opentelemetry::KeyValue;
use opentelemetry::trace::{Span as _, SpanContext, Status, Tracer as _};
use opentelemetry_sdk::trace::SdkTracer;

use crate::TraceContext;

/// Spans of one run; of a fan-out over thousands of pages the rest is counted, not sent.
const MAX_SPANS: usize = 512;

/// When it was, by a clock that only goes forward.
#[derive(Debug, Clone, Copy)]
pub struct RunTimes {
    /// From admission to the first step.
    pub queued: Duration,
    /// From admission until it was kept and could be answered, which is now.
    pub total: Duration,
}

impl TraceContext {
    /// Tells of a run that is over, just now, with its steps and their calls.
    pub fn run(&self, head: &RunHead, outcome: &RunOutcome, times: RunTimes) {
        let Some(sender) = &self.traces.0 else { return };
        let ended = SystemTime::now();
        let admitted = ended.checked_sub(times.total).unwrap_or(ended);
        let mut tree = Tree {
            tracer: &sender.tracer,
            begun: admitted + times.queued,
            left: MAX_SPANS,
        };
        let builder = tree
            .tracer
            .span_builder(format!("run {}", head.pipeline_name))
            .with_start_time(admitted)
            .with_attributes(of_run(head, outcome, times));
        let mut run = tree
            .tracer
            .build_with_context(builder, &Self::under(&self.parent));
        let context = run.span_context().clone();
        for step in &outcome.steps {
            tree.step(&context, step);
        }
        let wanted = spans(&outcome.steps);
        if wanted > MAX_SPANS {
            let dropped = i64::try_from(wanted - MAX_SPANS).unwrap_or(i64::MAX);
            run.set_attribute(KeyValue::new("docmill.spans.dropped", dropped));
        }
        if outcome.status == RunStatus::Failed {
            run.set_status(Status::error(code(outcome.error.as_ref()).unwrap_or_default()));
        }
        run.end_with_timestamp(ended);
    }
}

/// A step that did not run is no span.
fn ran(step: &&StepRecord) -> bool {
    step.status != StepStatus::Skipped
}

fn spans(steps: &[StepRecord]) -> usize {
    steps.iter().filter(ran).map(|step| 1 + step.attempts.len()).sum()
}

struct Tree<'a> {
    tracer: &'a SdkTracer,
    /// When the first step began; the steps' own times count from there.
    begun: SystemTime,
    left: usize,
}

impl Tree<'_> {
    fn step(&mut self, run: &SpanContext, step: &StepRecord) {
        if !ran(&step) || !self.take() {
            return;
        }
        let started = self.at(step.started_us);
        let mut attributes = vec![
            KeyValue::new("docmill.step.id", step.step.clone()),
            KeyValue::new("docmill.step.status", step.status.as_str()),
            KeyValue::new("docmill.step.attempts", count(step.attempts.len())),
            KeyValue::new("docmill.plugin", step.plugin.clone()),
        ];
        attributes.extend(
            step.item
                .map(|item| KeyValue::new("docmill.step.item", i64::from(item))),
        );
        let builder = self
            .tracer
            .span_builder(format!("step {}", step.step))
            .with_start_time(started)
            .with_attributes(attributes);
        let mut span = self.tracer.build_with_context(builder, &TraceContext::under(run));
        let context = span.span_context().clone();
        for attempt in &step.attempts {
            self.call(&context, attempt);
        }
        if step.status == StepStatus::Failed {
            let last = step.attempts.last().and_then(|attempt| attempt.error.as_ref());
            span.set_status(Status::error(code(last).unwrap_or_default()));
        }
        span.end_with_timestamp(started + micros(step.wall_us));
    }

    fn call(&mut self, step: &SpanContext, attempt: &AttemptRecord) {
        if !self.take() {
            return;
        }
        let started = self.at(attempt.started_us);
        let builder = self
            .tracer
            .span_builder(format!("call {}", attempt.plugin))
            .with_start_time(started)
            .with_attributes(of_call(attempt));
        let mut span = self
            .tracer
            .build_with_context(builder, &TraceContext::under(step));
        if let Some(code) = code(attempt.error.as_ref()) {
            span.set_attribute(KeyValue::new("error.type", code));
            span.set_status(Status::error(code));
        }
        span.end_with_timestamp(started + Duration::from_micros(attempt.usage.wall_us));
    }

    fn take(&mut self) -> bool {
        let left = self.left;
        self.left = left.saturating_sub(1);
        left > 0
    }

    fn at(&self, us: i64) -> SystemTime {
        self.begun + micros(us)
    }
}

fn of_run(head: &RunHead, outcome: &RunOutcome, times: RunTimes) -> Vec<KeyValue> {
    let mut known = vec![
        KeyValue::new("docmill.run.id", head.id.to_string()),
        KeyValue::new("docmill.pipeline.name", head.pipeline_name.clone()),
        KeyValue::new("docmill.pipeline.version", i64::from(head.version_number)),
        KeyValue::new("docmill.run.status", outcome.status.as_str()),
        KeyValue::new("docmill.run.queued_us", whole(times.queued.as_micros())),
        KeyValue::new("docmill.run.inputs", count(head.inputs.len())),
        KeyValue::new("docmill.run.fields", count(outcome.fields.len())),
        KeyValue::new("docmill.run.checks", count(outcome.checks.len())),
    ];
    known.extend(
        outcome
            .verdict
            .map(|verdict| KeyValue::new("docmill.run.verdict", verdict.as_str())),
    );
    known.extend(code(outcome.error.as_ref()).map(|code| KeyValue::new("error.type", code)));
    known
}

fn of_call(attempt: &AttemptRecord) -> Vec<KeyValue> {
    let usage = &attempt.usage;
    let mut known = vec![
        KeyValue::new("docmill.plugin", attempt.plugin.clone()),
        KeyValue::new("docmill.call.reused", attempt.reused),
        KeyValue::new("docmill.call.cpu_us", whole(usage.cpu_us)),
        KeyValue::new("docmill.call.peak_memory_bytes", whole(usage.peak_memory_bytes)),
        KeyValue::new("docmill.call.host_calls", whole(usage.host_calls)),
        KeyValue::new("docmill.call.host_call_bytes", whole(usage.host_call_bytes)),
    ];
    if !usage.effects.is_empty() {
        known.push(KeyValue::new("docmill.call.effects", usage.effects.join(",")));
    }
    known
}

/// The code alone: messages quote documents.
fn code(failure: Option<&docmill_model::failure::Failure>) -> Option<&'static str> {
    failure.map(|failure| failure.code.as_str())
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn whole(number: impl TryInto<i64>) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}

fn micros(us: i64) -> Duration {
    Duration::from_micros(u64::try_from(us).unwrap_or(0))
}
