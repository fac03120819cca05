//! How much may be done to hold a value against a schema. Both come from outside, and the work is their product: it is
//! counted by walking them together, which is cheap, before the validator looks, which is not.

use serde_json::Value as Json;

use super::local;
use crate::weight;

/// Bytes of text times places of a pattern that take as long as one visit.
const PATTERN_STEPS: usize = 512;

/// What is left to be done with one value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Effort {
    /// Values looked at, each once for every part of the schema that it is held against.
    visits: usize,
    /// Bytes of the value, defaults included, roughly.
    bytes: usize,
}

/// It would be more than the effort allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it has too many values for its schema; send less at once")]
pub(crate) struct TooMuch;

impl Effort {
    /// On the thread of the run: less than a millisecond.
    pub(crate) const SMALL: Self = Self {
        visits: 4_000,
        bytes: crate::INLINE_BYTES,
    };
    /// On a thread that may block: about a second.
    pub(crate) const WHOLE: Self = Self {
        visits: 2_000_000,
        bytes: 8 << 20,
    };

    /// Whether a value is small enough to begin with.
    pub(crate) fn admits(&self, value: &Json) -> Result<(), TooMuch> {
        if weight::json_up_to(value, self.bytes) > self.bytes {
            return Err(TooMuch);
        }
        Ok(())
    }

    pub(super) fn visit(&mut self, times: usize) -> Result<(), TooMuch> {
        self.visits = self.visits.checked_sub(times).ok_or(TooMuch)?;
        Ok(())
    }

    /// Takes what a value weighs.
    pub(super) fn hold(&mut self, value: &Json) -> Result<(), TooMuch> {
        let weight = weight::json_up_to(value, self.bytes);
        self.bytes = self.bytes.checked_sub(weight).ok_or(TooMuch)?;
        Ok(())
    }
}

/// Takes what the validator is going to look at. `nodes` are those of the whole schema.
pub(super) fn charge(root: &Json, nodes: usize, value: &Json, effort: &mut Effort) -> Result<(), TooMuch> {
    Walk { root, nodes, effort }.look(root, value)
}

struct Walk<'a> {
    root: &'a Json,
    nodes: usize,
    effort: &'a mut Effort,
}

impl Walk<'_> {
    /// Ends: every step goes deeper into a schema that was found to unfold to an end.
    fn look(&mut self, schema: &Json, value: &Json) -> Result<(), TooMuch> {
        self.effort.visit(1)?;
        for (word, part) in schema.as_object().into_iter().flatten() {
            match (word.as_str(), part) {
                ("$ref", Json::String(reference)) => {
                    if let Some(target) = local(self.root, reference) {
                        self.look(target, value)?;
                    }
                }
                ("not" | "if" | "then" | "else", _) => self.look(part, value)?,
                ("allOf" | "anyOf" | "oneOf", Json::Array(parts)) => {
                    parts.iter().try_for_each(|part| self.look(part, value))?;
                }
                ("dependentSchemas" | "dependencies", Json::Object(parts)) => {
                    parts.values().try_for_each(|part| self.look(part, value))?;
                }
                ("properties", Json::Object(parts)) => self.properties(parts, value)?,
                ("patternProperties", Json::Object(parts)) => {
                    for (pattern, part) in parts {
                        for (name, member) in value.as_object().into_iter().flatten() {
                            self.search(pattern, name)?;
                            self.look(part, member)?;
                        }
                    }
                }
                ("propertyNames", _) => {
                    for name in value.as_object().into_iter().flatten().map(|(name, _)| name) {
                        self.look(part, &Json::from(name.as_str()))?;
                    }
                }
                ("prefixItems" | "items", Json::Array(parts)) => {
                    for (part, item) in parts.iter().zip(value.as_array().into_iter().flatten()) {
                        self.look(part, item)?;
                    }
                }
                ("items" | "additionalItems" | "contains" | "additionalProperties", _) => {
                    children(value).try_for_each(|child| self.look(part, child))?;
                }
                // For each child the validator asks every part of the schema whether it has judged it.
                ("unevaluatedItems" | "unevaluatedProperties", _) => {
                    for child in children(value) {
                        self.effort.visit(self.nodes)?;
                        self.look(part, child)?;
                    }
                }
                ("pattern", Json::String(pattern)) => {
                    if let Json::String(text) = value {
                        self.search(pattern, text)?;
                    }
                }
                ("enum" | "required", Json::Array(words)) => self.effort.visit(words.len() / 4)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn properties(&mut self, parts: &serde_json::Map<String, Json>, value: &Json) -> Result<(), TooMuch> {
        let Json::Object(members) = value else {
            return Ok(());
        };
        self.effort.visit(parts.len() / 4)?;
        for (name, part) in parts {
            if let Some(member) = members.get(name) {
                self.look(part, member)?;
            }
        }
        Ok(())
    }

    fn search(&mut self, pattern: &str, text: &str) -> Result<(), TooMuch> {
        let steps = places(pattern).saturating_mul(text.len());
        self.effort.visit(steps / PATTERN_STEPS)
    }
}

fn children(value: &Json) -> impl Iterator<Item = &Json> {
    let members = value.as_object().into_iter().flatten().map(|(_, member)| member);
    value.as_array().into_iter().flatten().chain(members)
}

/// Roughly in how many places of a pattern a search can be at once: its length times its repetitions.
fn places(pattern: &str) -> usize {
    let repeated = pattern.split('{').skip(1).map(|rest| {
        let bounds = rest.split('}').next().unwrap_or_default();
        let most = bounds.split(',').filter_map(|n| n.trim().parse().ok()).max();
        most.unwrap_or(1_usize).max(1)
    });
    repeated.fold(pattern.len(), usize::saturating_mul)
}
