//! Keyword by keyword: whether what a part of the new schema asks for was asked for before.

use std::cmp::Ordering;

use serde_json::{Map, Number, Value as Json};

use super::{Comparison, Place};
use crate::promises::canonical;
use crate::promises::types::{Types, finite};

type Schema = Map<String, Json>;

/// Keywords that are kept if they are the same, or gone; those that work together stand together.
const OPAQUE: [(&[&str], Types, &str); 10] = [
    (&["pattern"], Types::STRING, "the pattern was changed"),
    (&["format"], Types::STRING, "the format was changed"),
    (
        &["contains", "minContains", "maxContains"],
        Types::ARRAY,
        "what a list must contain was changed",
    ),
    (
        &["dependentRequired"],
        Types::OBJECT,
        "which properties need others was changed",
    ),
    (
        &["dependentSchemas"],
        Types::OBJECT,
        "what properties bring with them was changed",
    ),
    (
        &["dependencies"],
        Types::OBJECT,
        "which properties need others was changed",
    ),
    (
        &["propertyNames"],
        Types::OBJECT,
        "the rule for names of properties was changed",
    ),
    (&["oneOf"], Types::ALL, "the alternatives (oneOf) were changed"),
    (&["not"], Types::ALL, "what is excluded (not) was changed"),
    (&["if", "then", "else"], Types::ALL, "a condition was changed"),
];

/// Keywords of at-least and at-most, with what they are counted for.
const BOUNDS: [(&str, Ordering, Types); 6] = [
    ("minLength", Ordering::Greater, Types::STRING),
    ("maxLength", Ordering::Less, Types::STRING),
    ("minItems", Ordering::Greater, Types::ARRAY),
    ("maxItems", Ordering::Less, Types::ARRAY),
    ("minProperties", Ordering::Greater, Types::OBJECT),
    ("maxProperties", Ordering::Less, Types::OBJECT),
];

impl<'a> Comparison<'a> {
    /// What of `part`, a part of `whole`, does not follow from the old schema.
    pub(super) fn follows(&mut self, place: &Place<'a>, whole: &'a Json, part: &'a Schema) -> Vec<String> {
        let mut breaks = Vec::new();
        breaks.extend(types(place, part));
        breaks.extend(values(place, part));
        if place.types.meets(Types::NUMBER) {
            breaks.extend(numbers(place, part));
        }
        breaks.extend(bounds(place, part));
        for (keywords, of, said) in OPAQUE {
            let used = keywords.iter().any(|keyword| part.contains_key(*keyword));
            if used && place.types.meets(of) && !self.is_same(place, part, keywords) {
                breaks.extend(place.says(said));
            }
        }
        breaks.extend(self.any_of(place, part));
        if place.types.meets(Types::ARRAY) {
            breaks.extend(unique(place, part));
            breaks.extend(self.items(place, part));
        }
        if place.types.meets(Types::OBJECT) {
            breaks.extend(required(place, part));
            breaks.extend(self.members(place, part));
        }
        breaks.extend(self.unevaluated(place, whole, part));
        breaks
    }

    /// Whether these keywords were the same before.
    fn is_same(&mut self, place: &Place<'a>, part: &Schema, keywords: &[&str]) -> bool {
        let Some(now) = canonical::of_keywords(self.new, part, keywords, &mut self.fuel) else {
            return false;
        };
        place.old.maps.iter().any(|map| {
            let before = canonical::of_keywords(self.old, map, keywords, &mut self.fuel);
            before.is_some_and(|before| before == now)
        })
    }

    /// They look at what all others have looked at.
    fn unevaluated(&mut self, place: &Place<'a>, whole: &Json, part: &Schema) -> Vec<String> {
        let open = |keyword| part.get(keyword).is_none_or(|value| *value == Json::Bool(true));
        if open("unevaluatedProperties") && open("unevaluatedItems") {
            return Vec::new();
        }
        let now = canonical::of(self.new, whole, &mut self.fuel);
        let before = canonical::of(self.old, place.whole, &mut self.fuel);
        if now.is_some() && now == before {
            return Vec::new();
        }
        place.says("what stands beside `unevaluated…` was changed, which cannot be compared")
    }

