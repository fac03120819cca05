//! A pipeline as written: YAML or JSON, read strictly. What can be judged from the text alone is judged here (names,
//! references between steps, cycles); plugins, schemas and expressions are judged in the `pipeline` crate.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::access::Clearance;
use crate::chunk::Purpose;
use crate::duration::Span;
use crate::failure::Code;
use crate::limits::LimitsSpec;
use crate::lookup::MAX_LOOKUPS;
use crate::plugin::{PluginRef, is_name};
use crate::written;

/// Most steps that a pipeline may have.
pub const MAX_STEPS: usize = 64;
pub use crate::written::{MAX_DEFINITION_BYTES, MAX_WRITTEN_OUT_BYTES};

/// A pipeline as written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Definition {
    /// Lower-case letters, digits and dashes.
    pub name: String,
    /// For people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Inputs by role. None written: one file, role `file`, of any type.
    #[serde(default = "one_file")]
    pub inputs: BTreeMap<String, InputSpec>,
    /// JSON Schema of the run's parameters, an object. None: any object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub params: Option<Json>,
    /// Values by which runs are found again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lookups: Vec<LookupSpec>,
    /// When a run counts as safe.
    #[serde(default)]
    pub durability: Durability,
    /// What is kept of a run.
    #[serde(default)]
    pub retain: Retain,
    /// What its runs, and the documents that come with them, demand of those who look at them, at least.
    #[serde(
        default = "Clearance::everybody",
        skip_serializing_if = "Clearance::is_everybody"
    )]
    pub tier: Clearance,
    /// How fields of several steps that share a path are merged.
    #[serde(default)]
    pub merge: Merge,
    /// In order, unless `needs` says otherwise.
    pub steps: Vec<StepSpec>,
    /// Of the whole run (`timeout`) and of each step.
    #[serde(default)]
    pub limits: LimitsSpec,
    /// What the run answers beside fields and checks; `${…}` inside strings are expressions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Json>,
}

fn one_file() -> BTreeMap<String, InputSpec> {
    BTreeMap::from([("file".to_owned(), InputSpec::default())])
}

/// What a role takes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct InputSpec {
    /// What kind of input.
    pub kind: InputKind,
    /// Media types of files; `*/*` takes all.
    pub accept: Vec<String>,
    /// At least so many.
    pub min: u32,
    /// At most so many.
    pub max: u32,
}

impl Default for InputSpec {
    fn default() -> Self {
        Self {
            kind: InputKind::File,
            accept: vec!["*/*".to_owned()],
            min: 1,
            max: 1,
        }
    }
}

/// What kind of input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InputKind {
    /// Bytes that a parser reads.
    File,
    /// A document that the tenant has already, by its id.
    Document,
    /// A text.
    Text,
    /// A JSON object.
    Record,
}

/// A named value by which runs are found again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LookupSpec {
    /// A word of letters, digits and `_`.
    pub name: String,
    /// `${ params.fio }`
    pub value: String,
}

/// When a run counts as safe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Durability {
    /// One commit, with the result, before the answer.
    #[default]
    Result,
    /// The run is written before work starts.
    Accepted,
    /// The same, and of a queued run every step is written when it is over: whoever takes the run over goes on after it. Without
    /// it, that holds for steps that had effects or took long; what a pure step gave can be computed again.
    Steps,
}

/// What is kept of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Retain {
    /// Nothing; the answer is all there is.
    None,
    /// Document, pages, fields, checks, timings, usage.
    #[default]
    Result,
    /// Also what steps logged, and what transformers gave on the way.
    Debug,
}

/// What becomes of fields that share a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Merge {
    /// The one with the highest confidence; of equals, the earlier step's.
    #[default]
    Confidence,
    /// The earliest step's.
    First,
    /// The latest step's.
    Last,
}

/// One plugin use.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepSpec {
    /// Letters, digits and `_`: expressions say `steps.ID`.
    pub id: String,
    /// `docmill/pdf@1`
    #[serde(rename = "use")]
    pub plugin: PluginRef,
    /// The plugin's configuration; `${…}` inside strings are expressions.
    #[serde(default = "empty_object")]
    pub with: Json,
    /// For a parser: the role whose files it reads. None: the first by alphabet of those that have any. For a chunker: the
    /// role whose readings it splits. None: all. For an embedder: the role whose texts it takes. None: the chunks of the
    /// steps before it, or, without a chunker there, the texts of all roles.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<String>,
    /// For an embedder: what the vectors are for. None: chunks will be searched, texts search.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<Purpose>,
    /// Ids of the steps that must be over first. None: the step before; empty: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needs: Option<Vec<String>>,
    /// An expression; the step is skipped unless it is true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// An expression that gives a list; the step runs once for each `item`, results are joined in order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub for_each: Option<String>,
    /// Further attempts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// Of one attempt; the same as `limits.timeout`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Span>,
    /// What becomes of the run when the step fails.
    #[serde(default)]
    pub on_error: OnError,
    /// What one attempt may use.
    #[serde(default)]
    pub limits: LimitsSpec,
}

