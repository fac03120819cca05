//! What a run found as JSON, the shape that expressions and templates read: the field `lines[0].amount` is
//! `fields.lines[0].amount`, and every field is `{value, raw, confidence}`.

use crate::{Check, Error, Field, Outcome, Reading, Severity, Value};
use serde_json::{Map, Value as Json, json};

/// Indices above this are refused, so that one path cannot make a list of a billion blanks.
const INDEX_MAX: usize = 99_999;
/// Names and indices in one path.
const DEPTH_MAX: usize = 16;

/// A step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    Name(String),
    Index(usize),
}

/// Splits `lines[3].amount` into its parts; `None` if it is not a path.
pub fn parse_path(path: &str) -> Option<Vec<Part>> {
    let mut parts = Vec::new();
    for piece in path.split('.') {
        let (name, indices) = match piece.find('[') {
            Some(at) => piece.split_at(at),
            None => (piece, ""),
        };
        let named = !name.is_empty()
            && !name.starts_with(|first: char| first.is_ascii_digit())
            && name.chars().all(|char| char.is_alphanumeric() || char == '_');
        if !named {
            return None;
        }
        parts.push(Part::Name(name.to_owned()));
        let mut rest = indices;
        while !rest.is_empty() {
            let (digits, after) = rest.strip_prefix('[')?.split_once(']')?;
            parts.push(Part::Index(
                digits.parse().ok().filter(|index| *index <= INDEX_MAX)?,
            ));
            rest = after;
        }
    }
    (parts.len() <= DEPTH_MAX).then_some(parts)
}

/// All fields as one object. A place in a list that no field fills is `null`. The first field of a path wins.
///
/// # Errors
/// `invalid-input` with code `path` for a path that is not one, or that uses a name both as a list and as an object.
pub fn of_fields(fields: &[Field]) -> Result<Json, Error> {
    let mut root = Json::Object(Map::new());
    for field in fields {
        let bad = |why: &str| Error::invalid_input("path", format!("The field path {:?} {why}.", field.path));
        let parts = parse_path(&field.path).ok_or_else(|| bad("is not a path such as lines[3].amount"))?;
        let place =
            descend(&mut root, &parts).ok_or_else(|| bad("uses a name both as a list and as an object"))?;
        if place.is_null() {
            *place = Json::Object(Map::new());
        }
        let object = place
            .as_object_mut()
            .ok_or_else(|| bad("uses a name both as a list and as an object"))?;
        if object.contains_key("value") {
            continue;
        }
        object.insert(
            "value".to_owned(),
            field.value.as_ref().map_or(Json::Null, value_json),
        );
        object.insert("raw".to_owned(), json!(field.raw));
        object.insert("confidence".to_owned(), json!(field.confidence));
    }
    Ok(root)
}

fn descend<'a>(root: &'a mut Json, parts: &[Part]) -> Option<&'a mut Json> {
    let mut place = root;
    for part in parts {
        place = match part {
            Part::Name(name) => {
                if place.is_null() {
                    *place = Json::Object(Map::new());
                }
                place.as_object_mut()?.entry(name.clone()).or_insert(Json::Null)
            }
            Part::Index(index) => {
                if place.is_null() {
                    *place = Json::Array(Vec::new());
                }
                let list = place.as_array_mut()?;
                if list.len() <= *index {
                    list.resize(index + 1, Json::Null);
                }
                list.get_mut(*index)?
            }
        };
    }
    Some(place)
}

/// A value as JSON: a decimal as its text (exact), money as `{amount, currency}`, dates as text.
pub fn value_json(value: &Value) -> Json {
    match value {
        Value::Text(text) | Value::Date(text) | Value::DateTime(text) | Value::Decimal(text) => json!(text),
        Value::Boolean(boolean) => json!(boolean),
        Value::Money(money) => json!({ "amount": money.amount, "currency": money.currency }),
        Value::Json(text) => serde_json::from_str(text).unwrap_or_else(|_| json!(text)),
    }
}

/// A check as `{code, outcome, severity, reason, fields}`.
pub fn of_check(check: &Check) -> Json {
    let outcome = match check.outcome {
        Outcome::Pass => "pass",
        Outcome::Fail => "fail",
        Outcome::Undecided => "undecided",
    };
    let severity = match check.severity {
        Severity::Info => "info",
        Severity::Warning => "warning",
        Severity::Error => "error",
    };
    json!({ "code": check.code, "outcome": outcome, "severity": severity, "reason": check.reason, "fields": check.fields })
}

/// What is known of a document as a whole: `{pages, media_type, metadata}`, and `language` if it is known.
pub fn of_reading(reading: &Reading) -> Json {
    let metadata: Map<String, Json> = reading
        .metadata()
        .into_iter()
        .map(|(name, value)| (name, Json::String(value)))
        .collect();
    let mut document = Map::new();
    document.insert("pages".to_owned(), json!(reading.page_count()));
    document.insert("media_type".to_owned(), Json::String(reading.source_media_type()));
    let language = reading.language().map(Json::String);
    document.extend(language.map(|language| ("language".to_owned(), language)));
    document.insert("metadata".to_owned(), Json::Object(metadata));
    Json::Object(document)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_nest() -> Result<(), Error> {
        let fields = [
            Field::found("lines[1].amount", Value::Decimal("2.50".to_owned())),
            Field::found("seller.name", Value::Text("ТОО".to_owned())),
            Field::missing("total"),
        ];
        let tree = of_fields(&fields)?;
        assert_eq!(tree.pointer("/lines/0"), Some(&Json::Null));
        assert_eq!(tree.pointer("/lines/1/amount/value"), Some(&json!("2.50")));
        assert_eq!(tree.pointer("/seller/name/value"), Some(&json!("ТОО")));
        assert_eq!(tree.pointer("/total/value"), Some(&Json::Null));
        Ok(())
    }

    #[test]
    fn a_reading_says_what_is_known() {
        let about = of_reading(&Reading::of_pages(["one", "two"]));
        assert_eq!(
            about,
            json!({ "pages": 2, "media_type": "text/plain", "metadata": {} })
        );
    }

    #[test]
    fn hostile_paths_are_refused() {
        for path in ["", "a..b", "a[100000]", "1a", "a[x]", "a[1", "a b", ".a", "[0]"] {
            assert_eq!(parse_path(path), None, "{path}");
            assert!(of_fields(&[Field::missing(path)]).is_err(), "{path}");
        }
        assert!(of_fields(&[Field::missing("a[0]"), Field::missing("a.b")]).is_err());
    }
}
