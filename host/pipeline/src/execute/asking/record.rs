//! What one call of a plugin asked models: for the ledger, the attempt's effects and its log.

use std::collections::BTreeMap;
use std::time::Duration;

use docmill_model::failure::Failure;
use docmill_model::llm::{Cost, LlmCall, Response};
use docmill_model::plugin::PinnedPlugin;
use docmill_model::run::CallUsage;

use super::Asked;
use super::budget::is_counted;

/// Refusals that are told one by one; the others are only counted.
const TOLD: usize = 8;
/// Bytes of a told refusal.
const TOLD_BYTES: usize = 300;
/// Bytes of what adapters logged, all together.
const LOG_BYTES: usize = 16 << 10;
/// Lines of what adapters did over the network.
const TRAFFIC: usize = 16;

/// What was asked so far.
#[derive(Debug, Default)]
pub(super) struct Record {
    calls: Vec<LlmCall>,
    refused: u32,
    told: Vec<String>,
    traffic: Vec<String>,
    log: String,
    cpu_us: u64,
}

impl Record {
    /// A question begins; its number.
    pub(super) fn begin(&mut self, call: LlmCall) -> usize {
        self.calls.push(call);
        self.calls.len() - 1
    }

    /// It is over.
    pub(super) fn end(
        &mut self,
        number: usize,
        wall: Duration,
        outcome: &str,
        response: Option<&Response>,
        cost: Option<Cost>,
    ) {
        let Some(call) = self.calls.get_mut(number) else {
            return;
        };
        call.wall_us = u64::try_from(wall.as_micros()).unwrap_or(u64::MAX);
        outcome.clone_into(&mut call.outcome);
        call.answered_by = response.map(|response| response.model.clone());
        call.usage = response
            .filter(|it| is_counted(it))
            .map(|response| response.usage);
        call.cost = cost;
    }

    /// A question was not asked.
    pub(super) fn refuse(&mut self, failure: &Failure) {
        self.refused = self.refused.saturating_add(1);
        if self.told.len() < TOLD {
            let message = failure.message.chars().filter(|c| !c.is_control());
            let line: String = message.take(TOLD_BYTES).collect();
            self.say(&format!(
                "docmill: a question to a language model was refused: {line}\n"
            ));
            self.told.push(line);
        }
    }

    /// An adapter was called.
    pub(super) fn called(&mut self, plugin: &PinnedPlugin, usage: &CallUsage, log: &str) {
        self.cpu_us = self.cpu_us.saturating_add(usage.cpu_us);
        for effect in usage.effects.iter().filter(|effect| effect.contains(' ')) {
            if self.traffic.len() < TRAFFIC && !self.traffic.contains(effect) {
                self.traffic.push(effect.clone());
            }
        }
        for line in log.lines() {
            self.say(&format!("{plugin}: {line}\n"));
        }
    }

    fn say(&mut self, line: &str) {
        if self.log.len() + line.len() <= LOG_BYTES {
            self.log.push_str(line);
        }
    }

    /// For the record of the attempt.
    pub(super) fn effects(&self) -> Vec<String> {
        let mut aliases: BTreeMap<&str, (u32, u32)> = BTreeMap::new();
        for call in &self.calls {
            let (asked, failed) = aliases.entry(call.alias.as_str()).or_default();
            *asked += 1;
            *failed += u32::from(call.outcome != "succeeded");
        }
        let asked = aliases.iter();
        let mut effects: Vec<String> = asked
            .map(|(alias, (asked, failed))| format!("llm {alias} asked={asked} failed={failed}"))
            .collect();
        if self.refused > 0 {
            effects.push(format!("llm refused={}", self.refused));
        }
        effects.extend(self.told.iter().map(|line| format!("llm refused: {line}")));
        effects.extend(self.traffic.iter().map(|line| format!("llm via {line}")));
        effects
    }

    /// All of it, when nobody asks any more.
    pub(super) fn finish(&mut self) -> Asked {
        Asked {
            calls: std::mem::take(&mut self.calls),
            log: std::mem::take(&mut self.log),
            cpu_us: self.cpu_us,
        }
    }
}
