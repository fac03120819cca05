//! The table for people and the object for programs.

use std::fmt::Write as _;

use anyhow::Result;
use serde::Serialize;

use crate::machine::{self, Machine};

/// One figure.
#[derive(Debug, Clone, Serialize)]
pub struct Figure {
    pub name: String,
    pub value: f64,
    pub unit: &'static str,
    /// The same, of what it is compared with, in the same run.
    pub baseline: Option<f64>,
    pub ratio: Option<f64>,
    /// As text: `≤ 1.25`.
    pub target: Option<&'static str>,
    pub holds: Option<bool>,
    /// Under which conditions both were measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conditions: Option<String>,
}

impl Figure {
    /// A figure beside its baseline, with a target for the ratio.
    pub fn compared(
        name: &str,
        value: f64,
        unit: &'static str,
        baseline: f64,
        target: &'static str,
        holds: impl Fn(f64) -> bool,
    ) -> Self {
        let ratio = value / baseline;
        Self {
            name: name.to_owned(),
            value,
            unit,
            baseline: Some(baseline),
            ratio: Some(ratio),
            target: Some(target),
            holds: Some(holds(ratio)),
            conditions: None,
        }
    }

    /// Says what both sides were measured under.
    pub fn under(self, conditions: &str) -> Self {
        Self {
            conditions: Some(conditions.to_owned()),
            ..self
        }
    }

    /// A ratio that is told and not judged.
    pub fn without_target(self) -> Self {
        Self {
            target: None,
            holds: None,
            ..self
        }
    }

    /// A figure with a target of its own.
    pub fn bounded(
        name: &str,
        value: f64,
        unit: &'static str,
        target: &'static str,
        holds: impl Fn(f64) -> bool,
    ) -> Self {
        Self {
            name: name.to_owned(),
            value,
            unit,
            baseline: None,
            ratio: None,
            target: Some(target),
            holds: Some(holds(value)),
            conditions: None,
        }
    }
}

/// `{machine, commit, results}`
#[derive(Debug, Serialize)]
pub struct Report {
    machine: Machine,
    commit: String,
    results: Vec<Figure>,
}

impl Report {
    /// Empty, with the machine's facts.
    pub fn new() -> Self {
        Self {
            machine: machine::facts(),
            commit: machine::commit(),
            results: Vec::new(),
        }
    }

    /// More figures.
    pub fn add(&mut self, figures: Vec<Figure>) {
        self.results.extend(figures);
    }

    /// For programs.
    pub fn json(&self) -> Result<String> {
        Ok(serde_json::to_string_pretty(self)?)
    }

    /// For people.
    pub fn table(&self) -> String {
        let Machine {
            processor,
            cores,
            memory_gib,
            system,
        } = &self.machine;
        let mut out = format!(
            "{processor}, {cores} cores, {memory_gib} GiB, {system}; commit {}\n\n",
            self.commit
        );
        let head = ["figure", "value", "baseline", "ratio", "target", ""];
        writeln!(
            out,
            "{:<58} {:>16} {:>12} {:>7} {:>12} {}",
            head[0], head[1], head[2], head[3], head[4], head[5]
        )
        .ok();
        for f in &self.results {
            let number = |n: Option<f64>| n.map(|n| format!("{n:.2}")).unwrap_or_default();
            let value = format!("{:.1} {}", f.value, f.unit);
            let baseline = f.baseline.map(|n| format!("{n:.1}")).unwrap_or_default();
            let mark = match f.holds {
                Some(true) => "holds",
                Some(false) => "MISSED",
                None => "",
            };
            writeln!(
                out,
                "{:<58} {value:>16} {baseline:>12} {:>7} {:>12} {mark}",
                f.name,
                number(f.ratio),
                f.target.unwrap_or_default()
            )
            .ok();
            if let Some(conditions) = &f.conditions {
                writeln!(out, "    ({conditions})").ok();
            }
        }
        out
    }
}
