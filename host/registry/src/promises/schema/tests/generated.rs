//! Schemas, changes and values by chance, the same in every run: what is called kept is kept, what widens is called kept.

use serde_json::json;

use super::*;

/// Numbers by chance (splitmix64), so that a failure can be had again.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, most: usize) -> usize {
        (self.next() % most as u64) as usize
    }

    fn one_in(&mut self, many: usize) -> bool {
        self.below(many) == 0
    }

    fn of<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())].clone()
    }
}

const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];

fn scalar(chance: &mut Chance) -> Json {
    chance.of(&[
        json!(null),
        json!(true),
        json!(false),
        json!(-2),
        json!(0),
        json!(1),
        json!(2),
        json!(3),
        json!(4),
        json!(6),
        json!(2.5),
        json!(3.0),
        json!(""),
        json!("a"),
        json!("ab"),
        json!("abc"),
        json!("b"),
    ])
}

/// A keyword that fits many schemas.
fn keyword(chance: &mut Chance, depth: usize) -> (&'static str, Json) {
    let small = chance.below(5);
    match chance.below(26) {
        0 => ("minimum", json!(small)),
        1 => ("maximum", json!(small)),
        2 => ("exclusiveMinimum", json!(small)),
        3 => ("exclusiveMaximum", json!(small)),
        4 => ("multipleOf", json!(small + 1)),
        5 => ("minLength", json!(small)),
        6 => ("maxLength", json!(small)),
        7 => ("pattern", chance.of(&[json!("^a"), json!("b$")])),
        8 => ("minItems", json!(small)),
        9 => ("maxItems", json!(small)),
        10 => ("uniqueItems", json!(true)),
        11 => ("items", schema(chance, depth)),
        12 => ("required", json!([chance.of(&NAMES)])),
        13 => ("minProperties", json!(small)),
        14 => ("maxProperties", json!(small)),
        15 => ("additionalProperties", json!(false)),
        16 => ("additionalProperties", schema(chance, depth)),
        17 => ("enum", json!([scalar(chance), scalar(chance), scalar(chance)])),
        18 => ("const", scalar(chance)),
        19 => ("anyOf", json!([schema(chance, depth), schema(chance, depth)])),
        20 => ("oneOf", json!([schema(chance, depth), schema(chance, depth)])),
        21 => ("not", schema(chance, depth)),
        22 => ("allOf", json!([schema(chance, depth), schema(chance, depth)])),
        23 => ("prefixItems", json!([schema(chance, depth)])),
        24 => ("patternProperties", json!({"^[ab]": schema(chance, depth)})),
        _ => ("propertyNames", json!({"maxLength": small})),
    }
}

fn types(chance: &mut Chance) -> Json {
    let all = [
        "null", "boolean", "integer", "number", "string", "array", "object", "object",
    ];
    if chance.one_in(4) {
        json!([chance.of(&all[..4]), chance.of(&all[4..7])])
    } else {
        json!(chance.of(&all))
    }
}

fn schema(chance: &mut Chance, depth: usize) -> Json {
    if chance.one_in(12) {
        return json!(!chance.one_in(5));
    }
    let Some(below) = depth.checked_sub(1) else {
        return json!({"type": types(chance)});
    };
    if chance.one_in(10) {
        return json!({"$ref": "#/$defs/shared"});
    }
    let mut map = Map::new();
    if !chance.one_in(5) {
        map.insert("type".to_owned(), types(chance));
    }
    if chance.one_in(2) {
        let members = (0..chance.below(4)).map(|_| (chance.of(&NAMES).to_owned(), schema(chance, below)));
        map.insert("properties".to_owned(), Json::Object(members.collect()));
    }
    for _ in 0..chance.below(3) {
        let (name, value) = keyword(chance, below);
        map.insert(name.to_owned(), value);
    }
    Json::Object(map)
}

fn root(chance: &mut Chance) -> Json {
    let mut root = schema(chance, 3);
    let shared = schema(chance, 0);
    if let Json::Object(map) = &mut root {
        map.insert("$defs".to_owned(), json!({ "shared": shared }));
        return root;
    }
    json!({"allOf": [root], "$defs": {"shared": shared}})
}

