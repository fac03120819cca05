use serde_json::json;

use super::*;

mod generated;

#[test]
fn each_way_to_narrow_is_found() {
    let object = |more: Json| {
        let mut schema = json!({
            "type": "object",
            "properties": {
                "mode": {"enum": ["fast", "exact"]},
                "limit": {"type": ["integer", "null"], "minimum": 1, "maximum": 10, "multipleOf": 1},
                "name": {"type": "string", "maxLength": 5, "pattern": "^a"},
                "list": {"type": "array", "items": {"type": "number"}, "maxItems": 3},
                "either": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
                "not": {"not": {"type": "null"}}
            }
        });
        for (pointer, value) in more.as_object().unwrap() {
            let (parent, name) = pointer.rsplit_once('/').unwrap();
            let parent = schema.pointer_mut(parent).unwrap().as_object_mut().unwrap();
            if value == "gone" {
                parent.remove(name);
            } else {
                parent.insert(name.to_owned(), value.clone());
            }
        }
        schema
    };
    let old = object(json!({}));
    for (change, said) in [
        (
            json!({"/properties/mode": "gone"}),
            "configuration.mode: the property was removed",
        ),
        (
            json!({"/properties/mode/enum": ["fast"]}),
            "configuration.mode: the value \"exact\" is taken no more",
        ),
        (
            json!({"/properties/limit/type": "integer"}),
            "configuration.limit: the type was narrowed: null",
        ),
        (
            json!({"/properties/limit/minimum": 2}),
            "configuration.limit: minimum was tightened to 2",
        ),
        (
            json!({"/properties/limit/exclusiveMaximum": 10}),
            "exclusiveMaximum was tightened",
        ),
        (json!({"/properties/limit/multipleOf": 2}), "only multiples of 2"),
        (
            json!({"/properties/name/maxLength": 4}),
            "configuration.name: maxLength was tightened to 4",
        ),
        (json!({"/properties/name/minLength": 1}), "minLength"),
        (
            json!({"/properties/name/pattern": "^b"}),
            "the pattern was changed",
        ),
        (
            json!({"/properties/list/items/type": "integer"}),
            "configuration.list[]: the type was narrowed: fractions",
        ),
        (json!({"/properties/list/uniqueItems": true}), "have to differ"),
        (
            json!({"/properties/either/anyOf": [{"type": "string"}]}),
            "an alternative (anyOf)",
        ),
        (
            json!({"/properties/not/not": {"type": "string"}}),
            "what is excluded",
        ),
        (
            json!({"/required": ["mode"]}),
            "configuration.mode: is required now",
        ),
        (
            json!({"/additionalProperties": false}),
            "properties that are not declared are taken no more",
        ),
        (json!({"/minProperties": 1}), "minProperties"),
        (json!({"/oneOf": [{}, false]}), "oneOf"),
        (
            json!({"/$schema": "http://json-schema.org/draft-07/schema#"}),
            "dialect",
        ),
    ] {
        let new = object(change.clone());
        let found = narrowings(&old, &new);
        assert!(found.iter().any(|one| one.contains(said)), "{change}: {found:?}");
        assert_eq!(found.len(), 1, "{change}: {found:?}");
    }
}

#[test]
fn what_only_widens_or_only_looks_different_is_kept() {
    for (old, new) in [
        // The type says what an enum says.
        (json!({"enum": [1, 2]}), json!({"type": "integer"})),
        (json!({"const": "a"}), json!({"enum": ["a", "b"]})),
        (json!({"type": "boolean"}), json!({"enum": [true, false, null]})),
        // Whole numbers from 1 are above 0.
        (
            json!({"type": "integer", "minimum": 1}),
            json!({"exclusiveMinimum": 0}),
        ),
        (json!({"multipleOf": 6}), json!({"multipleOf": 3})),
        // A rule for a type that was not taken before is no rule for what was.
        (
            json!({"type": "string"}),
            json!({"type": ["string", "object"], "required": ["a"]}),
        ),
        (
            json!({"type": "object"}),
            json!({"type": "object", "properties": {"a": {"type": "string"}}}),
        ),
        // In other words.
        (
            json!({"properties": {"a": {"$ref": "#/$defs/x"}}, "$defs": {"x": {"type": "string", "title": "X"}}}),
            json!({"properties": {"a": {"type": "string"}}, "description": "all new"}),
        ),
        (
            json!({"type": "object", "required": ["a"], "minProperties": 1}),
            json!({"allOf": [{"type": "object"}, {"required": ["a"]}], "minProperties": 1}),
        ),
        (
            json!({"type": "string"}),
            json!({"anyOf": [{"type": "string"}, {"type": "null"}]}),
        ),
        (json!(false), json!({"type": "string"})),
        (json!({"type": "string"}), json!(true)),
        (json!({"not": {"type": "null"}, "oneOf": [{}]}), json!({})),
    ] {
        assert_eq!(narrowings(&old, &new), [""; 0], "{old} → {new}");
        assert_eq!(narrowings(&old, &old), [""; 0], "{old}");
    }
}

#[test]
fn what_cannot_be_judged_is_not_called_kept() {
    for (old, new) in [
        // The same reference to something else.
        (
            json!({"not": {"$ref": "#/$defs/x"}, "$defs": {"x": {"type": "null"}}}),
            json!({"not": {"$ref": "#/$defs/x"}, "$defs": {"x": {"type": "string"}}}),
        ),
        // Declared in another part, and closed in this one.
        (
            json!({"properties": {"a": {"type": "integer"}}}),
            json!({"allOf": [{"properties": {"a": {}}}, {"additionalProperties": false}]}),
        ),
        (
            json!({"allOf": [{"properties": {"a": {"type": "integer"}}}, {}]}),
            json!({"properties": {"a": {"type": "string"}}}),
        ),
        (
            json!({"patternProperties": {"^a": {}}, "additionalProperties": false}),
            json!({"properties": {"ab": {"type": "null"}}, "patternProperties": {"^a": {}}, "additionalProperties": false}),
        ),
        (
            json!({"properties": {"a": {}}, "unevaluatedProperties": false}),
            json!({"properties": {"a": {}, "b": {}}, "unevaluatedProperties": {"type": "string"}}),
        ),
        (json!({}), json!({"$ref": "#/$defs/nothing"})),
        (
            json!({"$id": "https://example.org/a"}),
            json!({"$id": "https://example.org/b"}),
        ),
        // Beyond 2^53, where rounding would hide the difference.
        (
            json!({"minimum": 9_007_199_254_740_993_u64}),
            json!({"minimum": 9_007_199_254_740_994_u64}),
        ),
    ] {
        assert_ne!(narrowings(&old, &new), [""; 0], "{old} → {new}");
    }
}

#[test]
fn hostile_schemas_end_soon() {
    let nested = |leaf: Json| (0..12).fold(leaf, |inner, _| json!({"anyOf": [inner.clone(), inner]}));
    let wide = nested(json!({"type": "string"}));
    let other = nested(json!({"type": "integer"}));
    let deep = (0..300).fold(json!({}), |inner, _| json!({"allOf": [inner]}));
    let started = std::time::Instant::now();
    assert_ne!(narrowings(&wide, &other), [""; 0]);
    assert_ne!(narrowings(&json!({"type": "string"}), &deep), [""; 0]);
    let endless = json!({"properties": {"a": {"$ref": "#"}}});
    let other = json!({"properties": {"a": {"$ref": "#"}, "b": {}}});
    assert_ne!(narrowings(&endless, &other), [""; 0]);
    assert!(
        started.elapsed() < std::time::Duration::from_secs(5),
        "{:?}",
        started.elapsed()
    );
}
