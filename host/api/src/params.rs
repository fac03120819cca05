//! Params from texts: form fields and query parameters are typed as the pipeline's schema says, because a form knows no
//! numbers.

use std::collections::HashSet;

use docmill_model::failure::Code;
use serde_json::{Map, Value as Json};

use crate::problem::Problem;
use crate::weighed::{Budget, Trouble};

/// Most params that come one by one, each item of a list counted.
const MAX_PARAMS: usize = 1_000;
/// Longest param that comes by itself, in bytes.
pub const MAX_PARAM: usize = 256 * 1024;
/// Types that a text may stand for.
const TYPES: [&str; 6] = ["number", "integer", "boolean", "object", "array", "null"];

/// Params in the making.
pub struct Params<'a> {
    schema: Option<&'a Json>,
    values: Map<String, Json>,
    /// Given one by one; these go over what came as one JSON object.
    single: HashSet<String>,
    /// How many came one by one.
    count: usize,
}

impl<'a> Params<'a> {
    /// No params yet.
    pub fn new(schema: Option<&'a Json>) -> Self {
        Self {
            schema,
            values: Map::new(),
            single: HashSet::new(),
            count: 0,
        }
    }

    /// Adds one param as text. A param whose schema is a list may come several times.
    ///
    /// # Errors
    /// When it is not of the type that the schema says, came before, holds U+0000, is too long or one too many.
    pub fn text(&mut self, budget: &mut Budget, name: &str, text: &str) -> Result<(), Problem> {
        self.count += 1;
        if self.count > MAX_PARAMS {
            return Err(invalid(format!(
                "more than {MAX_PARAMS} params came one by one; send them as one JSON object"
            )));
        }
        let shown: String = name.chars().filter(|c| !c.is_control()).take(60).collect();
        if text.len() > MAX_PARAM {
            return Err(invalid(format!(
                "the param '{shown}' is longer than {MAX_PARAM} bytes; send files with a file name"
            )));
        }
        if name.is_empty() || name.contains('\0') || text.contains('\0') {
            return Err(invalid(format!(
                "the param '{shown}' has no name or holds U+0000"
            )));
        }
        let schema = self
            .schema
            .and_then(|s| s.get("properties"))
            .and_then(|p| p.get(name));
        let again = self.single.contains(name);
        let list = has_type(schema, "array") && !text.trim_start().starts_with('[');
        if again && !list {
            return Err(invalid(format!("the param '{shown}' stands twice")));
        }
        let value = if list {
            let item = typed(budget, schema.and_then(|s| s.get("items")), &shown, text)?;
            match self.values.remove(name).filter(|_| again) {
                Some(Json::Array(mut items)) => {
                    items.push(item);
                    Json::Array(items)
                }
                _ => Json::Array(vec![item]),
            }
        } else {
            typed(budget, schema, &shown, text)?
        };
        self.single.insert(name.to_owned());
        self.values.insert(name.to_owned(), value);
        Ok(())
    }

    /// Adds many params as one JSON object.
    ///
    /// # Errors
    /// When it is not an object.
    pub fn object(&mut self, object: Json) -> Result<(), Problem> {
        let Json::Object(object) = object else {
            return Err(invalid("`params` is not a JSON object".to_owned()));
        };
        for (name, value) in object {
            if !self.single.contains(&name) {
                self.values.insert(name, value);
            }
        }
        Ok(())
    }

    /// The object.
    pub fn finish(self) -> Json {
        Json::Object(self.values)
    }
}

fn invalid(detail: String) -> Problem {
    Problem::new(Code::InvalidParams, detail)
}

fn has_type(schema: Option<&Json>, wanted: &str) -> bool {
    match schema.and_then(|s| s.get("type")) {
        Some(Json::String(one)) => one == wanted,
        Some(Json::Array(some)) => some.iter().any(|t| t == wanted),
        _ => false,
    }
}

