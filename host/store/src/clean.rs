//! U+0000 never reaches PostgreSQL: it can be in no text and in no JSON there. It becomes U+FFFD, the sign for what could
//! not be kept.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::Value;

use crate::error::StoreError;

const REPLACEMENT: &str = "\u{fffd}";

/// The text as it can be kept.
pub(crate) fn text(text: &str) -> Cow<'_, str> {
    if text.contains('\0') {
        Cow::Owned(text.replace('\0', REPLACEMENT))
    } else {
        Cow::Borrowed(text)
    }
}

/// The same of a list.
pub(crate) fn texts(texts: &[String]) -> Vec<String> {
    texts.iter().map(|t| text(t).into_owned()).collect()
}

/// The value as it can be kept, strings and keys.
pub(crate) fn json(value: &Value) -> Value {
    match value {
        Value::String(string) => Value::String(text(string).into_owned()),
        Value::Array(items) => items.iter().map(json).collect(),
        Value::Object(members) => members
            .iter()
            .map(|(key, member)| (text(key).into_owned(), json(member)))
            .collect(),
        other => other.clone(),
    }
}

/// The JSON text of anything. U+0000 can only be written as `\u0000` there, and only an even number of backslashes before it
/// makes that something else.
pub(crate) fn json_text<T: Serialize + ?Sized>(value: &T) -> Result<String, StoreError> {
    let written = serde_json::to_string(value)
        .map_err(|error| StoreError::invalid(format!("it cannot be written as JSON: {error}")))?;
    if !written.contains("\\u0000") {
        return Ok(written);
    }
    let value = serde_json::from_str(&written)
        .map_err(|error| StoreError::invalid(format!("it cannot be written as JSON: {error}")))?;
    Ok(json(&value).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nul_is_replaced_wherever_it_stands() {
        assert_eq!(text("a\0b"), "a\u{fffd}b");
        let value = serde_json::json!({"a\0": ["\0", {"b": "\\u0000"}], "n": 1.5});
        assert_eq!(
            json_text(&value).unwrap(),
            "{\"a\u{fffd}\":[\"\u{fffd}\",{\"b\":\"\\\\u0000\"}],\"n\":1.5}"
        );
        assert_eq!(
            json_text("\\u0000 is harmless").unwrap(),
            "\"\\\\u0000 is harmless\""
        );
    }
}
