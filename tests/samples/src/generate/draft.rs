//! A document together with what a correct reader finds in it.

use serde_json::{Map, Value, json};

use super::page::Document;
use super::style::Style;
use super::words::Date;

/// A document and its truth, before the document takes a format.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The example pipeline that reads it.
    pub pipeline: &'static str,
    pub document: Document,
    pub params: Map<String, Value>,
    pub fields: Vec<Expected>,
    pub verdict: &'static str,
    /// Outcome by code.
    pub checks: Vec<(&'static str, &'static str)>,
    pub lookups: Map<String, Value>,
    /// Texts that the reading must contain.
    pub contains: Vec<String>,
    /// File names of what the run produces.
    pub artifacts: Vec<&'static str>,
}

/// A field that must be found.
#[derive(Clone, Debug)]
pub struct Expected {
    pub path: String,
    /// A case of the contract's `value`.
    pub kind: &'static str,
    /// `null` if the field is looked for and not there.
    pub value: Value,
    /// The value as it stands in the document.
    pub quote: Option<String>,
    /// A text on the same page that stands there only once, where the quote might stand on several.
    pub anchor: Option<String>,
}

impl Draft {
    pub fn new(pipeline: &'static str, language: &'static str) -> Self {
        Self {
            pipeline,
            document: Document {
                language,
                ..Document::default()
            },
            params: Map::new(),
            fields: Vec::new(),
            verdict: "pass",
            checks: Vec::new(),
            lookups: Map::new(),
            contains: Vec::new(),
            artifacts: Vec::new(),
        }
    }

    pub fn expect(&mut self, path: &str, kind: &'static str, value: Value, quote: &str) {
        self.fields.push(Expected {
            path: path.to_owned(),
            kind,
            value,
            quote: Some(quote.to_owned()),
            anchor: None,
        });
    }

    /// A date as `written`; the word for "year" behind it may be quoted or not.
    pub fn expect_date(&mut self, path: &str, date: Date, written: &str) {
        let core = written.trim_end_matches(" года").trim_end_matches(" г.");
        self.expect(path, "date", json!(date.iso()), core);
    }

    /// A text, or an identifier, whose value is what stands in the document.
    pub fn expect_text(&mut self, path: &str, text: &str) {
        self.expect(path, "text", json!(text), text);
    }

    /// A field that the pipeline looks for and this document does not have.
    pub fn expect_nothing(&mut self, path: &str, kind: &'static str) {
        self.fields.push(Expected {
            path: path.to_owned(),
            kind,
            value: Value::Null,
            quote: None,
            anchor: None,
        });
    }

    /// Ties the last field to a text that stands on its page alone.
    pub fn anchored(&mut self, anchor: &str) {
        if let Some(field) = self.fields.last_mut() {
            field.anchor = Some(anchor.to_owned());
        }
    }

    /// The style's spelling, in the document and in the truth alike.
    pub fn print(&mut self, style: &Style) {
        style.print_all(&mut self.document);
        for field in &mut self.fields {
            for text in [&mut field.quote, &mut field.anchor].into_iter().flatten() {
                *text = style.print(text);
            }
            if let (Value::String(text), "text") = (&mut field.value, field.kind) {
                *text = style.print(text);
            }
        }
        self.contains
            .iter_mut()
            .for_each(|text| *text = style.print(text));
    }

    /// The truth as it is kept beside the document. `pages` are the texts of the document's pages as the renderer laid
    /// them out; they tell on which page a field stands.
    pub fn truth(&self, file: &str, pages: &[String]) -> anyhow::Result<Value> {
        let folded: Vec<String> = pages.iter().map(|page| fold(page)).collect();
        let mut fields = Map::new();
        for field in &self.fields {
            let mut entry = Map::new();
            entry.insert("type".to_owned(), json!(field.kind));
            entry.insert("value".to_owned(), field.value.clone());
            if let Some(quote) = &field.quote {
                let anchor = fold(field.anchor.as_ref().unwrap_or(quote));
                let page = folded.iter().position(|page| page.contains(&anchor));
                let Some(page) = page else {
                    anyhow::bail!("{file}: `{}` = «{quote}» was not printed on any page", field.path);
                };
                entry.insert("quote".to_owned(), json!(quote));
                entry.insert("page".to_owned(), json!(page));
            }
            fields.insert(field.path.clone(), Value::Object(entry));
        }
        let checks: Map<String, Value> = self
            .checks
            .iter()
            .map(|(code, outcome)| ((*code).to_owned(), json!(outcome)))
            .collect();
        Ok(json!({
            "document": file,
            "pipeline": self.pipeline,
            "params": self.params,
            "fields": fields,
            "verdict": self.verdict,
            "checks": checks,
            "lookups": self.lookups,
            "artifacts": self.artifacts,
            "text_contains": self.contains,
        }))
    }
}

/// Without blanks: formats break lines where they like.
fn fold(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_whitespace()).collect()
}