    /// Alternatives may be added.
    fn any_of(&mut self, place: &Place<'a>, part: &'a Schema) -> Vec<String> {
        let Some(Json::Array(new)) = part.get("anyOf") else {
            return Vec::new();
        };
        let covers = |this: &mut Self, old: &'a Json| {
            new.iter().any(|new| this.compare(old, new, &place.at).is_empty())
        };
        let lists = place
            .old
            .maps
            .iter()
            .filter_map(|map| map.get("anyOf")?.as_array());
        let lists: Vec<&'a Vec<Json>> = lists.collect();
        let kept = lists
            .into_iter()
            .any(|old| old.iter().all(|old| covers(self, old)));
        if kept || covers(self, place.whole) {
            return Vec::new();
        }
        place.says("an alternative (anyOf) was removed or narrowed")
    }

    fn items(&mut self, place: &Place<'a>, part: &'a Schema) -> Vec<String> {
        if part.get("items").is_some_and(Json::is_array) {
            if self.is_same(place, part, &["items", "additionalItems"]) {
                return Vec::new();
            }
            return place.says("the items of a list, place by place, were changed");
        }
        if !part.contains_key("items") && !part.contains_key("prefixItems") {
            return Vec::new();
        }
        let at = format!("{}[]", place.below("").trim_end_matches('.'));
        let (new, new_rest) = placed(part);
        let mut least: Option<Vec<String>> = None;
        for map in place.old.maps.clone() {
            let (old, old_rest) = placed(map);
            let mut found = Vec::new();
            if old_rest.is_array() {
                found = place.says("the items of a list were placed, and are not any more");
            } else {
                for number in 0..old.len().max(new.len()) {
                    let old = old.get(number).unwrap_or(old_rest);
                    found.extend(self.compare(old, new.get(number).unwrap_or(new_rest), &at));
                }
                found.extend(self.compare(old_rest, new_rest, &at));
            }
            keep_least(&mut least, found);
        }
        least.unwrap_or_default()
    }

    /// `properties`, `patternProperties` and `additionalProperties`, which belong together.
    fn members(&mut self, place: &Place<'a>, part: &'a Schema) -> Vec<String> {
        let new = Members::of(part);
        if new.is_open() && new.named.is_none_or(Map::is_empty) {
            return Vec::new();
        }
        let mut least: Option<Vec<String>> = None;
        for map in place.old.maps.clone() {
            let found = self.members_follow(place, map, part, &new);
            keep_least(&mut least, found);
        }
        least.unwrap_or_default()
    }

    fn members_follow(
        &mut self,
        place: &Place<'a>,
        map: &'a Schema,
        part: &'a Schema,
        new: &Members<'a>,
    ) -> Vec<String> {
        const PATTERNS: [&str; 1] = ["patternProperties"];
        let old = Members::of(map);
        let mut breaks = Vec::new();
        if !new.patterned.is_none_or(Map::is_empty) {
            let now = canonical::of_keywords(self.new, part, &PATTERNS, &mut self.fuel);
            let before = canonical::of_keywords(self.old, map, &PATTERNS, &mut self.fuel);
            if now.is_none() || now != before {
                return place.says("the rules for properties by pattern were changed");
            }
        }
        for (name, schema) in new.named.into_iter().flatten() {
            let at = place.below(name);
            match old.named.and_then(|named| named.get(name)) {
                Some(before) => breaks.extend(self.compare(before, schema, &at)),
                None if place.old_declared.contains(name.as_str()) => {
                    breaks.push(format!("{at}: was declared elsewhere, which cannot be compared"));
                }
                None if !old.patterned.is_none_or(Map::is_empty) && !is_anything(schema) => {
                    breaks.push(format!(
                        "{at}: is new, where a pattern of names may have taken it before"
                    ));
                }
                None if is_anything(old.others) || *old.others == Json::Bool(false) => {}
                None => breaks.extend(self.compare(old.others, schema, &at)),
            }
        }
        if is_anything(new.others) {
            return breaks;
        }
        // What was declared here, and is in this part one of the others.
        for (name, schema) in old.named.into_iter().flatten() {
            let here = new.named.is_some_and(|named| named.contains_key(name));
            if !here && place.new_declared.contains(name.as_str()) {
                breaks.extend(self.compare(schema, new.others, &place.below(name)));
            }
        }
        if new.patterned.is_none_or(Map::is_empty) {
            for schema in old.patterned.into_iter().flat_map(Map::values) {
                breaks.extend(self.compare(schema, new.others, &place.at));
            }
        }
        if *new.others == Json::Bool(false) && *old.others != Json::Bool(false) {
            breaks.extend(
                place.says("properties that are not declared are taken no more (additionalProperties)"),
            );
        } else {
            breaks.extend(self.compare(old.others, new.others, &place.below("*")));
        }
        breaks
    }
}

