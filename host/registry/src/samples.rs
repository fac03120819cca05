//! Golden samples: documents with what should come of them, which an author ships with a version. A version whose samples do
//! not come out as stated is not admitted.

mod compare;
mod run;
mod view;

use std::collections::BTreeMap;

use docmill_model::failure::{Code, Failure};
use docmill_model::reading::Source;
use serde::Deserialize;
use serde_json::{Map, Value as Json};

pub use compare::{Tolerance, first_difference};
pub(crate) use run::{Trial, Tried};

/// Most samples of a version.
pub const MAX_SAMPLES: usize = 50;
/// Most steps before the plugin in a sample.
const MAX_BEFORE: usize = 8;
/// Longest name of a sample, in characters.
const MAX_NAME: usize = 100;

/// A sample as its author writes it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    /// The name of a file beside it.
    #[serde(default)]
    document: Option<String>,
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    record: Option<Map<String, Json>>,
    /// Steps that run before the plugin.
    #[serde(default)]
    before: Vec<Step>,
    /// The plugin's configuration.
    #[serde(default)]
    config: Map<String, Json>,
    /// What should come of it; what is not mentioned is not compared.
    expect: Map<String, Json>,
    /// How far values may be from it.
    #[serde(default)]
    tolerance: Tolerance,
    /// The same of single values, by their path.
    #[serde(default)]
    tolerances: BTreeMap<String, Tolerance>,
}

/// A step before the plugin.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    #[serde(rename = "use")]
    plugin: String,
    #[serde(default)]
    with: Map<String, Json>,
}

/// What a sample is about.
#[derive(Debug, Clone)]
enum Input {
    Document(Source),
    Text(String),
    Record(Json),
    /// For a transformer that takes nothing but its configuration.
    Nothing,
}

/// A golden sample.
#[derive(Debug, Clone)]
pub struct Sample {
    name: String,
    input: Input,
    before: Vec<Step>,
    config: Json,
    expect: Json,
    tolerance: Tolerance,
    tolerances: BTreeMap<String, Tolerance>,
}

impl Sample {
    /// A sample out of its JSON text, and the files that came with it, by name.
    ///
    /// # Errors
    /// [`Code::MalformedRequest`], naming the sample.
    pub fn read(name: &str, json: &[u8], files: &BTreeMap<String, Source>) -> Result<Self, Failure> {
        let name: String = name.chars().filter(|c| !c.is_control()).take(MAX_NAME).collect();
        let wrong = |why: String| Failure::new(Code::MalformedRequest, format!("the sample '{name}' {why}"));
        let written: Written =
            serde_json::from_slice(json).map_err(|error| wrong(format!("cannot be read: {error}")))?;
        let given = [
            written.document.is_some(),
            written.text.is_some(),
            written.record.is_some(),
        ];
        if given.into_iter().filter(|given| *given).count() > 1 {
            return Err(wrong("has more than one of document, text and record".to_owned()));
        }
        if written.expect.is_empty() {
            return Err(wrong("expects nothing, so it would always pass".to_owned()));
        }
        if written.before.len() > MAX_BEFORE {
            return Err(wrong(format!(
                "has more than {MAX_BEFORE} steps before the plugin"
            )));
        }
        if !written.tolerance.is_sound() || !written.tolerances.values().all(Tolerance::is_sound) {
            return Err(wrong("has a tolerance that is no number from 0 on".to_owned()));
        }
        let input = match (written.document, written.text, written.record) {
            (Some(document), ..) => {
                let source = files.get(&document).cloned();
                Input::Document(source.ok_or_else(|| {
                    let shown: String = document
                        .chars()
                        .filter(|c| !c.is_control())
                        .take(MAX_NAME)
                        .collect();
                    wrong(format!("names the file '{shown}', which did not come with it"))
                })?)
            }
            (None, Some(text), _) => Input::Text(text),
            (None, None, Some(record)) => Input::Record(Json::Object(record)),
            (None, None, None) => Input::Nothing,
        };
        Ok(Self {
            input,
            before: written.before,
            config: Json::Object(written.config),
            expect: Json::Object(written.expect),
            tolerance: written.tolerance,
            tolerances: written.tolerances,
            name,
        })
    }
}

impl Sample {
    /// The document that it is about, if it is about one.
    pub fn document(&self) -> Option<&Source> {
        match &self.input {
            Input::Document(source) => Some(source),
            Input::Text(_) | Input::Record(_) | Input::Nothing => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use docmill_model::digest::Digest;

    use super::*;

    #[test]
    fn samples_are_read_strictly() {
        let source = Source {
            media_type: "text/plain".into(),
            name: None,
            digest: Digest::of(b"a"),
            bytes: bytes::Bytes::from_static(b"a"),
        };
        let files = BTreeMap::from([("a.txt".to_owned(), source)]);
        let read = |json: &str| Sample::read("one\n", json.as_bytes(), &files);
        let good =
            read(r#"{"document": "a.txt", "expect": {"pages": ["a"]}, "tolerance": {"text": "fold"}}"#);
        assert!(matches!(good.unwrap().input, Input::Document(_)));
        assert!(matches!(
            read(r#"{"expect": {"output": 1}}"#).unwrap().input,
            Input::Nothing
        ));
        for (bad, said) in [
            ("", "cannot be read"),
            ("[]", "cannot be read"),
            (r#"{"document": "a.txt"}"#, "expect"),
            (r#"{"expect": {}}"#, "always pass"),
            (r#"{"expect": {"a": 1}, "expects": {}}"#, "unknown field"),
            (
                r#"{"document": "../a.txt", "expect": {"a": 1}}"#,
                "did not come with it",
            ),
            (
                r#"{"text": "a", "record": {}, "expect": {"a": 1}}"#,
                "more than one",
            ),
            (
                r#"{"expect": {"a": 1}, "tolerance": {"absolute": -1}}"#,
                "tolerance",
            ),
            (
                r#"{"expect": {"a": 1}, "tolerances": {"a": {"relative": 1e999}}}"#,
                "cannot be read",
            ),
            (
                r#"{"expect": {"a": 1}, "tolerance": {"text": "about"}}"#,
                "cannot be read",
            ),
        ] {
            let failure = read(bad).unwrap_err();
            assert_eq!(failure.code, Code::MalformedRequest);
            assert!(failure.message.contains(said), "{bad}: {}", failure.message);
        }
        let steps = [r#"{"use": "a/b@1"}"#; MAX_BEFORE + 1].join(",");
        assert!(read(&format!(r#"{{"expect": {{"a": 1}}, "before": [{steps}]}}"#)).is_err());
        let deep = format!(
            r#"{{"expect": {{"a": {}1{}}}}}"#,
            "[".repeat(500),
            "]".repeat(500)
        );
        assert!(read(&deep).is_err());
    }
}
