//! Chunks and vectors: pieces of readings for search, each with the exact place where it stands, and what an embedder makes
//! of texts.

use serde::{Deserialize, Serialize};

use crate::assemble::{clean, cut};
use crate::evidence::{Broken, clean_json};
use crate::limits::{MAX_CHUNK_SPANS, MAX_DIMENSIONS, MAX_HEADING_BYTES, MAX_HEADINGS, MAX_MODEL_BYTES};
use crate::reading::{Reading, TextSpan};
use crate::value::{Citation, MatchClass, Origin};

/// A piece of a reading.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Chunk {
    /// `step/n`, counted from 0 over all that the step gave; the host fills it in. Vectors name chunks by it.
    #[serde(default)]
    pub id: String,
    /// The quotes of its citations, joined by one newline.
    pub text: String,
    /// The headings above it, outermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headings: Vec<String>,
    /// An object, if the chunker said more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<serde_json::Value>,
    /// Who made it; the host fills it in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// Where it stands, in the reading's order; all of them exact.
    pub citations: Vec<Citation>,
}

/// A chunk as a chunker writes it.
#[derive(Debug, Clone)]
pub struct NewChunk {
    /// Empty, or exactly the text of the spans, joined by one newline.
    pub text: String,
    /// In the reading's order.
    pub spans: Vec<TextSpan>,
    /// Outermost first.
    pub headings: Vec<String>,
    /// An object.
    pub metadata: Option<serde_json::Value>,
}

/// What vectors are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// Texts that will be searched.
    Document,
    /// Texts that search.
    Query,
}

impl Purpose {
    /// The stable word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Document => "document",
            Self::Query => "query",
        }
    }
}

/// What an embedder made of some texts: one vector for each, in their order.
#[derive(Debug, Clone, PartialEq)]
pub struct Embeddings {
    /// Name and version of what made them.
    pub model: String,
    /// All of one length, every number finite.
    pub vectors: Vec<Vec<f32>>,
}

/// Holds a chunk against the contract and cites its spans. Weighs about as much as the text twice: `afford` is asked before
/// anything is copied.
///
/// # Errors
/// When a rule is broken: the rule and the place are named. What `afford` answers.
pub fn settle<E: From<Broken>>(
    written: NewChunk,
    reading: &Reading,
    at: &str,
    mut afford: impl FnMut(usize) -> Result<(), E>,
) -> Result<Chunk, E> {
    let broken = |rule, explanation: &str| E::from(Broken::new(rule, at, explanation));
    if !(1..=MAX_CHUNK_SPANS).contains(&written.spans.len()) {
        let explanation = format!("a chunk has 1 to {MAX_CHUNK_SPANS} spans");
        return Err(broken("chunk-spans", &explanation));
    }
    if written.metadata.as_ref().is_some_and(|json| !json.is_object()) {
        return Err(broken("chunk-metadata", "metadata is an object"));
    }
    let mut text = String::new();
    let mut citations = Vec::with_capacity(written.spans.len());
    let mut before: Option<TextSpan> = None;
    for span in &written.spans {
        let quote = reading.slice(*span).filter(|quote| !quote.is_empty());
        let Some((quote, page)) = quote.zip(reading.page(span.page)) else {
            let explanation = "a span is empty, outside the page's text or cuts a character";
            return Err(broken("chunk-span", explanation));
        };
        let follows = before.is_none_or(|before| {
            before.page < span.page || (before.page == span.page && before.range.end <= span.range.start)
        });
        if !follows {
            return Err(broken(
                "chunk-spans",
                "spans are in the reading's order and do not overlap",
            ));
        }
        let regions = page.regions(span.range);
        afford(2 * quote.len() + 1 + 16 * regions.len())?;
        if before.is_some() {
            text.push('\n');
        }
        text.push_str(quote);
        citations.push(Citation {
            reading: Some(reading.key.clone()),
            page: span.page,
            range: Some(span.range),
            quote: quote.to_owned(),
            regions,
            class: MatchClass::Exact,
        });
        before = Some(*span);
    }
    if !written.text.is_empty() && written.text != text {
        return Err(broken(
            "chunk-text",
            "the text is not exactly that of the spans, joined by one newline; leave it empty and the host fills it in",
        ));
    }
    let headings = written.headings.iter().take(MAX_HEADINGS);
    Ok(Chunk {
        id: String::new(),
        text,
        headings: headings.map(|heading| cut(heading, MAX_HEADING_BYTES)).collect(),
        metadata: written.metadata.map(clean_json),
        origin: None,
        citations,
    })
}