/// The schemas of a list's first items, and of those behind them.
fn placed(map: &Schema) -> (&[Json], &Json) {
    let first = map.get("prefixItems").and_then(Json::as_array);
    (
        first.map(Vec::as_slice).unwrap_or_default(),
        map.get("items").unwrap_or(&Json::Bool(true)),
    )
}

/// What a schema says of an object's members.
struct Members<'a> {
    named: Option<&'a Schema>,
    patterned: Option<&'a Schema>,
    others: &'a Json,
}

impl<'a> Members<'a> {
    fn of(map: &'a Schema) -> Self {
        Self {
            named: map.get("properties").and_then(Json::as_object),
            patterned: map.get("patternProperties").and_then(Json::as_object),
            others: map.get("additionalProperties").unwrap_or(&Json::Bool(true)),
        }
    }

    fn is_open(&self) -> bool {
        self.patterned.is_none_or(Map::is_empty) && is_anything(self.others)
    }
}

fn is_anything(schema: &Json) -> bool {
    *schema == Json::Bool(true) || schema.as_object().is_some_and(Map::is_empty)
}

fn keep_least(least: &mut Option<Vec<String>>, found: Vec<String>) {
    if least.as_ref().is_none_or(|least| found.len() < least.len()) {
        *least = Some(found);
    }
}

fn types(place: &Place<'_>, part: &Schema) -> Vec<String> {
    let Some(names) = part.get("type") else {
        return Vec::new();
    };
    let lost = place.types.without(Types::named(names));
    if lost.is_empty() {
        return Vec::new();
    }
    place.says(format!(
        "the type was narrowed: {} are taken no more",
        lost.words()
    ))
}

fn values(place: &Place<'_>, part: &Schema) -> Vec<String> {
    let mut breaks = Vec::new();
    for new in finite(part) {
        let old = place.old.maps.iter().flat_map(|map| finite(map));
        let old = old.map(|values| values.to_vec()).next();
        let Some(old) = old.or_else(|| place.types.values()) else {
            breaks.extend(place.says("takes only some values now (enum)"));
            continue;
        };
        for value in old {
            if !new.contains(&value) && place.types.meets(Types::of(&value)) {
                let shown: String = value.to_string().chars().take(60).collect();
                breaks.extend(place.says(format!("the value {shown} is taken no more")));
            }
        }
    }
    breaks
}

/// How two numbers compare, if that can be told without rounding.
fn order(a: &Number, b: &Number) -> Option<Ordering> {
    let whole = |n: &Number| n.as_i64().map(i128::from).or(n.as_u64().map(i128::from));
    match (whole(a), whole(b)) {
        (Some(a), Some(b)) => Some(a.cmp(&b)),
        _ => {
            const EXACT: i128 = 1 << 53;
            let exact = |n: &Number| whole(n).is_none_or(|n| n.abs() <= EXACT);
            (exact(a) && exact(b))
                .then(|| a.as_f64()?.partial_cmp(&b.as_f64()?))
                .flatten()
        }
    }
}

