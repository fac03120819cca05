//! Expected fields against found ones.

use serde_json::{Map, Value};

use super::{list, text, value};

pub fn compare(run: &Value, truth: &Value, differences: &mut Vec<String>) {
    let found = list(run, "fields");
    let Some(expected) = truth.get("fields").and_then(Value::as_object) else {
        differences.push("the truth names no fields".to_owned());
        return;
    };
    for (path, expected) in expected {
        let fields: Vec<&Value> = found.iter().filter(|field| text(field, "path") == path).collect();
        match (
            fields.as_slice(),
            expected.get("value").is_none_or(Value::is_null),
        ) {
            ([], true) => {}
            ([], false) => differences.push(format!(
                "field `{path}` is missing; it should be {}",
                shown(expected)
            )),
            ([field], true) => {
                if let Some(value) = value_of(field) {
                    differences.push(format!(
                        "field `{path}` is {value} and the document does not have it"
                    ));
                }
            }
            ([field], false) => compare_field(path, field, expected, differences),
            _ => differences.push(format!(
                "field `{path}` stands {} times in the result",
                fields.len()
            )),
        }
    }
    let known = |field: &&Value| expected.contains_key(text(field, "path"));
    for field in found
        .iter()
        .filter(|field| !known(field) && value_of(field).is_some())
    {
        let path = text(field, "path");
        if is_beyond(path, expected) {
            differences.push(format!(
                "field `{path}` is {} and the document has no such element",
                shown(field)
            ));
        }
    }
}

fn compare_field(path: &str, field: &Value, expected: &Value, differences: &mut Vec<String>) {
    let Some(found) = value_of(field) else {
        differences.push(format!(
            "field `{path}` has no value; it should be {}",
            shown(expected)
        ));
        return;
    };
    let (kind, expected_kind) = (text(field, "type"), text(expected, "type"));
    let expected_value = expected.get("value").unwrap_or(&Value::Null);
    if kind != expected_kind {
        differences.push(format!(
            "field `{path}` is of type `{kind}` and should be of type `{expected_kind}`"
        ));
    } else if !value::same(kind, found, expected_value) {
        differences.push(format!(
            "field `{path}` is {found} and should be {expected_value}"
        ));
    }
    let Some(quote) = expected.get("quote").and_then(Value::as_str) else {
        return;
    };
    let citations = list(field, "citations");
    // A plugin may quote more than the value (a label, a whole cell), never less than what a person sees there.
    let cites = |citation: &&Value| value::contains(text(citation, "quote"), quote);
    let page = |citation: &Value| citation.get("page").and_then(Value::as_u64);
    let expected_page = expected.get("page").and_then(Value::as_u64);
    match citations.iter().find(cites) {
        None => differences.push(format!("field `{path}`: no citation quotes «{quote}»")),
        Some(_) if expected_page.is_none() => {}
        Some(_)
            if citations
                .iter()
                .filter(cites)
                .any(|citation| page(citation) == expected_page) => {}
        Some(citation) => differences.push(format!(
            "field `{path}` was read on page {:?} and stands on page {:?}",
            page(citation).unwrap_or_default(),
            expected_page.unwrap_or_default()
        )),
    }
}

/// The field's value; none if it is absent or null.
pub fn value_of(field: &Value) -> Option<&Value> {
    field.get("value").filter(|value| !value.is_null())
}

fn shown(field: &Value) -> String {
    field.get("value").map(Value::to_string).unwrap_or_default()
}

/// True if the path is an element of an expected list and not one of the expected elements: `lines[7].amount` where the
/// truth ends with `lines[6].amount`.
fn is_beyond(path: &str, expected: &Map<String, Value>) -> bool {
    let Some((list, rest)) = path.split_once('[') else {
        return false;
    };
    let Some((index, _)) = rest.split_once(']') else {
        return false;
    };
    let prefix = format!("{list}[");
    let elements = || {
        expected
            .keys()
            .filter_map(|path| path.strip_prefix(&prefix)?.split_once(']'))
    };
    elements().next().is_some() && !elements().any(|(known, _)| known == index)
}
