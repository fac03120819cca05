//! Questions to language models: which models, how much, and for how much money.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{MOST, bounded};
use crate::llm::{Alias, Cost};
use crate::size::ByteSize;

/// Questions to language models that a plugin may ask, and how much of it in one call of the plugin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written")]
pub struct LlmGrant {
    /// Which; never empty, none twice.
    models: Vec<Alias>,
    #[serde(flatten)]
    budget: LlmBudget,
}

/// How much a plugin may ask language models in one call of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LlmBudget {
    /// What all questions and answers cost together, at most. A model whose prices are in another currency is not asked.
    pub cost: Cost,
    /// Questions; each counts, whatever comes of it.
    pub calls: u32,
    /// Bytes of all questions together.
    pub input_bytes: ByteSize,
    /// Tokens of all answers together, thinking included.
    pub output_tokens: u32,
}

impl LlmBudget {
    /// Calls that a grant has which says nothing.
    pub const DEFAULT_CALLS: u32 = 20;
    /// Bytes of questions that a grant has which says nothing.
    pub const DEFAULT_INPUT: ByteSize = ByteSize::mib(1);
    /// Tokens of answers that a grant has which says nothing.
    pub const DEFAULT_TOKENS: u32 = 16_384;
    /// What no grant passes.
    pub const MOST_CALLS: u32 = 1_000;
    /// What no grant passes: a question is held in memory.
    pub const MOST_INPUT: ByteSize = ByteSize::mib(64);
    /// What no grant passes.
    pub const MOST_TOKENS: u32 = 1_000_000;
}

/// A grant as people write it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    models: Vec<Alias>,
    cost: Cost,
    #[serde(default)]
    calls: Option<u32>,
    #[serde(default)]
    input_bytes: Option<ByteSize>,
    #[serde(default)]
    output_tokens: Option<u32>,
}

impl TryFrom<Written> for LlmGrant {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let mut models = written.models;
        if models.is_empty() || models.len() > MOST {
            return Err(format!("`models` has 1 to {MOST} entries, not {}", models.len()));
        }
        models.sort_unstable();
        if let Some([twice, _]) = models.array_windows().find(|[one, next]| one == next) {
            return Err(format!("`models` names {twice} twice"));
        }
        Ok(Self {
            models,
            budget: LlmBudget {
                cost: written.cost,
                calls: bounded(
                    "calls",
                    written.calls,
                    LlmBudget::DEFAULT_CALLS,
                    1,
                    LlmBudget::MOST_CALLS,
                )?,
                input_bytes: bounded(
                    "input_bytes",
                    written.input_bytes,
                    LlmBudget::DEFAULT_INPUT,
                    ByteSize(1),
                    LlmBudget::MOST_INPUT,
                )?,
                output_tokens: bounded(
                    "output_tokens",
                    written.output_tokens,
                    LlmBudget::DEFAULT_TOKENS,
                    1,
                    LlmBudget::MOST_TOKENS,
                )?,
            },
        })
    }
}

impl LlmGrant {
    /// How much in one call of the plugin.
    pub const fn budget(&self) -> &LlmBudget {
        &self.budget
    }

    /// Which models, in order.
    pub fn models(&self) -> &[Alias] {
        &self.models
    }

    /// Whether it names the model.
    pub fn permits(&self, alias: &Alias) -> bool {
        self.models.binary_search(alias).is_ok()
    }
}

/// As a person reads it on a permission sheet.
impl fmt::Display for LlmGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let models: Vec<&str> = self.models.iter().map(Alias::as_str).collect();
        let b = &self.budget;
        write!(
            f,
            "models {}; in one call at most {}, {} questions of {} together, {} tokens of answers",
            models.join(", "),
            b.cost,
            b.calls,
            b.input_bytes,
            b.output_tokens
        )
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;

    fn read(json: Json) -> Result<LlmGrant, String> {
        serde_json::from_value(json).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_left_out_has_a_default_and_what_is_written_is_read_again() {
        let grant = read(json!({"models": ["fast", "default"], "cost": "0.25 USD"})).unwrap();
        assert_eq!(
            serde_json::to_value(&grant).unwrap(),
            json!({"models": ["default", "fast"], "cost": "0.25 USD", "calls": 20, "input_bytes": "1MiB", "output_tokens": 16384})
        );
        assert_eq!(read(serde_json::to_value(&grant).unwrap()), Ok(grant.clone()));
        assert!(grant.permits(&"fast".parse().unwrap()) && !grant.permits(&"fas".parse().unwrap()));
        assert!(
            grant
                .to_string()
                .contains("models default, fast; in one call at most 0.25 USD, 20 questions")
        );
    }

    #[test]
    fn nonsense_is_refused_with_the_fix() {
        for (change, said) in [
            (json!({"models": []}), "1 to 64"),
            (json!({"models": vec!["a"; 65]}), "1 to 64"),
            (json!({"models": ["a", "b", "a"]}), "twice"),
            (json!({"models": ["A"]}), "alias"),
            (json!({"models": ["*"]}), "alias"),
            (json!({"models": ["a\u{1b}[31m"]}), "alias"),
            (json!({"cost": "0.25"}), "0.25 USD"),
            (json!({"cost": 0.25}), "string"),
            (json!({"cost": "-1 USD"}), "amount"),
            (json!({"cost": "1 usd"}), "currency"),
            (json!({"cost": "99999999 USD"}), "amount"),
            (json!({"calls": 0}), "from 1 to 1000"),
            (json!({"calls": 1001}), "from 1 to 1000"),
            (json!({"input_bytes": "65MiB"}), "from 1B to 64MiB"),
            (json!({"output_tokens": 0}), "from 1 to 1000000"),
            (json!({"output_tokens": 1_000_001}), "from 1 to 1000000"),
            (json!({"tokens": 1}), "unknown field"),
        ] {
            let mut written = json!({"models": ["default"], "cost": "0.25 USD"});
            written
                .as_object_mut()
                .unwrap()
                .extend(change.as_object().unwrap().clone());
            let refused = read(written).unwrap_err();
            assert!(refused.contains(said), "{change}: {refused}");
        }
        assert!(read(json!({"models": ["default"]})).unwrap_err().contains("cost"));
        assert!(read(json!({"cost": "1 USD"})).unwrap_err().contains("models"));
    }
}
