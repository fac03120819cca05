//! JSON Schemas of configurations and parameters. They come from plugins and tenants: remote references, schemas that
//! refer to themselves and schemas that unfold without end are refused, patterns run in linear time, and what is done with a
//! value is bounded before it is done ([`Effort`]).

mod effort;
mod fill;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use docmill_model::digest::{Digest, Hasher};

use jsonschema::{PatternOptions, Validator};
use serde_json::Value as Json;

pub(crate) use effort::{Effort, TooMuch};

/// Largest schema, roughly in bytes.
const MAX_BYTES: usize = 512 * 1024;
/// Deepest schema, references followed.
const MAX_DEPTH: usize = 64;
/// Most nodes with every reference unfolded: the work of one validation grows with it.
const MAX_NODES: usize = 20_000;
/// Most patterns of one schema.
const MAX_PATTERNS: usize = 64;
/// Largest compiled pattern, in bytes…
const PATTERN_BYTES: usize = 1 << 20;
/// …and of all patterns of a schema together.
const ALL_PATTERN_BYTES: usize = 4 << 20;
/// Most misfits that are told.
const MAX_MISFITS: usize = 16;
/// Longest message of a misfit.
const MAX_MESSAGE_CHARS: usize = 500;

/// A compiled schema; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Schema(Arc<Compiled>);

#[derive(Debug)]
struct Compiled {
    json: Json,
    validator: Validator,
    /// With every reference unfolded.
    nodes: usize,
}

/// One rule that a value breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Misfit {
    /// A JSON pointer, `/amounts/0`; empty for the whole.
    pub(crate) pointer: String,
    /// The schema's keyword.
    pub(crate) keyword: String,
    /// Does not quote the value.
    pub(crate) message: String,
}

/// Whether pipelines could use this schema: takes up to a second, so it does not belong on the async threads.
///
/// # Errors
/// Why not.
pub fn check_schema(json: &Json) -> Result<(), String> {
    Schema::compile(json).map(drop)
}

impl Schema {
    /// Compiles a schema.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub(crate) fn compile(json: &Json) -> Result<Self, String> {
        if json.is_null() {
            return Self::compile(&Json::Bool(true));
        }
        if crate::weight::json_up_to(json, MAX_BYTES) > MAX_BYTES {
            return Err(format!("the schema is larger than {MAX_BYTES} bytes"));
        }
        let mut nodes = 0;
        unfold(json, json, &mut Vec::new(), 0, &mut nodes)?;
        let count = patterns(json);
        if count > MAX_PATTERNS {
            return Err(format!(
                "the schema has {count} patterns, at most {MAX_PATTERNS} are allowed"
            ));
        }
        let bytes = PATTERN_BYTES.min(ALL_PATTERN_BYTES / count.max(1));
        let patterns = PatternOptions::regex().size_limit(bytes).dfa_size_limit(bytes);
        let validator = jsonschema::options()
            .with_pattern_options(patterns)
            .offline()
            .build(json)
            .map_err(|error| {
                let place = error.instance_path().as_str().to_owned();
                format!("the schema is wrong at '{place}': {}", error.masked())
            })?;
        Ok(Self(Arc::new(Compiled {
            json: json.clone(),
            validator,
            nodes,
        })))
    }

    /// Fills in the defaults of members that are left out.
    ///
    /// # Errors
    /// When that is more than the effort allows; what is filled in by then stays.
    pub(crate) fn fill(&self, value: &mut Json, mut effort: Effort) -> Result<(), TooMuch> {
        effort.hold(value)?;
        fill::fill(&self.0.json, &self.0.json, value, 0, &mut effort)
    }

    /// Every rule that the value breaks, the first few.
    ///
    /// # Errors
    /// When looking would be more than the effort allows.
    pub(crate) fn misfits(&self, value: &Json, mut effort: Effort) -> Result<Vec<Misfit>, TooMuch> {
        effort.hold(value)?;
        effort::charge(&self.0.json, self.0.nodes, value, &mut effort)?;
        let misfits = self.0.validator.iter_errors(value).take(MAX_MISFITS);
        Ok(misfits
            .map(|error| Misfit {
                pointer: error.instance_path().as_str().to_owned(),
                keyword: error.kind().keyword().to_owned(),
                // Some list all that the schema would take.
                message: error
                    .masked()
                    .to_string()
                    .chars()
                    .take(MAX_MESSAGE_CHARS)
                    .collect(),
            })
            .collect())
    }
}

