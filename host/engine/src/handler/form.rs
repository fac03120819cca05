//! What a plain `wasi:http` component is posted: everything that the step is given, as one JSON document. Within
//! `docmill.step/1` members are only added.

use bytes::Bytes;
use docmill_model::failure::{Code, Failure};
use docmill_model::limits::Limits;
use docmill_model::reading::{Inputs, PageInfo, Reading};
use serde::Serialize;
use serde_json::Value as Json;

use crate::output::{Turn, leave};

/// The document's form, which it names first.
const FORM: &str = "docmill.step/1";

/// A page with its text and without its blocks.
#[derive(Serialize)]
struct Page<'a> {
    #[serde(flatten)]
    info: &'a PageInfo,
    text: &'a str,
}

/// Writes the document. Large ones are written on a guest thread, and in turn with others.
///
/// # Errors
/// When it takes more than `host-memory`.
pub(super) async fn write(inputs: &Inputs, config: &str, limits: &Limits) -> Result<Bytes, Failure> {
    let config: Json = serde_json::from_str(config).map_err(|error| {
        Failure::new(
            Code::Internal,
            format!("a step's configuration is no JSON: {error}"),
        )
    })?;
    let readings = readings(inputs);
    leave(readings.iter().map(|(reading, _)| reading.text_bytes()).sum()).await;
    let mut out = Document::new(limits);
    out.text("{")?;
    out.member("form", &FORM)?;
    out.text(",")?;
    out.member("config", &config)?;
    out.text(",")?;
    out.member("params", &*inputs.params)?;
    out.text(",")?;
    out.member("main", &inputs.main.as_ref().map(|main| &main.key))?;
    out.text(",\"readings\":[")?;
    for (number, (reading, roles)) in readings.into_iter().enumerate() {
        if number > 0 {
            out.text(",")?;
        }
        out.reading(reading, &roles).await?;
    }
    out.text("],")?;
    out.member("texts", &inputs.texts)?;
    out.turn.spend().await;
    out.text(",")?;
    out.member("records", &inputs.records)?;
    out.text(",\"fields\":")?;
    out.list(inputs.fields.iter()).await?;
    out.text(",\"checks\":")?;
    out.list(inputs.checks.iter()).await?;
    out.text("}")?;
    Ok(out.bytes.into())
}

/// Each reading once, with its roles; the main one first.
fn readings(inputs: &Inputs) -> Vec<(&Reading, Vec<&str>)> {
    let mut found: Vec<(&Reading, Vec<&str>)> = Vec::new();
    found.extend(inputs.main.iter().map(|main| (&**main, Vec::new())));
    for (role, readings) in &inputs.readings {
        for reading in readings {
            match found.iter_mut().find(|(known, _)| known.key == reading.key) {
                Some((_, roles)) => roles.push(role),
                None => found.push((reading, vec![role])),
            }
        }
    }
    found
}

/// The document in the making.
struct Document {
    bytes: Vec<u8>,
    most: usize,
    turn: Turn,
}

impl Document {
    fn new(limits: &Limits) -> Self {
        Self {
            bytes: Vec::new(),
            most: limits.host_memory.bytes(),
            turn: Turn::begin(),
        }
    }

    fn text(&mut self, text: &str) -> Result<(), Failure> {
        self.bytes.extend_from_slice(text.as_bytes());
        self.fits()
    }

    fn value(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        let most = self.most;
        let bounded = Bounded {
            bytes: &mut self.bytes,
            most,
        };
        if serde_json::to_writer(bounded, value).is_err() {
            return Err(self.too_large());
        }
        Ok(())
    }

    fn member(&mut self, name: &str, value: &impl Serialize) -> Result<(), Failure> {
        self.value(&name)?;
        self.text(":")?;
        self.value(value)
    }

    async fn list<'a, T: Serialize + 'a>(
        &mut self,
        items: impl Iterator<Item = &'a T>,
    ) -> Result<(), Failure> {
        self.text("[")?;
        for (number, item) in items.enumerate() {
            if number > 0 {
                self.text(",")?;
            }
            self.value(item)?;
            self.turn.spend().await;
        }
        self.text("]")
    }

    async fn reading(&mut self, reading: &Reading, roles: &[&str]) -> Result<(), Failure> {
        self.text("{")?;
        self.member("id", &reading.key)?;
        self.text(",")?;
        self.member("roles", &roles)?;
        self.text(",")?;
        self.member("media_type", &reading.source_media_type)?;
        self.text(",")?;
        self.member("language", &reading.language)?;
        self.text(",")?;
        self.member("metadata", &reading.metadata)?;
        self.text(",\"pages\":[")?;
        for (number, page) in reading.pages.iter().enumerate() {
            if number > 0 {
                self.text(",")?;
            }
            self.value(&Page {
                info: &page.info,
                text: &page.text,
            })?;
            self.turn.spend().await;
        }
        self.text("]}")
    }