fn typed(budget: &mut Budget, schema: Option<&Json>, name: &str, text: &str) -> Result<Json, Problem> {
    let is = |wanted| has_type(schema, wanted);
    if !TYPES.into_iter().any(is) {
        return Ok(text.into());
    }
    let read = match budget.parse_here(text.trim().as_bytes()) {
        Ok(value) => Some(value),
        Err(Trouble::Unreadable(_)) => None,
        Err(trouble) => return Err(trouble.problem(Code::InvalidParams, &format!("the param '{name}'"))),
    };
    let found = read.filter(|value| match value {
        Json::Number(n) => is("number") || is("integer") && (n.is_i64() || n.is_u64()),
        Json::Bool(_) => is("boolean"),
        Json::Object(_) => is("object"),
        Json::Array(_) => is("array"),
        Json::Null => is("null"),
        Json::String(_) => false,
    });
    if let Some(value) = found {
        return Ok(value);
    }
    match TYPES.into_iter().find(|t| is(t)) {
        Some(wanted) if !is("string") => Err(invalid(format!(
            "the param '{name}' is to be of type {wanted}; '{}' is not",
            text.chars()
                .filter(|c| !c.is_control())
                .take(40)
                .collect::<String>()
        ))),
        _ => Ok(text.into()),
    }
}

#[cfg(test)]
mod tests {
    use docmill_model::size::ByteSize;
    use serde_json::json;

    use super::*;
    use crate::body::Memory;

    fn budget() -> Budget {
        Budget::new(&Memory::new(ByteSize::mib(1)))
    }

    fn schema() -> Json {
        json!({"type": "object", "properties": {
            "n": {"type": "number"}, "i": {"type": "integer"}, "b": {"type": "boolean"}, "s": {"type": "string"},
            "o": {"type": "object"}, "l": {"type": "array", "items": {"type": "integer"}},
            "maybe": {"type": ["integer", "null"]}, "either": {"type": ["number", "string"]}
        }})
    }

    #[test]
    fn texts_get_the_types_of_the_schema() {
        let schema = schema();
        let mut params = Params::new(Some(&schema));
        for (name, text) in [
            ("n", "1.5"),
            ("i", " 7 "),
            ("b", "true"),
            ("s", "42"),
            ("o", "{\"a\": 1}"),
            ("l", "1"),
            ("l", "2"),
            ("maybe", "null"),
            ("either", "abc"),
            ("free", "09"),
        ] {
            params.text(&mut budget(), name, text).unwrap();
        }
        params.object(json!({"s": "loses", "more": [1]})).unwrap();
        assert_eq!(
            params.finish(),
            json!({"n": 1.5, "i": 7, "b": true, "s": "42", "o": {"a": 1}, "l": [1, 2], "maybe": null,
                   "either": "abc", "free": "09", "more": [1]})
        );
    }

    #[test]
    fn misfits_are_named() {
        let schema = schema();
        for (name, text) in [
            ("n", "x"),
            ("i", "1.5"),
            ("b", "yes"),
            ("o", "[]"),
            ("l", "x"),
            ("a\0", "x"),
            ("s", "\0"),
            ("o", "{\"a\": \"\\u0000\"}"),
        ] {
            let refused = Params::new(Some(&schema))
                .text(&mut budget(), name, text)
                .unwrap_err();
            assert_eq!(refused.failure.code, Code::InvalidParams, "{name}");
        }
        let mut twice = Params::new(None);
        twice.text(&mut budget(), "a", "1").unwrap();
        assert!(twice.text(&mut budget(), "a", "1").is_err());
        assert!(Params::new(None).object(json!([1])).is_err());
    }

    #[test]
    fn there_are_not_many_and_they_are_short() {
        let mut many = Params::new(None);
        for number in 0..MAX_PARAMS {
            many.text(&mut budget(), &number.to_string(), "x").unwrap();
        }
        let refused = many.text(&mut budget(), "more", "x").unwrap_err();
        assert_eq!(refused.failure.code, Code::InvalidParams);
        let long = "x".repeat(MAX_PARAM + 1);
        assert!(Params::new(None).text(&mut budget(), "long", &long).is_err());
        // A list that comes as one text is weighed.
        let schema = json!({"properties": {"l": {"type": "array"}, "m": {"type": "array"}}});
        let list = format!("[{}0]", "0,".repeat(120_000));
        let mut heavy = Params::new(Some(&schema));
        let mut few = Budget::new(&Memory::new(ByteSize::mib(32)));
        heavy.text(&mut few, "l", &list).unwrap();
        assert!(heavy.text(&mut few, "m", &list).is_err());
    }
}
