//! One form for schemas that say the same in different words: references written out, nothing that only describes.

use serde_json::{Map, Value as Json};

/// Keywords that constrain nothing.
const DESCRIBING: [&str; 13] = [
    "title",
    "description",
    "default",
    "examples",
    "$comment",
    "deprecated",
    "readOnly",
    "writeOnly",
    "$schema",
    "$defs",
    "definitions",
    "contentMediaType",
    "contentEncoding",
];
/// Keywords whose values are schemas by name.
const MAPS: [&str; 4] = [
    "properties",
    "patternProperties",
    "dependentSchemas",
    "dependencies",
];
/// Keywords whose values are schemas, or lists of them.
const SCHEMAS: [&str; 16] = [
    "allOf",
    "anyOf",
    "oneOf",
    "prefixItems",
    "items",
    "additionalItems",
    "additionalProperties",
    "contains",
    "not",
    "if",
    "then",
    "else",
    "propertyNames",
    "unevaluatedItems",
    "unevaluatedProperties",
    "contentSchema",
];

/// Deepest nesting that is followed, references included. Schemas that pipelines can use are less deep.
const MAX_DEPTH: usize = 100;

/// Work that may still be done: schemas are a stranger's, and small ones can unfold to large ones, or without end.
#[derive(Debug)]
pub(super) struct Fuel {
    steps: usize,
    depth: usize,
}

impl Fuel {
    pub(super) const fn new(steps: usize) -> Self {
        Self { steps, depth: 0 }
    }

    /// Takes a step down. False: there is none left, or it is too deep; otherwise it has to be left again.
    pub(super) const fn enter(&mut self) -> bool {
        if self.depth >= MAX_DEPTH {
            return false;
        }
        self.steps = self.steps.saturating_sub(1);
        if self.steps > 0 {
            self.depth += 1;
        }
        self.steps > 0
    }

    /// One step up again.
    pub(super) const fn leave(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }

    /// Whether it ever ran out.
    pub(super) const fn is_spent(&self) -> bool {
        self.steps == 0
    }
}

/// The part of a schema that a local reference names.
pub(super) fn target<'a>(root: &'a Json, reference: &str) -> Option<&'a Json> {
    root.pointer(reference.strip_prefix('#')?)
}

/// Some keywords of a schema in canonical form; none if the fuel does not last, or a reference names nothing.
pub(super) fn of_keywords(
    root: &Json,
    schema: &Map<String, Json>,
    keywords: &[&str],
    fuel: &mut Fuel,
) -> Option<Json> {
    let mut form = Map::new();
    for keyword in keywords {
        if let Some(value) = schema.get(*keyword) {
            form.insert((*keyword).to_owned(), of_keyword(root, keyword, value, fuel)?);
        }
    }
    Some(Json::Object(form))
}

/// A schema in canonical form.
pub(super) fn of(root: &Json, schema: &Json, fuel: &mut Fuel) -> Option<Json> {
    let Json::Object(members) = schema else {
        return Some(schema.clone());
    };
    if !fuel.enter() {
        return None;
    }
    let form = of_members(root, members, fuel);
    fuel.leave();
    form
}

fn of_members(root: &Json, members: &Map<String, Json>, fuel: &mut Fuel) -> Option<Json> {
    let mut form = Map::new();
    for (keyword, value) in members {
        if !DESCRIBING.contains(&keyword.as_str()) {
            form.insert(keyword.clone(), of_keyword(root, keyword, value, fuel)?);
        }
    }
    Some(Json::Object(form))
}

fn of_keyword(root: &Json, keyword: &str, value: &Json, fuel: &mut Fuel) -> Option<Json> {
    match value {
        Json::String(reference) if keyword == "$ref" => of(root, target(root, reference)?, fuel),
        Json::Object(members) if MAPS.contains(&keyword) => {
            let each = members
                .iter()
                .map(|(name, schema)| Some((name.clone(), of(root, schema, fuel)?)));
            each.collect::<Option<Map<_, _>>>().map(Json::Object)
        }
        Json::Array(schemas) if SCHEMAS.contains(&keyword) => {
            let each = schemas.iter().map(|schema| of(root, schema, fuel));
            each.collect::<Option<Vec<_>>>().map(Json::Array)
        }
        Json::Array(names) if keyword == "required" || keyword == "type" => {
            let mut names = names.clone();
            names.sort_by(|a, b| a.as_str().cmp(&b.as_str()));
            Some(Json::Array(names))
        }
        _ if SCHEMAS.contains(&keyword) => of(root, value, fuel),
        _ => Some(value.clone()),
    }
}
