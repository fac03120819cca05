//! Params from texts: form fields and query parameters are typed as the pipeline's schema says, because a form knows no
//! numbers.

use docmill_model::failure::Code;
use serde_json::{Map, Value as Json};

use crate::problem::Problem;

/// Params in the making.
pub struct Params<'a> {
    schema: Option<&'a Json>,
    values: Map<String, Json>,
    /// Given one by one; these go over what came as one JSON object.
    single: Vec<String>,
}

impl<'a> Params<'a> {
    /// No params yet.
    pub fn new(schema: Option<&'a Json>) -> Self {
        Self {
            schema,
            values: Map::new(),
            single: Vec::new(),
        }
    }

    /// Adds one param as text. A param whose schema is a list may come several times.
    ///
    /// # Errors
    /// When it is not of the type that the schema says, came before, or holds U+0000.
    pub fn text(&mut self, name: &str, text: &str) -> Result<(), Problem> {
        let shown: String = name.chars().filter(|c| !c.is_control()).take(60).collect();
        if name.is_empty() || name.contains('\0') || text.contains('\0') {
            return Err(invalid(format!(
                "the param '{shown}' has no name or holds U+0000"
            )));
        }
        let schema = self
            .schema
            .and_then(|s| s.get("properties"))
            .and_then(|p| p.get(name));
        let again = self.single.iter().any(|n| n == name);
        let list = has_type(schema, "array") && !text.trim_start().starts_with('[');
        if again && !list {
            return Err(invalid(format!("the param '{shown}' stands twice")));
        }
        let value = if list {
            let item = typed(schema.and_then(|s| s.get("items")), &shown, text)?;
            match self.values.remove(name).filter(|_| again) {
                Some(Json::Array(mut items)) => {
                    items.push(item);
                    Json::Array(items)
                }
                _ => Json::Array(vec![item]),
            }
        } else {
            typed(schema, &shown, text)?
        };
        self.single.push(name.to_owned());
        self.values.insert(name.to_owned(), value);
        Ok(())
    }

    /// Adds many params as one JSON object.
    ///
    /// # Errors
    /// When it is not an object or holds U+0000.
    pub fn json(&mut self, text: &[u8]) -> Result<(), Problem> {
        let object: Json = serde_json::from_slice(text)
            .map_err(|error| invalid(format!("`params` is not JSON: {error}")))?;
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
    ///
    /// # Errors
    /// When a text in it holds U+0000, which the database does not take.
    pub fn finish(self) -> Result<Json, Problem> {
        let params = Json::Object(self.values);
        if holds_nul(&params) {
            return Err(invalid("the params hold U+0000; remove it".to_owned()));
        }
        Ok(params)
    }
}

/// Whether a text or a name in `value` holds U+0000.
pub fn holds_nul(value: &Json) -> bool {
    match value {
        Json::String(text) => text.contains('\0'),
        Json::Array(items) => items.iter().any(holds_nul),
        Json::Object(map) => map
            .iter()
            .any(|(name, value)| name.contains('\0') || holds_nul(value)),
        _ => false,
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

fn typed(schema: Option<&Json>, name: &str, text: &str) -> Result<Json, Problem> {
    let is = |wanted| has_type(schema, wanted);
    let as_json = || serde_json::from_str::<Json>(text.trim()).ok();
    let found = as_json().filter(|value| match value {
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
    let wanted = ["number", "integer", "boolean", "object", "array"]
        .into_iter()
        .find(|t| is(t));
    match wanted {
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
    use serde_json::json;

    use super::*;

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
            params.text(name, text).unwrap();
        }
        params.json(br#"{"s": "loses", "more": [1]}"#).unwrap();
        assert_eq!(
            params.finish().unwrap(),
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
        ] {
            let refused = Params::new(Some(&schema)).text(name, text).unwrap_err();
            assert_eq!(refused.failure.code, Code::InvalidParams, "{name}");
        }
        let mut twice = Params::new(None);
        twice.text("a", "1").unwrap();
        assert!(twice.text("a", "1").is_err());
        let mut nul = Params::new(None);
        nul.json(br#"{"a": {"b": ["\u0000"]}}"#).unwrap();
        assert!(nul.finish().is_err());
        assert!(Params::new(None).json(b"[1]").is_err());
        assert!(Params::new(None).json(b"{").is_err());
    }
}
