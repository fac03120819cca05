//! Citations against the pages that they cite.

use serde_json::Value;

use super::{list, text, value};

/// The text of one page of one reading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageText {
    /// The reading's id; empty where the answer does not tell readings apart.
    pub reading: String,
    /// From 0.
    pub page: u64,
    pub text: String,
}

impl PageText {
    /// The pages in the answer of `GET /v1/documents/{id}`: every object that has a `text` and a page number, under
    /// whichever reading it stands.
    pub fn from_document(document: &Value) -> Vec<Self> {
        let mut pages = Vec::new();
        for (at, page) in list(document, "pages").iter().enumerate() {
            pages.push(Self::from_page(page, "", at));
        }
        for reading in list(document, "readings") {
            for (at, page) in list(reading, "pages").iter().enumerate() {
                pages.push(Self::from_page(page, text(reading, "id"), at));
            }
        }
        pages
    }

    fn from_page(page: &Value, reading: &str, at: usize) -> Self {
        let number = ["page", "number", "index"]
            .into_iter()
            .find_map(|name| page.get(name)?.as_u64());
        let own = text(page, "reading");
        Self {
            reading: if own.is_empty() {
                reading.to_owned()
            } else {
                own.to_owned()
            },
            page: number.unwrap_or(at as u64),
            text: text(page, "text").to_owned(),
        }
    }
}

/// Every citation of every field, check and chunk, and whether fields' quotes contain their raw values.
pub fn compare(run: &Value, pages: &[PageText], differences: &mut Vec<String>) {
    for field in list(run, "fields") {
        let path = text(field, "path");
        let citations = list(field, "citations");
        for citation in citations {
            quoted(&format!("field `{path}`"), citation, pages, differences);
        }
        if super::field::value_of(field).is_none() {
            continue;
        }
        let raw = text(field, "raw");
        let located = |citation: &&Value| range(citation).is_some() || text(citation, "match") == "unlocated";
        if !citations.iter().any(|citation| located(&citation)) {
            differences.push(format!(
                "field `{path}` has a value and no citation that says where it stands"
            ));
        } else if raw.is_empty() {
            differences.push(format!(
                "field `{path}` has a value and not the text that it was read from"
            ));
        } else if !citations
            .iter()
            .filter(located)
            .any(|citation| value::contains(text(citation, "quote"), raw))
        {
            let quotes: Vec<&str> = citations.iter().map(|citation| text(citation, "quote")).collect();
            differences.push(format!(
                "field `{path}`: none of the quotes {quotes:?} contains «{raw}»"
            ));
        }
    }
    for check in list(run, "checks") {
        for citation in list(check, "citations") {
            quoted(
                &format!("check `{}`", text(check, "code")),
                citation,
                pages,
                differences,
            );
        }
    }
    compare_chunks(run, pages, differences);
}

/// A chunk's text is what its citations quote.
fn compare_chunks(run: &Value, pages: &[PageText], differences: &mut Vec<String>) {
    for chunk in list(run, "chunks") {
        let owner = format!("chunk `{}`", text(chunk, "id"));
        let citations = list(chunk, "citations");
        for citation in citations {
            quoted(&owner, citation, pages, differences);
            if text(citation, "match") != "exact" {
                differences.push(format!("{owner}: a citation is not exact"));
            }
        }
        let quotes: Vec<&str> = citations.iter().map(|citation| text(citation, "quote")).collect();
        if quotes.is_empty() || quotes.join("\n") != text(chunk, "text") {
            differences.push(format!("{owner}: the text is not that of its quotes"));
        }
    }
}

/// The quote is the page's text at the range.
fn quoted(owner: &str, citation: &Value, pages: &[PageText], differences: &mut Vec<String>) {
    let quote = text(citation, "quote");
    let class = text(citation, "match");
    let Some((start, end)) = range(citation) else {
        if !matches!(class, "unmatched" | "unlocated") {
            differences.push(format!(
                "{owner}: the citation of «{quote}» is `{class}` and has no range"
            ));
        }
        return;
    };
    if !matches!(class, "exact" | "normalized") {
        differences.push(format!(
            "{owner}: the citation of «{quote}» has a range and is `{class}`"
        ));
    }
    let number = citation.get("page").and_then(Value::as_u64);
    // `reading` alone is the run's own name for it; the document's pages know the id.
    let reading = text(citation, "reading_id");
    let Some(page) = pages.iter().find(|page| {
        Some(page.page) == number
            && (reading.is_empty() || page.reading.is_empty() || page.reading == reading)
    }) else {
        differences.push(format!(
            "{owner}: the document has no page {number:?} of reading `{reading}`"
        ));
        return;
    };
    match page.text.get(start..end) {
        Some(slice) if slice == quote => {}
        Some(slice) => {
            differences.push(format!(
                "{owner}: the quote is «{quote}» and bytes {start}..{end} are «{slice}»"
            ));
        }
        None => differences.push(format!(
            "{owner}: bytes {start}..{end} of page {} are outside its text or inside a character",
            page.page
        )),
    }
}

fn range(citation: &Value) -> Option<(usize, usize)> {
    let range = citation.get("range")?;
    let end = |name: &str| {
        range
            .get(name)?
            .as_u64()
            .and_then(|offset| usize::try_from(offset).ok())
    };
    Some((end("start")?, end("end")?))
}