#[cfg(test)]
impl Schema {
    pub(crate) fn is_shared_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// Schemas that somebody has compiled and still uses, by their text: many steps and plans use one plugin.
#[derive(Debug, Default)]
pub(crate) struct Schemas(Mutex<HashMap<Digest, Weak<Compiled>>>);

impl Schemas {
    /// The schema compiled, once for all who hold it.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub(crate) fn compile(&self, json: &Json) -> Result<Schema, String> {
        let mut hasher = Hasher::default();
        hasher.update(json.to_string().as_bytes());
        let key = hasher.finish();
        if let Some(known) = self.lock().get(&key).and_then(Weak::upgrade) {
            return Ok(Schema(known));
        }
        let schema = Schema::compile(json)?;
        let mut known = self.lock();
        known.retain(|_, schema| schema.strong_count() > 0);
        known.insert(key, Arc::downgrade(&schema.0));
        Ok(schema)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Digest, Weak<Compiled>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many patterns stand in a schema, used or not.
fn patterns(json: &Json) -> usize {
    match json {
        Json::Array(items) => items.iter().map(patterns).sum(),
        Json::Object(members) => members
            .iter()
            .filter(|(name, _)| !DATA.contains(&name.as_str()))
            .map(|(name, member)| {
                let own = match (name.as_str(), member) {
                    ("pattern", Json::String(_)) => 1,
                    ("patternProperties", Json::Object(schemas)) => schemas.len(),
                    _ => 0,
                };
                own + patterns(member)
            })
            .sum(),
        _ => 0,
    }
}

/// Names whose values are data, not schemas.
const DATA: [&str; 5] = ["const", "enum", "default", "examples", "$comment"];

fn unfold<'a>(
    root: &'a Json,
    node: &'a Json,
    open: &mut Vec<&'a str>,
    depth: usize,
    nodes: &mut usize,
) -> Result<(), String> {
    *nodes = nodes.saturating_add(1);
    if *nodes > MAX_NODES {
        return Err(format!(
            "the schema has more than {MAX_NODES} parts with its references unfolded"
        ));
    }
    if depth > MAX_DEPTH {
        return Err(format!("the schema is nested more than {MAX_DEPTH} deep"));
    }
    let below = depth.saturating_add(1);
    match node {
        Json::Array(items) => items
            .iter()
            .try_for_each(|item| unfold(root, item, open, below, nodes)),
        Json::Object(members) => {
            for word in ["$dynamicRef", "$recursiveRef"] {
                if members.get(word).is_some_and(Json::is_string) {
                    return Err(format!("the schema uses {word}; write the schema out instead"));
                }
            }
            if let Some(Json::String(reference)) = members.get("$ref") {
                if open.contains(&reference.as_str()) {
                    return Err(format!(
                        "the schema refers to itself ('{reference}'); write it out to the depth you need"
                    ));
                }
                let target = local(root, reference).ok_or_else(|| {
                    format!("the schema refers to '{reference}'; only parts of the same schema (#/$defs/…) can be used")
                })?;
                open.push(reference);
                unfold(root, target, open, below, nodes)?;
                open.pop();
            }
            let schemas = members.iter().filter(|(name, _)| !DATA.contains(&name.as_str()));
            for (name, member) in schemas {
                // Definitions count where they are used.
                if depth == 0 && (name == "$defs" || name == "definitions") {
                    continue;
                }
                unfold(root, member, open, below, nodes)?;
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

fn local<'a>(root: &'a Json, reference: &str) -> Option<&'a Json> {
    root.pointer(reference.strip_prefix('#')?)
}

/// Misfits as one message.
pub(crate) fn told(misfits: &[Misfit]) -> String {
    let lines: Vec<String> = misfits
        .iter()
        .map(|m| {
            let place = if m.pointer.is_empty() { "/" } else { &m.pointer };
            format!("{place}: {}", m.message)
        })
        .collect();
    lines.join("; ")
}

#[cfg(test)]
mod tests;
