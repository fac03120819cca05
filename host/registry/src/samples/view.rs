//! What a sample's run came to, as its author writes down what is expected.

use bytes::Bytes;
use docmill_model::run::{ArtifactRecord, RunOutcome, Status};
use docmill_model::value::Origin;
use serde_json::{Map, Value as Json, json};

use super::run::PLUGIN;

/// Longest artifact that is compared as text, in bytes.
const MAX_TEXT: usize = 1 << 20;

/// What the plugin's own step came to: `pages`, `language`, `metadata` of a parser; `fields`; `checks` by code; `output` and
/// `artifacts` of a transformer; `error` with `code` and `reason`.
pub(super) fn of(outcome: &RunOutcome, artifacts: &[(ArtifactRecord, Bytes)]) -> Json {
    let mut view = Map::new();
    let step = outcome.steps.iter().find(|step| step.step == PLUGIN);
    if outcome.status == Status::Failed {
        let error = outcome.error.as_ref();
        let code = error.map(|error| error.code);
        view.insert(
            "error".to_owned(),
            json!({ "code": code, "reason": error.and_then(|error| error.reason.clone()) }),
        );
    }
    let plugin = step.map(|step| step.plugin.as_str()).unwrap_or_default();
    if let Some(record) = outcome.readings.iter().find(|record| record.plugin == plugin) {
        let reading = &record.reading;
        let pages: Vec<&str> = reading.pages.iter().map(|page| page.text.as_str()).collect();
        view.insert("pages".to_owned(), json!(pages));
        view.insert("language".to_owned(), json!(reading.language));
        let metadata = reading
            .metadata
            .iter()
            .map(|(name, value)| (name.clone(), value.as_str().into()));
        view.insert("metadata".to_owned(), Json::Object(metadata.collect()));
    }
    let own = |origin: &Option<Origin>| match origin {
        Some(Origin::Plugin { step, .. }) => step == PLUGIN,
        _ => false,
    };
    let fields = outcome.fields.iter().filter(|field| own(&field.origin));
    let fields = fields.map(|field| {
        let value = field.value.as_ref().map(docmill_model::value::Value::plain);
        (field.path.clone(), value.unwrap_or_default())
    });
    view.insert("fields".to_owned(), Json::Object(fields.collect()));
    let checks = outcome.checks.iter().filter(|check| own(&check.origin));
    let checks = checks.map(|check| (check.code.clone(), json!(check.outcome)));
    view.insert("checks".to_owned(), Json::Object(checks.collect()));
    if let Some(output) = step.and_then(|step| step.output.as_ref()) {
        view.insert("output".to_owned(), (**output).clone());
    }
    let artifacts = artifacts.iter().filter(|(record, _)| record.step == PLUGIN);
    let artifacts = artifacts.map(|(record, bytes)| (record.name.clone(), artifact(record, bytes)));
    view.insert("artifacts".to_owned(), Json::Object(artifacts.collect()));
    Json::Object(view)
}

fn artifact(record: &ArtifactRecord, bytes: &Bytes) -> Json {
    let text = Some(bytes).filter(|bytes| bytes.len() <= MAX_TEXT);
    let text = text.and_then(|bytes| std::str::from_utf8(bytes).ok());
    json!({
        "media_type": record.media_type, "size": record.size, "digest": record.digest, "text": text,
    })
}