pub(crate) fn empty_object() -> Json {
    Json::Object(serde_json::Map::new())
}

/// Further attempts of a step that failed with something that may pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retry {
    /// All attempts, the first included; 1 to 10.
    pub attempts: u32,
    /// Before the second attempt; doubles each time, plus or minus a fifth.
    #[serde(default = "default_backoff")]
    pub backoff: Span,
    /// Also when the plugin itself failed or trapped, which is seldom cured by trying again.
    #[serde(default)]
    pub any_failure: bool,
}

const fn default_backoff() -> Span {
    Span::millis(500)
}

/// What becomes of the run when a step fails.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnError {
    /// The run fails.
    #[default]
    Fail,
    /// The run goes on without what it would have given; its failure is kept.
    Skip,
    /// Another plugin takes its place.
    Fallback(Fallback),
}

/// What takes a failed step's place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Fallback {
    /// A plugin with the same configuration.
    Plugin(PluginRef),
    /// A plugin with its own configuration.
    Configured {
        /// Which plugin.
        #[serde(rename = "use")]
        plugin: PluginRef,
        /// Its configuration.
        #[serde(default = "empty_object")]
        with: Json,
    },
}

impl Fallback {
    /// Which plugin.
    pub const fn plugin(&self) -> &PluginRef {
        match self {
            Self::Plugin(plugin) | Self::Configured { plugin, .. } => plugin,
        }
    }
}

/// A rule that a definition breaks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{at}: {message}")]
pub struct Problem {
    /// Where: `steps.checks.with.rules`.
    pub at: String,
    /// What is wrong and what to write instead.
    pub message: String,
    /// In the expression, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// In the expression, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
    /// A code of its own, where a program would tell it from others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
}

impl Problem {
    /// A problem without a place inside an expression.
    pub fn new(at: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            at: at.into(),
            message: message.into(),
            line: None,
            column: None,
            code: None,
        }
    }

    /// The same with a code of its own.
    #[must_use]
    pub fn coded(mut self, code: Code) -> Self {
        self.code = Some(code);
        self
    }
}

/// The code of an answer that tells these problems: their own, if all have the same one.
pub fn code_of(problems: &[Problem]) -> Code {
    let first = problems.first().and_then(|problem| problem.code);
    first
        .filter(|_| problems.iter().all(|problem| problem.code == first))
        .unwrap_or(Code::InvalidDefinition)
}

impl Definition {
    /// Reads YAML or JSON (which is YAML) and judges what the text alone tells.
    ///
    /// # Errors
    /// Every rule that is broken, with place and fix.
    pub fn parse(text: &str) -> Result<Self, Vec<Problem>> {
        let definition: Self = written::read(text, "definition")?;
        let problems = definition.problems();
        if problems.is_empty() {
            Ok(definition)
        } else {
            Err(problems)
        }
    }

    /// The ids that a step waits for.
    pub fn needs(&self, index: usize) -> Vec<&str> {
        let Some(step) = self.steps.get(index) else {
            return Vec::new();
        };
        match (
            &step.needs,
            index.checked_sub(1).and_then(|before| self.steps.get(before)),
        ) {
            (Some(needs), _) => needs.iter().map(String::as_str).collect(),
            (None, Some(before)) => vec![before.id.as_str()],
            (None, None) => Vec::new(),
        }
    }