    fn fits(&self) -> Result<(), Failure> {
        if self.bytes.len() > self.most {
            return Err(self.too_large());
        }
        Ok(())
    }

    fn too_large(&self) -> Failure {
        let most = self.most;
        Failure::new(
            Code::HostMemoryLimit,
            format!(
                "what the step is given takes more than {most} bytes as the JSON that a wasi:http component is posted; give it less, \
                 or write the plugin against docmill's contract, which reads only what it asks for"
            ),
        )
    }
}

/// Takes no more than fits.
struct Bounded<'a> {
    bytes: &'a mut Vec<u8>,
    most: usize,
}

impl std::io::Write for Bounded<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.bytes.len().saturating_add(bytes.len()) > self.most {
            return Err(std::io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use docmill_model::reading::{Page as ModelPage, TextOrigin};
    use docmill_model::size::ByteSize;
    use docmill_model::value::{Field, Value};
    use serde_json::json;

    use super::*;

    fn inputs() -> Inputs {
        let info = PageInfo {
            label: Some("iv".into()),
            size: None,
            origin: TextOrigin::Digital,
            warnings: vec![],
        };
        let reading = |key: &str| {
            Arc::new(Reading {
                key: key.into(),
                source_media_type: "text/plain".into(),
                language: Some("kk".into()),
                metadata: vec![("title".into(), "T".into())],
                pages: vec![ModelPage::new(info.clone(), "Сәлем\n\"x\"".into(), vec![])],
                images: vec![],
                attachments: vec![],
            })
        };
        let main = reading("main");
        Inputs {
            params: Arc::new(json!({"p": 1})),
            main: Some(Arc::clone(&main)),
            readings: BTreeMap::from([
                ("annex".into(), vec![reading("annex")]),
                ("file".into(), vec![main]),
            ]),
            texts: BTreeMap::from([("question".into(), vec!["why?".into()])]),
            records: BTreeMap::from([("item".into(), vec![Arc::new(json!({"n": 2}))])]),
            fields: Arc::new(vec![Field {
                path: "total".into(),
                value: Some(Value::Decimal("5".into())),
                raw: None,
                confidence: None,
                origin: None,
                citations: vec![],
            }]),
            checks: Arc::default(),
        }
    }

    #[tokio::test]
    async fn the_form_holds_everything_once() {
        let bytes = write(&inputs(), r#"{"a":[1]}"#, &Limits::default())
            .await
            .unwrap();
        let page = json!({"label": "iv", "origin": "digital", "text": "Сәлем\n\"x\""});
        let reading = |id: &str, role: &str| {
            json!({
                "id": id, "roles": [role], "media_type": "text/plain", "language": "kk", "metadata": [["title", "T"]],
                "pages": [page],
            })
        };
        let expected = json!({
            "form": "docmill.step/1",
            "config": {"a": [1]},
            "params": {"p": 1},
            "main": "main",
            "readings": [reading("main", "file"), reading("annex", "annex")],
            "texts": {"question": ["why?"]},
            "records": {"item": [{"n": 2}]},
            "fields": [{"path": "total", "type": "decimal", "value": "5", "citations": []}],
            "checks": [],
        });
        assert_eq!(serde_json::from_slice::<Json>(&bytes).unwrap(), expected);
        let again = write(&inputs(), r#"{"a":[1]}"#, &Limits::default())
            .await
            .unwrap();
        assert_eq!(bytes, again);
        let nothing = write(&Inputs::default(), "{}", &Limits::default()).await.unwrap();
        assert_eq!(
            serde_json::from_slice::<Json>(&nothing).unwrap()["main"],
            Json::Null
        );
    }

    #[tokio::test]
    async fn it_is_no_larger_than_the_host_keeps() {
        let whole = write(&inputs(), "{}", &Limits::default()).await.unwrap().len();
        for most in 0..whole + 3 {
            let limits = Limits {
                host_memory: ByteSize(most as u64),
                ..Limits::default()
            };
            match write(&inputs(), "{}", &limits).await {
                Ok(bytes) => assert!(most >= whole && bytes.len() == whole),
                Err(failure) => {
                    assert!(most < whole, "{most} of {whole}: {failure}");
                    assert_eq!(failure.code, Code::HostMemoryLimit);
                }
            }
        }
    }
}
