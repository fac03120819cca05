//! Whether every configuration that fitted the old schema fits the new one.
//!
//! Each part of the new schema has to follow from the old one; what cannot be judged (patterns, `not`, `oneOf`, conditions)
//! has to be the same, or gone. So the answer errs on one side: what is called kept is kept. One promise is not made: a member
//! that an open schema does not declare means nothing to the plugin, and may be declared, with a type, by a later version.

mod keywords;

use std::collections::BTreeSet;

use serde_json::{Map, Value as Json};

use super::canonical::{self, Fuel, target};
use super::types::Types;

/// Steps that one comparison may take: some tens of milliseconds.
const STEPS: usize = 100_000;
/// References and `allOf` within one another.
const MAX_DEPTH: usize = 64;
/// Most breaks that are found.
const MAX_BREAKS: usize = 100;
/// The dialect of a schema that names none.
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// What the new schema takes no more that the old one took, each with its place; empty: nothing.
pub(super) fn narrowings(old: &Json, new: &Json) -> Vec<String> {
    let (old, new) = (or_anything(old), or_anything(new));
    let mut fuel = Fuel::new(STEPS);
    if let (Some(before), Some(after)) = (
        canonical::of(old, old, &mut fuel),
        canonical::of(new, new, &mut fuel),
    ) && before == after
        && dialect(old) == dialect(new)
    {
        return Vec::new();
    }
    if dialect(old) != dialect(new) {
        return vec![
            "the configuration schema is in another dialect ($schema), which cannot be compared".to_owned(),
        ];
    }
    if [old, new].into_iter().any(is_beyond) {
        return vec!["the configuration schema was changed, and uses $id, $anchor or draft 4 or 6, which cannot be compared: nothing in it may change".to_owned()];
    }
    let mut comparison = Comparison {
        old,
        new,
        legacy: dialect(old).contains("draft-07"),
        fuel,
    };
    let mut breaks = comparison.compare(old, new, "");
    if comparison.fuel.is_spent() {
        breaks.push("the configuration schemas are too large to be compared".to_owned());
    }
    breaks.truncate(MAX_BREAKS);
    breaks
}

fn or_anything(schema: &Json) -> &Json {
    if schema.is_null() {
        &Json::Bool(true)
    } else {
        schema
    }
}

fn dialect(schema: &Json) -> &str {
    let named = schema.get("$schema").and_then(Json::as_str);
    named.map_or(DIALECT, |named| named.trim_end_matches('#'))
}

/// Whether it uses words that change what others mean.
fn is_beyond(schema: &Json) -> bool {
    /// `by_name`: the members of this object are schemas, whatever they are called.
    fn named(json: &Json, by_name: bool) -> bool {
        match json {
            Json::Object(members) => members.iter().any(|(name, member)| match name.as_str() {
                _ if by_name => named(member, false),
                "$id" | "id" | "$anchor" => member.is_string(),
                "default" | "examples" | "enum" | "const" => false,
                "properties" | "patternProperties" | "$defs" | "definitions" | "dependentSchemas" => {
                    named(member, true)
                }
                _ => named(member, false),
            }),
            Json::Array(items) => items.iter().any(|item| named(item, false)),
            _ => false,
        }
    }
    let dialect = dialect(schema);
    dialect.contains("draft-04") || dialect.contains("draft-06") || named(schema, false)
}

/// One schema in the place of another.
struct Comparison<'a> {
    old: &'a Json,
    new: &'a Json,
    /// In draft 7, what stands beside `$ref` means nothing.
    legacy: bool,
    fuel: Fuel,
}

/// Schemas that all have to hold: a schema, what it refers to, what its `allOf` holds.
#[derive(Default)]
struct Parts<'a> {
    maps: Vec<&'a Map<String, Json>>,
    /// Nothing fits.
    never: bool,
    /// A reference names nothing, or there is no end.
    broken: bool,
}

impl<'a> Parts<'a> {
    fn of(root: &'a Json, schema: &'a Json, legacy: bool) -> Self {
        let mut parts = Self::default();
        parts.add(root, schema, legacy, 0);
        parts
    }

