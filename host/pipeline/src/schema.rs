//! JSON Schemas of configurations and parameters. They come from plugins and tenants: remote references, schemas that
//! refer to themselves and schemas that unfold without end are refused, patterns run in linear time.

use std::sync::Arc;

use jsonschema::{PatternOptions, Validator};
use serde_json::Value as Json;

/// Largest schema, roughly in bytes.
const MAX_BYTES: usize = 512 * 1024;
/// Deepest schema, references followed.
const MAX_DEPTH: usize = 64;
/// Most nodes with every reference unfolded: the work of one validation grows with it.
const MAX_NODES: usize = 20_000;
/// Largest compiled pattern, in bytes.
const PATTERN_BYTES: usize = 1 << 20;
/// Most misfits that are told.
const MAX_MISFITS: usize = 16;

/// A compiled schema.
#[derive(Debug, Clone)]
pub(crate) struct Schema {
    json: Arc<Json>,
    validator: Arc<Validator>,
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

impl Schema {
    /// Compiles a schema.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub(crate) fn compile(json: &Json) -> Result<Self, String> {
        if json.is_null() {
            return Self::compile(&Json::Bool(true));
        }
        if crate::weight::json(json) > MAX_BYTES {
            return Err(format!("the schema is larger than {MAX_BYTES} bytes"));
        }
        let mut nodes = 0;
        unfold(json, json, &mut Vec::new(), 0, &mut nodes)?;
        let patterns = PatternOptions::regex()
            .size_limit(PATTERN_BYTES)
            .dfa_size_limit(PATTERN_BYTES);
        let validator = jsonschema::options()
            .with_pattern_options(patterns)
            .offline()
            .build(json)
            .map_err(|error| {
                let place = error.instance_path().as_str().to_owned();
                format!("the schema is wrong at '{place}': {}", error.masked())
            })?;
        Ok(Self {
            json: Arc::new(json.clone()),
            validator: Arc::new(validator),
        })
    }

    /// Fills in the defaults of members that are left out.
    pub(crate) fn fill(&self, value: &mut Json) {
        fill(&self.json, &self.json, value, 0);
    }