/// One change somewhere.
fn change(chance: &mut Chance, json: &mut Json) {
    let deeper = !chance.one_in(3);
    match json {
        Json::Object(map) if deeper && !map.is_empty() => {
            let place = chance.below(map.len());
            let (name, value) = map.iter_mut().nth(place).unwrap();
            if !matches!(name.as_str(), "enum" | "const" | "required" | "type") {
                return change(chance, value);
            }
            if let Json::Array(items) = value
                && items.len() > 1
            {
                items.remove(chance.below(items.len()));
            }
        }
        Json::Array(items) if deeper && !items.is_empty() => {
            let place = chance.below(items.len());
            change(chance, &mut items[place]);
        }
        Json::Number(_) => *json = json!(chance.below(5) + 1),
        Json::String(_) => {}
        Json::Object(map) => {
            if chance.one_in(2) && !map.is_empty() {
                let name = map.keys().nth(chance.below(map.len())).unwrap().clone();
                map.remove(&name);
            } else {
                let (name, value) = keyword(chance, 1);
                map.insert(name.to_owned(), value);
            }
        }
        Json::Bool(value) => *value = !*value,
        _ => {}
    }
}

/// A value that has a chance to fit. Members that no schema declares are called `zz…`, which none ever does.
fn value(chance: &mut Chance, root: &Json, schema: &Json, depth: usize) -> Json {
    let Json::Object(map) = schema else {
        return scalar(chance);
    };
    if let Some(reference) = map.get("$ref").and_then(Json::as_str) {
        return value(chance, root, target(root, reference).unwrap(), depth);
    }
    if let Some(Json::Array(values)) = map.get("enum")
        && !chance.one_in(4)
    {
        return chance.of(values);
    }
    if let Some(value) = map.get("const") {
        return value.clone();
    }
    for word in ["anyOf", "oneOf", "allOf"] {
        if let Some(Json::Array(schemas)) = map.get(word)
            && chance.one_in(2)
        {
            let chosen = chance.of(schemas);
            return value(chance, root, &chosen, depth);
        }
    }
    let names: Vec<&str> = match map.get("type") {
        Some(Json::String(name)) => vec![name],
        Some(Json::Array(names)) => names.iter().filter_map(Json::as_str).collect(),
        _ => vec!["object", "array", "scalar"],
    };
    let below = depth.saturating_sub(1);
    match chance.of(&names) {
        "object" if depth > 0 => {
            let mut members = Map::new();
            for (name, schema) in map
                .get("properties")
                .and_then(Json::as_object)
                .into_iter()
                .flatten()
            {
                if !chance.one_in(3) {
                    members.insert(name.clone(), value(chance, root, schema, below));
                }
            }
            for name in ["zz", "zzz"] {
                if chance.one_in(4) {
                    let others = map.get("additionalProperties").unwrap_or(&Json::Null);
                    members.insert(name.to_owned(), value(chance, root, others, below));
                }
            }
            Json::Object(members)
        }
        "array" if depth > 0 => {
            let items = map.get("items").unwrap_or(&Json::Null);
            (0..chance.below(4))
                .map(|_| value(chance, root, items, below))
                .collect()
        }
        "object" => json!({}),
        "array" => json!([]),
        _ => scalar(chance),
    }
}