    fn add(&mut self, root: &'a Json, schema: &'a Json, legacy: bool, depth: usize) {
        match schema {
            Json::Bool(true) => {}
            Json::Object(map) if depth <= MAX_DEPTH => {
                let reference = map.get("$ref").and_then(Json::as_str);
                if let Some(reference) = reference {
                    match target(root, reference) {
                        Some(target) => self.add(root, target, legacy, depth + 1),
                        None => self.broken = true,
                    }
                }
                if reference.is_some() && legacy {
                    return;
                }
                for each in map.get("allOf").and_then(Json::as_array).into_iter().flatten() {
                    self.add(root, each, legacy, depth + 1);
                }
                self.maps.push(map);
            }
            Json::Bool(false) => self.never = true,
            _ => self.broken = true,
        }
    }

    fn types(&self) -> Types {
        let each = self.maps.iter().map(|map| Types::let_through(map));
        each.fold(Types::ALL, Types::and)
    }

    /// The members that it knows by name.
    fn declared(&self) -> BTreeSet<&'a str> {
        let each = self
            .maps
            .iter()
            .filter_map(|map| map.get("properties")?.as_object());
        each.flat_map(|members| members.keys().map(String::as_str))
            .collect()
    }
}

/// A place in both schemas, with all that holds there.
struct Place<'a> {
    /// The old schema as it is written.
    whole: &'a Json,
    old: Parts<'a>,
    /// That the old one let through.
    types: Types,
    old_declared: BTreeSet<&'a str>,
    new_declared: BTreeSet<&'a str>,
    at: String,
}

impl Place<'_> {
    /// A break here.
    fn says(&self, what: impl std::fmt::Display) -> Vec<String> {
        let at = if self.at.is_empty() {
            "configuration"
        } else {
            &self.at
        };
        vec![format!("{at}: {what}")]
    }

    fn below(&self, name: &str) -> String {
        let shown: String = name.chars().filter(|c| !c.is_control()).take(60).collect();
        if self.at.is_empty() {
            format!("configuration.{shown}")
        } else {
            format!("{}.{shown}", self.at)
        }
    }
}

impl<'a> Comparison<'a> {
    /// What `new` takes no more of what `old` took.
    fn compare(&mut self, old: &'a Json, new: &'a Json, at: &str) -> Vec<String> {
        if !self.fuel.enter() {
            return vec![format!("{at}: too large or too deep to be compared")];
        }
        let breaks = self.compare_within(old, new, at);
        self.fuel.leave();
        breaks
    }

    fn compare_within(&mut self, old: &'a Json, new: &'a Json, at: &str) -> Vec<String> {
        let (before, after) = (
            Parts::of(self.old, old, self.legacy),
            Parts::of(self.new, new, self.legacy),
        );
        let mut place = Place {
            whole: old,
            types: before.types(),
            old_declared: before.declared(),
            new_declared: after.declared(),
            at: at.to_owned(),
            old: before,
        };
        if place.old.never && !place.old.broken {
            return Vec::new();
        }
        if place.old.broken || after.broken {
            return place.says("refers to something that is not there, so it cannot be compared");
        }
        if after.never {
            return place.says("takes nothing any more");
        }
        if place.old.maps.is_empty() {
            place.old.maps.push(nothing());
        }
        let mut breaks = Vec::new();
        if place.types.meets(Types::OBJECT) {
            for gone in place.old_declared.difference(&place.new_declared) {
                breaks.push(format!("{}: the property was removed", place.below(gone)));
            }
        }
        for part in &after.maps {
            breaks.extend(self.follows(&place, new, part));
            if breaks.len() >= MAX_BREAKS {
                break;
            }
        }
        breaks
    }
}

/// A schema that asks for nothing.
fn nothing() -> &'static Map<String, Json> {
    static NOTHING: std::sync::LazyLock<Map<String, Json>> = std::sync::LazyLock::new(Map::new);
    &NOTHING
}

#[cfg(test)]
mod tests;