fn number<'a>(map: &'a Schema, keyword: &str) -> Option<&'a Number> {
    match map.get(keyword) {
        Some(Json::Number(number)) => Some(number),
        _ => None,
    }
}

fn numbers(place: &Place<'_>, part: &Schema) -> Vec<String> {
    const LIMITS: [(&str, &str, Ordering); 2] = [
        ("minimum", "exclusiveMinimum", Ordering::Greater),
        ("maximum", "exclusiveMaximum", Ordering::Less),
    ];
    let mut breaks = Vec::new();
    for (inclusive, exclusive, tighter) in LIMITS {
        let before = |keyword: &str, holds: &dyn Fn(Ordering) -> bool, new: &Number| {
            let mut olds = place.old.maps.iter().filter_map(|map| number(map, keyword));
            olds.any(|old| order(old, new).is_some_and(holds))
        };
        let as_tight = |order: Ordering| order == tighter || order == Ordering::Equal;
        let tightest = |order: Ordering| order == tighter;
        if let Some(new) = number(part, inclusive)
            && !before(inclusive, &as_tight, new)
            && !before(exclusive, &as_tight, new)
        {
            breaks.extend(place.says(format!("{inclusive} was tightened to {new}")));
        }
        if let Some(new) = number(part, exclusive)
            && !before(exclusive, &as_tight, new)
            && !before(inclusive, &tightest, new)
        {
            breaks.extend(place.says(format!("{exclusive} was tightened to {new}")));
        }
    }
    if let Some(new) = number(part, "multipleOf") {
        let divides = |old: &Number| {
            old == new
                || matches!((old.as_u64(), new.as_u64()), (Some(old), Some(new)) if new != 0 && old % new == 0)
        };
        let mut olds = place.old.maps.iter().filter_map(|map| number(map, "multipleOf"));
        let whole = new.as_u64() == Some(1) && place.types.and(Types::NUMBER).within(Types::INTEGER);
        if !whole && !olds.any(divides) {
            breaks.extend(place.says(format!("only multiples of {new} are taken now")));
        }
    }
    breaks
}

fn bounds(place: &Place<'_>, part: &Schema) -> Vec<String> {
    let mut breaks = Vec::new();
    for (keyword, tighter, of) in BOUNDS {
        let Some(new) = number(part, keyword).filter(|_| place.types.meets(of)) else {
            continue;
        };
        let nothing_new = tighter == Ordering::Greater && new.as_f64() == Some(0.0);
        let mut olds = place.old.maps.iter().filter_map(|map| number(map, keyword));
        let as_tight =
            |old: &Number| order(old, new).is_some_and(|order| order == tighter || order == Ordering::Equal);
        if !nothing_new && !olds.any(as_tight) {
            breaks.extend(place.says(format!("{keyword} was tightened to {new}")));
        }
    }
    breaks
}

fn unique(place: &Place<'_>, part: &Schema) -> Vec<String> {
    let is_unique = |map: &Schema| map.get("uniqueItems") == Some(&Json::Bool(true));
    if !is_unique(part) || place.old.maps.iter().any(|map| is_unique(map)) {
        return Vec::new();
    }
    place.says("the items of a list have to differ now")
}

fn required(place: &Place<'_>, part: &Schema) -> Vec<String> {
    let names = |map: &Schema| -> Vec<String> {
        let names = map.get("required").and_then(Json::as_array);
        let names = names.into_iter().flatten().filter_map(Json::as_str);
        names.map(str::to_owned).collect()
    };
    let before: Vec<String> = place.old.maps.iter().flat_map(|map| names(map)).collect();
    let new = names(part).into_iter().filter(|name| !before.contains(name));
    new.map(|name| format!("{}: is required now", place.below(&name)))
        .collect()
}
