//! Roughly how many bytes a value occupies: for budgets, where a factor of two does not matter.

use docmill_model::chunk::{Chunk, Embeddings};
use docmill_model::reading::Reading;
use docmill_model::value::{Check, Citation, Field, Value};
use serde_json::Value as Json;

/// A page's text and its form for searching, which is made at the first search and at most one and a half times as long.
const TEXTS: usize = 3;

/// What every value costs beside its text.
const VALUE: usize = 32;

pub fn json(json: &Json) -> usize {
    VALUE
        + match json {
            Json::String(text) => text.len(),
            Json::Array(items) => items.iter().map(self::json).sum(),
            Json::Object(members) => members
                .iter()
                .map(|(key, value)| key.len() + VALUE + self::json(value))
                .sum(),
            _ => 0,
        }
}

pub(crate) fn field(field: &Field) -> usize {
    let value = match &field.value {
        Some(Value::Json(value)) => json(value),
        Some(Value::Text(text)) => text.len(),
        _ => VALUE,
    };
    4 * VALUE
        + field.path.len()
        + value
        + field.raw.as_ref().map_or(0, String::len)
        + citations(&field.citations)
}

pub(crate) fn check(check: &Check) -> usize {
    let fields: usize = check.fields.iter().map(|f| f.len() + VALUE).sum();
    4 * VALUE + check.code.len() + check.reason.len() + fields + citations(&check.citations)
}

/// Its text stands in the chunk, in its quotes, and in what expressions and plugins see of it.
pub(crate) fn chunk(chunk: &Chunk) -> usize {
    let headings: usize = chunk
        .headings
        .iter()
        .map(|heading| 2 * (VALUE + heading.len()))
        .sum();
    let metadata = chunk.metadata.as_ref().map_or(0, |metadata| 2 * json(metadata));
    let cited: usize = chunk.citations.iter().map(|_| 6 * VALUE).sum();
    8 * VALUE + 2 * chunk.text.len() + headings + metadata + cited + citations(&chunk.citations)
}

/// Every number as it is held, and as JSON writes it.
pub(crate) fn embeddings(embeddings: &Embeddings) -> usize {
    const NUMBER: usize = size_of::<f32>() + 12;
    let vectors = embeddings.vectors.iter();
    vectors
        .map(|vector| 2 * VALUE + NUMBER * vector.len())
        .sum::<usize>()
        + embeddings.model.len()
}

fn citations(citations: &[Citation]) -> usize {
    citations
        .iter()
        .map(|c| 3 * VALUE + c.quote.len() + c.regions.len() * 16)
        .sum()
}

pub(crate) fn reading(reading: &Reading) -> usize {
    let pages: usize = reading
        .pages
        .iter()
        .map(|page| {
            let blocks: usize = page
                .blocks
                .iter()
                .map(|block| {
                    let cells = block.table.as_ref().map_or(0, |t| t.cells.len());
                    4 * VALUE + block.kind.name().len() + block.fragments.len() * 40 + cells * 56
                })
                .sum();
            let said = page.info.label.iter().chain(&page.info.warnings);
            let said: usize = said.map(|text| VALUE + text.len()).sum();
            4 * VALUE + TEXTS * page.text.len() + said + blocks
        })
        .sum();
    let images: usize = reading.images.iter().map(|i| i.data.len()).sum();
    let attachments: usize = reading
        .attachments
        .iter()
        .map(|a| a.content.len() + a.name.len() + a.media_type.len())
        .sum();
    let metadata: usize = reading
        .metadata
        .iter()
        .map(|(name, value)| name.len() + value.len() + 2 * VALUE)
        .sum();
    VALUE + pages + images + attachments + metadata
}

/// The same as [`json`], given up soon after `most`: the answer is then more than `most`.
pub(crate) fn json_up_to(json: &Json, most: usize) -> usize {
    let mut weight = 0_usize;
    add_json(json, most, &mut weight);
    weight
}

fn add_json(json: &Json, most: usize, weight: &mut usize) {
    *weight = weight.saturating_add(VALUE);
    match json {
        Json::String(text) => *weight = weight.saturating_add(text.len()),
        Json::Array(items) => {
            for item in items {
                if *weight > most {
                    return;
                }
                add_json(item, most, weight);
            }
        }
        Json::Object(members) => {
            for (key, value) in members {
                if *weight > most {
                    return;
                }
                *weight = weight.saturating_add(key.len() + VALUE);
                add_json(value, most, weight);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use docmill_model::reading::{Attachment, Block, BlockKind, Page, PageInfo, TextOrigin, TextRange};

    use super::*;

    #[test]
    fn chunks_and_vectors_weigh_what_becomes_of_them() {
        let citation = Citation {
            reading: None,
            page: 0,
            range: None,
            quote: "t".repeat(1_000),
            regions: vec![],
            class: docmill_model::value::MatchClass::Exact,
        };
        let chunk = Chunk {
            id: String::new(),
            text: "t".repeat(1_000),
            headings: vec!["h".repeat(1_000)],
            metadata: Some(serde_json::json!(["m".repeat(1_000)])),
            origin: None,
            citations: vec![citation],
        };
        let weight = super::chunk(&chunk);
        // Text, quote, and what is seen of it; heading and metadata, and what is seen of them.
        assert!((7_000..8_000).contains(&weight), "{weight}");
        let embeddings = Embeddings {
            model: String::new(),
            vectors: vec![vec![0.1; 1_000]; 2],
        };
        let weight = super::embeddings(&embeddings);
        assert!((32_000..33_000).contains(&weight), "{weight}");
    }

    #[test]
    fn every_text_of_a_reading_weighs() {
        let info = PageInfo {
            label: Some("l".repeat(1_000)),
            size: None,
            origin: TextOrigin::Digital,
            warnings: vec!["w".repeat(1_000)],
        };
        let block = Block {
            kind: BlockKind::Other("k".repeat(1_000)),
            range: TextRange { start: 0, end: 0 },
            fragments: vec![],
            table: None,
            image: None,
            region: None,
            confidence: None,
        };
        let reading = Reading {
            key: String::new(),
            source_media_type: String::new(),
            language: None,
            metadata: vec![],
            pages: vec![Page::new(info, "t".repeat(1_000), vec![block])],
            images: vec![],
            attachments: vec![Arc::new(Attachment {
                name: "a".repeat(1_000),
                media_type: "m".repeat(1_000),
                content: vec![0; 1_000],
            })],
        };
        let weight = super::reading(&reading);
        assert!((9_000..10_000).contains(&weight), "{weight}");
    }
}
