//! What runs use, as the ledger counts it: whole numbers that add up.

use std::collections::BTreeMap;

use crate::run::{InputContent, RunHead, RunOutcome, Status};

/// What was used. Everything adds up, whatever it is grouped by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Amounts {
    /// Runs.
    pub runs: u64,
    /// Of those: ended as failed.
    pub runs_failed: u64,
    /// Calls of plugins: every attempt is one, failed and reused ones too.
    pub calls: u64,
    /// Of those: answered by the result of an earlier, pure call.
    pub calls_reused: u64,
    /// CPU time of guests in microseconds.
    pub cpu_us: u64,
    /// Bytes of inputs: files, texts, and records as JSON.
    pub input_bytes: u64,
    /// Bytes that calls of host functions handed over and took.
    pub host_call_bytes: u64,
    /// Pages of the readings that runs used.
    pub pages: u64,
}

impl Amounts {
    /// Adds `more`.
    pub fn add(&mut self, more: &Self) {
        for (sum, more) in [
            (&mut self.runs, more.runs),
            (&mut self.runs_failed, more.runs_failed),
            (&mut self.calls, more.calls),
            (&mut self.calls_reused, more.calls_reused),
            (&mut self.cpu_us, more.cpu_us),
            (&mut self.input_bytes, more.input_bytes),
            (&mut self.host_call_bytes, more.host_call_bytes),
            (&mut self.pages, more.pages),
        ] {
            *sum = sum.saturating_add(more);
        }
    }
}

/// What a finished run used by itself, and what its calls of each plugin (`namespace/name@version`) used.
pub fn of_run<'a>(head: &RunHead, outcome: &'a RunOutcome) -> (Amounts, BTreeMap<&'a str, Amounts>) {
    let pages = outcome.readings.iter().map(|r| r.reading.pages.len() as u64);
    let own = Amounts {
        runs: 1,
        runs_failed: u64::from(outcome.status == Status::Failed),
        input_bytes: head.inputs.iter().map(|input| bytes(&input.content)).sum(),
        pages: pages.sum(),
        ..Amounts::default()
    };
    let mut plugins: BTreeMap<&str, Amounts> = BTreeMap::new();
    for attempt in outcome.steps.iter().flat_map(|step| &step.attempts) {
        plugins.entry(&attempt.plugin).or_default().add(&Amounts {
            calls: 1,
            calls_reused: u64::from(attempt.reused),
            cpu_us: attempt.usage.cpu_us,
            host_call_bytes: attempt.usage.host_call_bytes,
            ..Amounts::default()
        });
    }
    (own, plugins)
}

fn bytes(content: &InputContent) -> u64 {
    match content {
        InputContent::File { size, .. } => *size,
        InputContent::Text { text } => text.len() as u64,
        InputContent::Record { record } => record.to_string().len() as u64,
    }
}