    /// Every rule that the value breaks, the first few.
    pub(crate) fn misfits(&self, value: &Json) -> Vec<Misfit> {
        self.validator
            .iter_errors(value)
            .take(MAX_MISFITS)
            .map(|error| Misfit {
                pointer: error.instance_path().as_str().to_owned(),
                keyword: error.kind().keyword().to_owned(),
                message: error.masked().to_string(),
            })
            .collect()
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

fn fill(root: &Json, node: &Json, value: &mut Json, depth: usize) {
    if depth > MAX_DEPTH {
        return;
    }
    let below = depth.saturating_add(1);
    if let Some(target) = node
        .get("$ref")
        .and_then(Json::as_str)
        .and_then(|r| local(root, r))
    {
        fill(root, target, value, below);
    }
    for part in node.get("allOf").and_then(Json::as_array).into_iter().flatten() {
        fill(root, part, value, below);
    }
    match value {
        Json::Object(members) => {
            for (name, schema) in node
                .get("properties")
                .and_then(Json::as_object)
                .into_iter()
                .flatten()
            {
                if !members.contains_key(name)
                    && let Some(default) = default(root, schema)
                {
                    members.insert(name.clone(), default.clone());
                }
                if let Some(member) = members.get_mut(name) {
                    fill(root, schema, member, below);
                }
            }
        }
        Json::Array(items) => {
            if let Some(schema) = node.get("items").filter(|i| i.is_object()) {
                items.iter_mut().for_each(|item| fill(root, schema, item, below));
            }
        }
        _ => {}
    }
}

fn default<'a>(root: &'a Json, schema: &'a Json) -> Option<&'a Json> {
    schema.get("default").or_else(|| {
        let target = local(root, schema.get("$ref")?.as_str()?)?;
        target.get("default")
    })
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
mod tests {
    use std::time::{Duration, Instant};

    use serde_json::json;

    use super::*;

    fn schema(json: &Json) -> Schema {
        Schema::compile(json).unwrap_or_else(|e| panic!("{e}"))
    }

    #[test]
    fn defaults_are_filled_in_where_something_is_left_out() {
        let schema = schema(&json!({
            "type": "object",
            "$defs": { "mode": { "type": "string", "default": "fast" } },
            "properties": {
                "mode": { "$ref": "#/$defs/mode" },
                "limits": { "type": "object", "default": {}, "properties": { "pages": { "default": 10 } } },
                "rules": { "type": "array", "items": { "type": "object", "properties": { "on": { "default": true } } } },
                "name": { "type": "string" }
            }
        }));
        let mut value = json!({ "rules": [{}, { "on": false }] });
        schema.fill(&mut value);
        let expected = json!({
            "rules": [{ "on": true }, { "on": false }], "mode": "fast", "limits": { "pages": 10 }
        });
        assert_eq!(value, expected);
        assert_eq!(schema.misfits(&value), []);
    }

    #[test]
    fn misfits_have_a_pointer_and_quote_nothing() {
        let schema =
            schema(&json!({ "properties": { "a": { "items": { "type": "integer" } } }, "required": ["b"] }));
        let found = schema.misfits(&json!({ "a": [1, "secret"] }));
        assert_eq!(found.len(), 2);
        assert!(
            found.iter().any(|m| m.pointer == "/a/1" && m.keyword == "type"),
            "{found:?}"
        );
        assert!(!told(&found).contains("secret"), "{}", told(&found));
    }

    #[test]
    fn hostile_schemas_are_refused_or_end_soon() {
        let mut ladder = serde_json::Map::new();
        for n in 0..18 {
            let next = format!("#/$defs/s{}", n + 1);
            ladder.insert(
                format!("s{n}"),
                json!({ "anyOf": [{ "$ref": next }, { "$ref": next }] }),
            );
        }
        ladder.insert("s18".into(), json!({ "type": "string" }));
        let mut deep = json!({});
        for _ in 0..200 {
            deep = json!({ "not": deep });
        }
        for (schema, word) in [
            (json!({ "$ref": "#" }), "refers to itself"),
            (json!({ "allOf": [{ "$ref": "#" }] }), "refers to itself"),
            (
                json!({ "properties": { "a": { "$ref": "#" } } }),
                "refers to itself",
            ),
            (
                json!({ "$defs": { "a": { "$ref": "#/$defs/b" }, "b": { "$ref": "#/$defs/a" } }, "$ref": "#/$defs/a" }),
                "refers to itself",
            ),
            (
                json!({ "$ref": "https://example.org/schema.json" }),
                "only parts of the same schema",
            ),
            (
                json!({ "$ref": "file:///etc/passwd" }),
                "only parts of the same schema",
            ),
            (json!({ "$dynamicRef": "#x" }), "$dynamicRef"),
            (json!({ "$defs": ladder, "$ref": "#/$defs/s0" }), "unfolded"),
            (deep, "deep"),
            (json!({ "type": "strnig" }), "wrong at"),
            (json!({ "pattern": "(" }), "wrong at"),
            (json!({ "pattern": "(\\w{1000}){1000}" }), "wrong at"),
            (json!({ "pattern": "(?=a)b" }), "wrong at"),
            (json!({ "$schema": "https://example.org/my-meta" }), ""),
        ] {
            let begun = Instant::now();
            let error = Schema::compile(&schema)
                .err()
                .unwrap_or_else(|| panic!("accepted: {schema}"));
            assert!(error.contains(word), "{error}");
            assert!(begun.elapsed() < Duration::from_secs(1), "{word}");
        }
        let slow = Schema::compile(&json!({ "pattern": "^(a+)+$" })).unwrap_or_else(|e| panic!("{e}"));
        let begun = Instant::now();
        assert_eq!(slow.misfits(&json!(format!("{}b", "a".repeat(100_000)))).len(), 1);
        assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    }
}