#[test]
fn what_is_called_kept_is_kept() {
    let mut chance = Chance(7);
    let (mut kept, mut broken, mut values) = (0, 0, 0);
    for round in 0..12_000 {
        let old = root(&mut chance);
        let mut new = old.clone();
        for _ in 0..=chance.below(3) {
            change(&mut chance, &mut new);
        }
        if old == new {
            continue;
        }
        let (Ok(before), Ok(after)) = (jsonschema::validator_for(&old), jsonschema::validator_for(&new))
        else {
            continue;
        };
        let found = narrowings(&old, &new);
        if !found.is_empty() {
            broken += 1;
            continue;
        }
        kept += 1;
        for _ in 0..30 {
            let value = value(&mut chance, &old, &old, 4);
            if before.is_valid(&value) {
                values += 1;
                assert!(
                    after.is_valid(&value),
                    "round {round}: {value} fits {old} and not {new}, which is said to keep it"
                );
            }
        }
    }
    println!("{kept} kept, {broken} broken, {values} values");
    assert!(
        kept > 1_500 && broken > 1_500 && values > 15_000,
        "{kept} {broken} {values}"
    );
}

#[test]
fn every_schema_keeps_itself() {
    let mut chance = Chance(11);
    for _ in 0..3_000 {
        let schema = root(&mut chance);
        assert_eq!(narrowings(&schema, &schema), [""; 0], "{schema}");
    }
}

/// Lets more through at one place, if the place can.
fn widen(chance: &mut Chance, schema: &mut Json) {
    let Json::Object(map) = schema else { return };
    let inner: Vec<&str> = ["properties", "items", "anyOf"]
        .into_iter()
        .filter(|name| map.contains_key(*name))
        .collect();
    if !inner.is_empty() && chance.one_in(2) {
        match map.get_mut(chance.of(&inner)) {
            Some(Json::Object(members))
                if members.values().all(|m| m.is_object() || m.is_boolean())
                    && !members.contains_key("type") =>
            {
                let place = chance.below(members.len().max(1));
                if let Some(member) = members.values_mut().nth(place) {
                    widen(chance, member);
                }
                return;
            }
            Some(Json::Array(items)) if !items.is_empty() => {
                let place = chance.below(items.len());
                return widen(chance, &mut items[place]);
            }
            Some(other) => return widen(chance, other),
            None => return,
        }
    }
    match chance.below(8) {
        0 => {
            for gone in [
                "pattern",
                "not",
                "oneOf",
                "uniqueItems",
                "propertyNames",
                "multipleOf",
            ] {
                map.remove(gone);
            }
        }
        1 => {
            for gone in [
                "minimum",
                "minLength",
                "minItems",
                "exclusiveMinimum",
                "minProperties",
                "required",
            ] {
                map.remove(gone);
            }
        }
        2 => {
            for (word, more) in [
                ("maximum", 1),
                ("maxLength", 1),
                ("maxItems", 2),
                ("minLength", -1),
                ("minimum", -3),
            ] {
                if let Some(number) = map.get(word).and_then(Json::as_i64) {
                    let least = if word == "minimum" { i64::MIN } else { 0 };
                    map.insert(word.to_owned(), json!((number + more).max(least)));
                }
            }
        }
        3 => {
            if let Some(Json::Array(values)) = map.get_mut("enum") {
                values.push(json!("one more"));
            }
        }
        4 => match map.get("type").cloned() {
            Some(Json::String(one)) if one != "boolean" => {
                map.insert("type".to_owned(), json!([one, "boolean"]));
            }
            _ => {
                map.remove("type");
            }
        },
        5 => {
            map.remove("additionalProperties");
        }
        6 if !map.contains_key("patternProperties")
            && map.get("additionalProperties").is_none_or(Json::is_boolean) =>
        {
            let members = map.entry("properties").or_insert_with(|| json!({}));
            members["new"] = json!({"type": "string"});
        }
        7 => {
            if let Some(Json::Array(others)) = map.get_mut("anyOf") {
                others.push(json!({"type": "null"}));
            }
        }
        _ => {}
    }
}

#[test]
fn what_widens_is_kept() {
    let mut chance = Chance(13);
    let mut changed = 0;
    for _ in 0..6_000 {
        let old = root(&mut chance);
        let mut new = old.clone();
        for _ in 0..=chance.below(2) {
            widen(&mut chance, &mut new);
        }
        changed += usize::from(old != new);
        assert_eq!(narrowings(&old, &new), [""; 0], "{old}\n→ {new}");
    }
    assert!(changed > 2_000, "{changed}");
}