/// Holds vectors against the contract.
///
/// # Errors
/// When there are not as many as `texts`, when they differ in length or are too long, when a number is not finite, or when
/// nobody can tell which model made them.
pub fn settle_embeddings(written: Embeddings, texts: usize) -> Result<Embeddings, Broken> {
    let named = (1..=MAX_MODEL_BYTES).contains(&written.model.trim().len())
        && written.model.len() <= MAX_MODEL_BYTES
        && !written.model.chars().any(char::is_control);
    if !named {
        let explanation = format!("name and version of what made the vectors, 1 to {MAX_MODEL_BYTES} bytes");
        return Err(Broken::new("model", "embeddings", &explanation));
    }
    if written.vectors.len() != texts {
        let explanation = format!(
            "there are {} vectors for {texts} texts; give one for each, in order",
            written.vectors.len()
        );
        return Err(Broken::new("vector-count", "embeddings", &explanation));
    }
    let length = written.vectors.first().map_or(0, Vec::len);
    for (index, vector) in written.vectors.iter().enumerate() {
        let at = format!("vector {index}");
        if vector.len() != length || !(1..=MAX_DIMENSIONS).contains(&length) {
            let explanation = format!(
                "it has {} numbers; all vectors have the same 1 to {MAX_DIMENSIONS}",
                vector.len()
            );
            return Err(Broken::new("vector-length", &at, &explanation));
        }
        if let Some(place) = vector.iter().position(|number| !number.is_finite()) {
            let explanation = format!("number {place} is not finite");
            return Err(Broken::new("vector-number", &at, &explanation));
        }
    }
    Ok(Embeddings {
        model: clean(written.model.trim()),
        ..written
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reading::{Page, PageInfo, TextOrigin, TextRange};

    fn reading(pages: &[&str]) -> Reading {
        let info = PageInfo {
            label: None,
            size: None,
            origin: TextOrigin::Digital,
            warnings: vec![],
        };
        let pages = pages
            .iter()
            .map(|text| Page::new(info.clone(), (*text).into(), vec![]));
        Reading {
            key: "main".into(),
            source_media_type: "text/plain".into(),
            language: None,
            metadata: vec![],
            pages: pages.collect(),
            images: vec![],
            attachments: vec![],
        }
    }

    fn span(page: u32, start: u32, end: u32) -> TextSpan {
        TextSpan {
            page,
            range: TextRange { start, end },
        }
    }

    fn chunk(text: &str, spans: &[TextSpan]) -> NewChunk {
        NewChunk {
            text: text.into(),
            spans: spans.to_vec(),
            headings: vec![],
            metadata: None,
        }
    }

    fn settled(chunk: NewChunk) -> Result<Chunk, Broken> {
        settle(chunk, &reading(&["Жил-был пёс", "и кот"]), "chunk 0", |_| Ok(()))
    }

    #[test]
    fn a_chunk_is_what_stands_at_its_spans() -> Result<(), Broken> {
        let spans = [span(0, 0, 13), span(1, 3, 9)];
        for text in ["", "Жил-был\nкот"] {
            let chunk = settled(chunk(text, &spans))?;
            assert_eq!(chunk.text, "Жил-был\nкот");
            let quotes: Vec<&str> = chunk.citations.iter().map(|c| c.quote.as_str()).collect();
            assert_eq!(quotes.join("\n"), chunk.text);
            assert!(chunk.citations.iter().all(|c| c.class == MatchClass::Exact));
        }
        Ok(())
    }

    #[test]
    fn what_breaks_a_rule_is_refused_by_its_name() {
        let whole = span(0, 0, 13);
        for (bad, rule) in [
            (chunk("", &[]), "chunk-spans"),
            (chunk("", &vec![whole; MAX_CHUNK_SPANS + 1]), "chunk-spans"),
            (chunk("", &[whole, whole]), "chunk-spans"),
            (chunk("", &[span(1, 0, 2), whole]), "chunk-spans"),
            (chunk("", &[span(0, 0, 14), span(0, 13, 20)]), "chunk-spans"),
            (chunk("", &[span(0, 3, 3)]), "chunk-span"),
            (chunk("", &[span(0, 0, 1)]), "chunk-span"),
            (chunk("", &[span(0, 9, 2)]), "chunk-span"),
            (chunk("", &[span(0, 0, 999)]), "chunk-span"),
            (chunk("", &[span(2, 0, 1)]), "chunk-span"),
            (chunk("", &[span(u32::MAX, 0, u32::MAX)]), "chunk-span"),
            (chunk("Жил-был ", &[whole]), "chunk-text"),
            (
                NewChunk {
                    metadata: Some(serde_json::json!([1])),
                    ..chunk("", &[whole])
                },
                "chunk-metadata",
            ),
        ] {
            let shown = format!("{:?}", bad.spans.iter().take(3).collect::<Vec<_>>());
            assert_eq!(settled(bad).map_err(|b| b.rule).err(), Some(rule), "{shown}");
        }
    }

    #[test]
    fn headings_are_cut_and_what_cannot_be_paid_for_is_not_copied() {
        let long = NewChunk {
            headings: vec!["ж".repeat(10_000); 1_000],
            ..chunk("", &[span(0, 0, 13)])
        };
        let headings = settled(long).map(|chunk| chunk.headings).unwrap_or_default();
        assert_eq!(headings.len(), MAX_HEADINGS);
        assert!(headings.iter().all(|heading| heading.len() == MAX_HEADING_BYTES));
        let mut weighed = 0;
        let refused = settle(
            chunk("", &[span(0, 0, 13)]),
            &reading(&["Жил-был"]),
            "chunk 0",
            |bytes| {
                weighed += bytes;
                Err(Broken::new("output", "here", "too much"))
            },
        );
        assert_eq!((refused.is_err(), weighed), (true, 27));
    }

    #[test]
    fn vectors_are_counted_measured_and_finite() {
        let embeddings = |model: &str, vectors: &[&[f32]]| Embeddings {
            model: model.into(),
            vectors: vectors.iter().map(|v| v.to_vec()).collect(),
        };
        let one: &[f32] = &[0.5, -1.0];
        assert!(settle_embeddings(embeddings("m@1", &[one, one]), 2).is_ok());
        let long = vec![0.0; MAX_DIMENSIONS + 1];
        for (bad, texts, rule) in [
            (embeddings("", &[one]), 1, "model"),
            (embeddings(" ", &[one]), 1, "model"),
            (embeddings("a\n", &[one]), 1, "model"),
            (embeddings(&"m".repeat(MAX_MODEL_BYTES + 1), &[one]), 1, "model"),
            (embeddings("m", &[one]), 2, "vector-count"),
            (embeddings("m", &[one, one]), 1, "vector-count"),
            (embeddings("m", &[]), 1, "vector-count"),
            (embeddings("m", &[&[], &[]]), 2, "vector-length"),
            (embeddings("m", &[one, &[1.0]]), 2, "vector-length"),
            (embeddings("m", &[&long]), 1, "vector-length"),
            (embeddings("m", &[&[f32::NAN]]), 1, "vector-number"),
            (
                embeddings("m", &[&[1.0], &[f32::NEG_INFINITY]]),
                2,
                "vector-number",
            ),
        ] {
            assert_eq!(
                settle_embeddings(bad, texts).map_err(|b| b.rule).err(),
                Some(rule)
            );
        }
    }
}
