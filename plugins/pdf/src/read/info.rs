//! Facts about the whole file.

use pdfboss_core::{Document as Pdf, PageLabel, page_label};

/// Metadata, language and page labels.
#[derive(Debug, Default)]
pub struct Info {
    pub language: Option<String>,
    pub metadata: Vec<(String, String)>,
    labels: Option<Vec<PageLabel>>,
}

impl Info {
    /// The label of the page, as printed on it; none if the file declares no labels.
    pub fn label(&self, page: usize) -> Option<String> {
        let label = page_label(self.labels.as_deref()?, page);
        (!label.is_empty()).then_some(label)
    }
}

/// The longest metadata value that is kept, in bytes.
const VALUE_BYTES_MAX: usize = 4096;

pub fn info(pdf: &Pdf) -> Info {
    let about = pdf.metadata();
    let created = about.creation_date_parsed().map(|date| date.to_iso8601());
    let modified = about.mod_date_parsed().map(|date| date.to_iso8601());
    let (major, minor) = pdf.version();
    let named = [
        ("title", about.title),
        ("author", about.author),
        ("subject", about.subject),
        ("keywords", about.keywords),
        ("creator", about.creator),
        ("producer", about.producer),
        ("created", created),
        ("modified", modified),
        ("pdf-version", Some(format!("{major}.{minor}"))),
        ("pages-in-file", Some(pdf.flattened_page_count().to_string())),
    ];
    let metadata = named
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), clean(&value?)?)))
        .collect();
    Info {
        language: pdf.language().and_then(|tag| language(&tag)),
        metadata,
        labels: pdf.page_labels(),
    }
}

/// Without control characters, cut at the limit; none if nothing is left.
fn clean(value: &str) -> Option<String> {
    let text: String = value
        .chars()
        .map(|ch| if ch.is_control() { ' ' } else { ch })
        .collect();
    let text = text.trim();
    let mut end = text.len().min(VALUE_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let text = text.get(..end).unwrap_or_default();
    (!text.is_empty()).then(|| text.to_owned())
}

/// A tag that has the shape of BCP 47: `ru`, `kk-KZ`. Files hold anything there ("x-unknown", "RUS ", "").
fn language(tag: &str) -> Option<String> {
    let tag = tag.trim().replace('_', "-");
    let mut parts = tag.split('-');
    let primary = parts.next()?;
    let is_primary =
        (2..=3).contains(&primary.len()) && primary.bytes().all(|byte| byte.is_ascii_alphabetic());
    let rest_fits = parts
        .all(|part| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    (is_primary && rest_fits && !primary.eq_ignore_ascii_case("und")).then(|| {
        let rest = tag.get(primary.len()..).unwrap_or_default();
        format!("{}{rest}", primary.to_ascii_lowercase())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_language_tags_pass() {
        assert_eq!(language("RU_ru").as_deref(), Some("ru-ru"));
        assert_eq!(language("kk-KZ").as_deref(), Some("kk-KZ"));
        assert_eq!(language("x-unknown"), None);
        assert_eq!(language(""), None);
        assert_eq!(language("Russian"), None);
    }
}