    /// Everything that is wrong with the text alone.
    fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.steps.len() > MAX_STEPS {
            // What is wrong between thousands of steps takes long to find out.
            let message = format!(
                "a pipeline has 1 to {MAX_STEPS} steps, this one has {}",
                self.steps.len()
            );
            return vec![Problem::new("steps", message)];
        }
        let mut say = |at: String, message: String| problems.push(Problem::new(at, message));
        if !is_name(&self.name) {
            say(
                "name".into(),
                "write 1 to 60 lower-case letters, digits and dashes, beginning with a letter".into(),
            );
        }
        if self.retain == Retain::None && self.durability != Durability::Result {
            say(
                "durability".into(),
                "`accepted` and `steps` keep a run before work starts, and `retain: none` keeps nothing: leave `durability` out, or \
                 write `retain: result`"
                    .into(),
            );
        }
        if self.steps.is_empty() {
            say(
                "steps".into(),
                format!("a pipeline has 1 to {MAX_STEPS} steps, this one has none"),
            );
        }
        for (role, spec) in &self.inputs {
            if !is_word(role) {
                say(
                    format!("inputs.{role}"),
                    "a role is a word of letters, digits and `_`".into(),
                );
            }
            if spec.max == 0 || spec.min > spec.max || spec.max > 1_000 {
                say(
                    format!("inputs.{role}"),
                    "write 0 ≤ min ≤ max and 1 ≤ max ≤ 1000".into(),
                );
            }
            if let Some(bad) = spec.accept.iter().find(|a| !a.contains('/')) {
                say(
                    format!("inputs.{role}.accept"),
                    format!("'{bad}' is not a media type such as application/pdf"),
                );
            }
        }
        if self.lookups.len() > MAX_LOOKUPS {
            say(
                "lookups".into(),
                format!("a pipeline has at most {MAX_LOOKUPS} look-ups"),
            );
        }
        let mut names = BTreeSet::new();
        for lookup in &self.lookups {
            if !is_word(&lookup.name) || !names.insert(&lookup.name) {
                say(
                    format!("lookups.{}", lookup.name),
                    "a look-up's name is a word, used once".into(),
                );
            }
        }
        let mut ids = BTreeSet::new();
        for step in &self.steps {
            let at = format!("steps.{}", step.id);
            if !is_word(&step.id) {
                say(
                    at.clone(),
                    "a step's id is a word of letters, digits and `_`, at most 60".into(),
                );
            }
            if !ids.insert(step.id.as_str()) {
                say(at.clone(), "another step has this id; ids are unique".into());
            }
            if !step.with.is_object() {
                say(format!("{at}.with"), "the configuration is an object".into());
            }
            if step.retry.is_some_and(|r| !(1..=10).contains(&r.attempts)) {
                say(format!("{at}.retry.attempts"), "write 1 to 10".into());
            }
            if let Some(role) = step.input.as_ref().filter(|r| !self.inputs.contains_key(*r)) {
                say(format!("{at}.input"), format!("there is no input '{role}'"));
            }
        }
        for step in &self.steps {
            for need in step.needs.iter().flatten().filter(|n| !ids.contains(n.as_str())) {
                say(
                    format!("steps.{}.needs", step.id),
                    format!("there is no step '{need}'"),
                );
            }
        }
        self.say_clashes(&mut say);
        if let Some(cycle) = self.cycle() {
            say(
                format!("steps.{}.needs", cycle.first().copied().unwrap_or_default()),
                format!("the steps wait for each other: {}", cycle.join(" → ")),
            );
        }
        problems
    }

    /// Guests find records by name: those of an input by its role, results of a step by its id, the one that a step with
    /// `for_each` is at as `item`. One name cannot mean two of them.
    fn say_clashes(&self, say: &mut impl FnMut(String, String)) {
        let is_record = |role: &str| self.inputs.get(role).is_some_and(|i| i.kind == InputKind::Record);
        for step in self.steps.iter().filter(|s| is_record(&s.id)) {
            say(
                format!("steps.{}", step.id),
                "an input of kind `record` has this name; plugins find records and results by name, so rename one".into(),
            );
        }
        if self.steps.iter().all(|s| s.for_each.is_none()) {
            return;
        }
        let message = "`item` is what a step with for_each is at; choose another name";
        if is_record("item") {
            say("inputs.item".into(), message.into());
        }
        if self.steps.iter().any(|s| s.id == "item") {
            say("steps.item".into(), message.into());
        }
    }

    /// A cycle among the steps, if there is one, its first step again at the end.
    fn cycle(&self) -> Option<Vec<&str>> {
        let ids: BTreeSet<&str> = self.steps.iter().map(|s| s.id.as_str()).collect();
        let needs: BTreeMap<&str, BTreeSet<&str>> = self
            .steps
            .iter()
            .enumerate()
            .map(|(i, s)| {
                let known = self.needs(i).into_iter().filter(|id| ids.contains(id));
                (s.id.as_str(), known.collect())
            })
            .collect();
        let mut open = needs.clone();
        // Take away steps that wait for nothing any more; what stays waits in a circle.
        while let Some(free) = open
            .iter()
            .find(|(_, n)| !n.iter().any(|id| open.contains_key(id)))
            .map(|(id, _)| *id)
        {
            open.remove(free);
        }
        let mut walk = vec![*open.keys().next()?];
        loop {
            let last = walk.last()?;
            let next = *needs.get(last)?.iter().find(|id| open.contains_key(*id))?;
            let seen = walk.iter().position(|id| *id == next);
            walk.push(next);
            if let Some(from) = seen {
                return Some(walk.split_off(from));
            }
        }
    }
}

fn is_word(text: &str) -> bool {
    (1..=60).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

#[cfg(test)]
mod tests;
