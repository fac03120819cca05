//! A second reader: compares a run's result, as the HTTP API answers it, with the truth about the document.
//!
//! It shares no code with the host, so a fault there cannot hide here: pages, ranges and values are read again from the
//! answers' JSON alone.

mod evidence;
mod field;
mod value;

use serde_json::Value;

pub use evidence::PageText;

/// Compares a run's result with the truth about its document.
///
/// `run` is what `POST /v1/pipelines/{name}/runs` or `GET /v1/runs/{id}` answered, `pages` the texts of the document's
/// pages ([`PageText::from_document`]), `truth` the content of a `NAME.truth.json`. Returns one sentence for every
/// difference; none means that the result is right:
///
///  * the run's status and verdict are the expected ones;
///  * every expected field is there with its type and value, and was read on the expected page; a field that is expected
///    to be missing has no value; of a list, there are no more elements than expected;
///  * every citation of every field, check and chunk quotes its page exactly: the quote is the page's text at its range, in
///    UTF-8 bytes;
///  * the quote of a value contains the value as it stands in the document;
///  * the expected checks came out as expected, and no other check failed or is undecided;
///  * the expected look-ups and artifacts are there, and the pages contain the expected texts.
pub fn verify(run: &Value, pages: &[PageText], truth: &Value) -> Vec<String> {
    let mut differences = Vec::new();
    outcome(run, truth, &mut differences);
    field::compare(run, truth, &mut differences);
    evidence::compare(run, pages, &mut differences);
    checks(run, truth, &mut differences);
    lookups(run, truth, &mut differences);
    artifacts(run, truth, &mut differences);
    texts(pages, truth, &mut differences);
    differences
}

/// What of [`verify`] needs no truth: every citation of every field, check and chunk quotes its page exactly, and the quote of a
/// value contains the value as it stands in the document.
pub fn verify_quotes(run: &Value, pages: &[PageText]) -> Vec<String> {
    let mut differences = Vec::new();
    evidence::compare(run, pages, &mut differences);
    differences
}

fn outcome(run: &Value, truth: &Value, differences: &mut Vec<String>) {
    let status = text(run, "status");
    let expected = truth.get("status").and_then(Value::as_str).unwrap_or("succeeded");
    if status != expected {
        differences.push(format!(
            "the run's status is `{status}` and should be `{expected}`"
        ));
    }
    let (verdict, expected) = (text(run, "verdict"), text(truth, "verdict"));
    if verdict != expected {
        differences.push(format!("the verdict is `{verdict}` and should be `{expected}`"));
    }
}

fn checks(run: &Value, truth: &Value, differences: &mut Vec<String>) {
    let found = list(run, "checks");
    for (code, expected) in truth
        .get("checks")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        let outcomes: Vec<&str> = found
            .iter()
            .filter(|check| text(check, "code") == code)
            .map(|check| text(check, "outcome"))
            .collect();
        // A rule that is applied to many places counts by its worst outcome.
        let worst = ["fail", "undecided", "pass"]
            .into_iter()
            .find(|outcome| outcomes.contains(outcome));
        if worst != expected.as_str() {
            let worst = worst.unwrap_or("missing");
            differences.push(format!(
                "check `{code}` is {worst} and should be {}",
                expected.as_str().unwrap_or("?")
            ));
        }
    }
    for check in found {
        let (code, outcome) = (text(check, "code"), text(check, "outcome"));
        if outcome != "pass" && truth.get("checks").and_then(|checks| checks.get(code)).is_none() {
            let reason = text(check, "reason");
            differences.push(format!(
                "check `{code}` is {outcome} and was not expected to be: {reason}"
            ));
        }
    }
}

/// Look-ups are answered as an object, name to value, or as a list of names and values.
fn lookups(run: &Value, truth: &Value, differences: &mut Vec<String>) {
    for (name, expected) in truth
        .get("lookups")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        let listed = list(run, "lookups")
            .iter()
            .find(|lookup| text(lookup, "name") == name);
        let found = listed
            .and_then(|lookup| lookup.get("value"))
            .or_else(|| run.get("lookups").and_then(|all| all.get(name)));
        if found != Some(expected) {
            let found = found.map_or_else(|| "missing".to_owned(), Value::to_string);
            differences.push(format!("look-up `{name}` is {found} and should be {expected}"));
        }
    }
}

fn artifacts(run: &Value, truth: &Value, differences: &mut Vec<String>) {
    let found: Vec<&str> = list(run, "artifacts")
        .iter()
        .map(|artifact| text(artifact, "name"))
        .collect();
    for expected in list(truth, "artifacts").iter().filter_map(Value::as_str) {
        if !found.contains(&expected) {
            differences.push(format!("artifact `{expected}` is missing; there are {found:?}"));
        }
    }
}

fn texts(pages: &[PageText], truth: &Value, differences: &mut Vec<String>) {
    for expected in list(truth, "text_contains").iter().filter_map(Value::as_str) {
        if !pages.iter().any(|page| value::contains(&page.text, expected)) {
            differences.push(format!("no page contains the text «{expected}»"));
        }
    }
}

/// The string at `name`, or nothing.
fn text<'a>(object: &'a Value, name: &str) -> &'a str {
    object.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// The array at `name`, or nothing.
fn list<'a>(object: &'a Value, name: &str) -> &'a [Value] {
    object
        .get(name)
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests;
