//! Makes realistic documents together with their truth. The same seed gives the same bytes.

pub mod certificate;
pub mod draft;
pub mod form;
pub mod identity;
pub mod invoice;
pub mod letter;
pub mod page;
pub mod people;
pub mod random;
pub mod render;
pub mod set;
pub mod style;
pub mod words;

use anyhow::Result;
use serde_json::{Map, Value, json};

use self::draft::Draft;
use self::random::Random;
use self::render::pdf::Fonts;
use self::render::text::CodePage;
use self::render::{csv, docx, html, markdown, pdf, text, xlsx};
use self::style::Style;

/// What is to be made.
#[derive(Clone, Copy, Debug)]
pub struct Spec<'a> {
    /// Of the file, without its ending.
    pub name: &'a str,
    pub seed: u64,
    pub kind: Kind,
    pub format: Format,
    pub style: Style,
}

#[derive(Clone, Copy, Debug)]
pub enum Kind {
    Invoice(invoice::Order),
    Certificate(certificate::Order),
    Form { consent: bool },
    Letter { english: bool },
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    Pdf,
    Docx,
    Xlsx,
    Html,
    Text(CodePage),
    Csv,
    Markdown,
}

impl Format {
    fn ending(self) -> &'static str {
        match self {
            Self::Pdf => "pdf",
            Self::Docx => "docx",
            Self::Xlsx => "xlsx",
            Self::Html => "html",
            Self::Text(_) => "txt",
            Self::Csv => "csv",
            Self::Markdown => "md",
        }
    }
}

/// A document and its truth.
pub struct Made {
    pub file: String,
    pub bytes: Vec<u8>,
    pub truth: Value,
}

impl Made {
    /// `NAME.truth.json`
    pub fn truth_file(&self) -> String {
        let name = self
            .file
            .rsplit_once('.')
            .map_or(self.file.as_str(), |(name, _)| name);
        format!("{name}.truth.json")
    }

    /// The truth as it is written to the file.
    pub fn truth_text(&self) -> Result<String> {
        Ok(serde_json::to_string_pretty(&self.truth)? + "\n")
    }
}

/// Makes one document.
pub fn make(spec: &Spec<'_>, fonts: &Fonts) -> Result<Made> {
    let mut random = Random::new(spec.seed);
    let random = &mut random;
    let style = &spec.style;
    let mut draft = match spec.kind {
        Kind::Invoice(order) => invoice::draft(random, style, order),
        Kind::Certificate(order) => certificate::draft(random, style, order),
        Kind::Form { consent } => form::draft(random, style, consent),
        Kind::Letter { english } => letter::draft(random, style, english),
    };
    if style.noise.extra_spaces {
        extra_spaces(random, &mut draft);
    }
    let file = format!("{}.{}", spec.name, spec.format.ending());
    let document = &draft.document;
    let rendered = match spec.format {
        Format::Pdf => pdf::render(document, style, fonts)?,
        Format::Docx => docx::render(document)?,
        Format::Xlsx => xlsx::render(document)?,
        Format::Html => html::render(document),
        Format::Text(code_page) => text::render(document, style, code_page)?,
        Format::Csv => csv::render(document),
        Format::Markdown => markdown::render(document),
    };
    if spec.format == Format::Xlsx && draft.document.language == "en" {
        // A number in a cell has no text of its own; the example pipelines have it written as in Russian documents.
        for field in draft
            .fields
            .iter_mut()
            .filter(|field| matches!(field.kind, "money" | "decimal"))
        {
            field.quote = field.quote.take().filter(|quote| xlsx::number(quote).is_none());
        }
    }
    let truth = draft.truth(&file, &rendered.pages)?;
    Ok(Made {
        file,
        bytes: rendered.bytes,
        truth,
    })
}

/// Doubles some of the blanks in running text.
fn extra_spaces(random: &mut Random, draft: &mut Draft) {
    for block in &mut draft.document.blocks {
        if let page::Block::Paragraph(text) = block {
            let words: Vec<&str> = text.split(' ').collect();
            let mut spaced = String::new();
            for (at, word) in words.iter().enumerate() {
                if at > 0 {
                    spaced += if random.between(0, 3) == 0 { "  " } else { " " };
                }
                spaced += word;
            }
            *text = spaced;
        }
    }
}

/// The list of the demo's default documents, as `demo.json` holds it.
pub fn demo_list(names: &[&str]) -> Value {
    let mut list = Map::new();
    list.insert("documents".to_owned(), json!(names));
    Value::Object(list)
}
