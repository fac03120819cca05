//! Between JSON, readings and the interpreter's values.

use std::collections::HashMap;

use cel::ExecutionError;
use cel::common::types::{
    CelBool, CelBytes, CelDouble, CelInt, CelList, CelMap, CelMapKey, CelNull, CelOptional, CelString,
    CelUInt,
};
use cel::common::value::Val;
use docmill_model::reading::{Page, Reading, TextOrigin};
use serde_json::{Map, Value as Json};

use super::Trouble;

/// A value of the interpreter that lives as long as what it borrows its texts from.
pub(super) type Boxed<'v> = Box<dyn Val + 'v>;

/// JSON as the interpreter sees it; texts are borrowed.
pub(super) fn from_json(json: &Json) -> Boxed<'_> {
    match json {
        Json::Null => Box::new(CelNull),
        Json::Bool(value) => Box::new(CelBool::from(*value)),
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => Box::new(CelInt::from(number)),
            (_, Some(number)) => Box::new(CelUInt::from(number)),
            _ => Box::new(CelDouble::from(number.as_f64().unwrap_or(f64::NAN))),
        },
        Json::String(text) => Box::new(CelString::from(text.as_str())),
        Json::Array(items) => list(items.iter().map(from_json)),
        Json::Object(members) => map(members
            .iter()
            .map(|(key, value)| (key.as_str(), from_json(value)))),
    }
}

pub(super) fn list<'v>(items: impl Iterator<Item = Boxed<'v>>) -> Boxed<'v> {
    Box::new(CelList::from(items.collect::<Vec<_>>()))
}

pub(super) fn map<'v>(members: impl Iterator<Item = (&'v str, Boxed<'v>)>) -> Boxed<'v> {
    let members: HashMap<CelMapKey<'v>, Boxed<'v>> = members
        .map(|(key, value)| (CelMapKey::from(key), value))
        .collect();
    Box::new(CelMap::from(members))
}

pub(super) fn text(text: &str) -> Boxed<'_> {
    Box::new(CelString::from(text))
}

/// `reading.pages[0].text` and what else is known of a reading; blocks are for plugins.
pub(super) fn from_reading(reading: &Reading) -> Boxed<'_> {
    let pages = reading
        .pages
        .iter()
        .enumerate()
        .map(|(number, page)| from_page(number, page));
    let mut members =
        vec![
            ("key", text(&reading.key)),
            ("media_type", text(&reading.source_media_type)),
            (
                "metadata",
                map(reading
                    .metadata
                    .iter()
                    .map(|(name, value)| (name.as_str(), text(value)))),
            ),
            ("pages", list(pages)),
            (
                "attachments",
                list(reading.attachments.iter().map(|a| {
                    map([("name", text(&a.name)), ("media_type", text(&a.media_type))].into_iter())
                })),
            ),
        ];
    if let Some(language) = &reading.language {
        members.push(("language", text(language)));
    }
    map(members.into_iter())
}

fn from_page(number: usize, page: &Page) -> Boxed<'_> {
    let origin = match page.info.origin {
        TextOrigin::Digital => "digital",
        TextOrigin::Recognized => "recognized",
        TextOrigin::Mixed => "mixed",
    };
    let mut members = vec![
        (
            "number",
            Box::new(CelInt::from(i64::try_from(number).unwrap_or(i64::MAX))) as Boxed<'_>,
        ),
        ("text", text(&page.text)),
        ("origin", text(origin)),
        ("warnings", list(page.info.warnings.iter().map(|w| text(w)))),
    ];
    if let Some(label) = &page.info.label {
        members.push(("label", text(label)));
    }
    map(members.into_iter())
}

/// A value of the interpreter as JSON; keys of maps are sorted, so that the same value is the same text.
pub(super) fn to_json(value: &dyn Val) -> Result<Json, Trouble> {
    if let Some(text) = value.downcast_ref::<CelString>() {
        return Ok(Json::from(text.inner()));
    }
    if let Some(value) = value.downcast_ref::<CelBool>() {
        return Ok(Json::from(*value.inner()));
    }
    if let Some(number) = value.downcast_ref::<CelInt>() {
        return Ok(Json::from(*number.inner()));
    }
    if let Some(number) = value.downcast_ref::<CelUInt>() {
        return Ok(Json::from(*number.inner()));
    }
    if let Some(number) = value.downcast_ref::<CelDouble>() {
        return serde_json::Number::from_f64(*number.inner())
            .map(Json::Number)
            .ok_or_else(|| Trouble::Failed("the result is no finite number".to_owned()));
    }
    if value.downcast_ref::<CelNull>().is_some() {
        return Ok(Json::Null);
    }
    if let Some(items) = value.downcast_ref::<CelList>() {
        let items: Result<Vec<_>, _> = items.inner().iter().map(|item| to_json(item.as_ref())).collect();
        return items.map(Json::Array);
    }
    if let Some(members) = value.downcast_ref::<CelMap>() {
        let mut sorted: Vec<_> = members.inner().iter().collect();
        sorted.sort_unstable_by(|a, b| a.0.cmp(b.0));
        let members: Result<Map<String, Json>, _> = sorted
            .into_iter()
            .map(|(key, value)| Ok((key_text(key), to_json(value.as_ref())?)))
            .collect();
        return members.map(Json::Object);
    }
    if let Some(optional) = value.downcast_ref::<CelOptional>() {
        return optional.inner().map_or_else(
            || {
                Err(Trouble::Absent(
                    "the result is an optional without a value".to_owned(),
                ))
            },
            to_json,
        );
    }
    let what = if value.downcast_ref::<CelBytes>().is_some() {
        "bytes"
    } else {
        "a type"
    };
    Err(Trouble::Failed(format!(
        "the result is {what}, which JSON does not have"
    )))
}

fn key_text(key: &CelMapKey<'_>) -> String {
    match key {
        CelMapKey::String(text) => text.inner().to_owned(),
        CelMapKey::Int(number) => number.inner().to_string(),
        CelMapKey::UInt(number) => number.inner().to_string(),
        CelMapKey::Bool(value) => value.inner().to_string(),
    }
}

/// What went wrong, in words that hold no value: values are the document's.
pub(super) fn trouble(error: &ExecutionError, source: &str) -> Trouble {
    let failed = |message: String| Trouble::Failed(message);
    match error {
        ExecutionError::NoSuchKey(key) => Trouble::Absent(if source.contains(key.as_str()) {
            format!("there is no '{key}' here; test for it with has(…)")
        } else {
            "there is no such key here; test for it with has(…)".to_owned()
        }),
        ExecutionError::IndexOutOfBounds(_) => {
            Trouble::Absent("an index is past the end of its list; test size() first".to_owned())
        }
        ExecutionError::NoSuchOverload(call) => {
            let types = call.argument_types();
            let name = call.function();
            let steps_in = ["_._", "_[_]", "_?._", "_[?_]"].contains(&name);
            match types.first().map(String::as_str) {
                Some("null_type") if steps_in => {
                    Trouble::Absent("a value on the way is null; test for it with has(…)".to_owned())
                }
                _ => failed(mismatch(name, types)),
            }
        }
        ExecutionError::UnsupportedBinaryOperator(name, a, b) => failed(mismatch(
            name,
            &[a.type_of().to_string(), b.type_of().to_string()],
        )),
        ExecutionError::UnexpectedType { got, want } => failed(format!("it has {got} where it needs {want}")),
        ExecutionError::FunctionError { function, message } if function == "budget" => {
            failed(message.clone())
        }
        // Messages of our own functions hold no values; those of the crate quote their input.
        ExecutionError::FunctionError { function, message } => {
            if super::functions::own(function).is_some() {
                failed(format!("{function} {message}"))
            } else {
                failed(format!("{function}() cannot be made of this value"))
            }
        }
        ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => {
            failed("it divides by zero".to_owned())
        }
        ExecutionError::Overflow(..) => failed("a whole number grows too large".to_owned()),
        ExecutionError::DuplicateKey(_) => failed("a map has a key twice".to_owned()),
        ExecutionError::UndeclaredReference(name) => failed(format!("'{name}' has no value here")),
        _ => failed("the types of its values do not fit".to_owned()),
    }
}

fn mismatch(operator: &str, types: &[String]) -> String {
    let sign = operator.trim_matches('_');
    let sign = match sign {
        "add" => "+",
        "sub" => "-",
        "mul" => "*",
        "div" => "/",
        "rem" => "%",
        other => other,
    };
    let hint = if types.iter().any(|t| t == "string")
        && types
            .iter()
            .any(|t| ["int", "uint", "double"].contains(&t.as_str()))
    {
        "; numbers in fields are text: write double(…)"
    } else if types.iter().any(|t| t == "null_type") {
        "; a value is null: test for it with has(…)"
    } else {
        ""
    };
    format!("'{sign}' does not take {}{hint}", types.join(" and "))
}
