#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use super::*;
use docmill_plugin::prelude::{Cell, Fragment};
use serde::Deserialize;

mod cells;
mod lines;
mod whole;

fn config(json: &str) -> Config {
    serde_json::from_str(json).unwrap()
}

/// Runs the plugin and holds every field to its promise: the quote is the text at its place and contains the raw value.
fn extract_from(reading: Reading, json: &str) -> Vec<Field> {
    let fields = Patterns::extract(Inputs::new().with_main(reading.clone()), config(json)).unwrap();
    for field in &fields {
        for citation in &field.citations {
            let span = Span {
                page: citation.page,
                range: citation.range.unwrap(),
            };
            assert_eq!(reading.slice(span).unwrap(), citation.quote, "{field:?}");
            assert!(
                citation.quote.contains(field.raw.as_deref().unwrap()),
                "{field:?}"
            );
        }
        assert_eq!(field.value.is_some(), field.confidence.is_some(), "{field:?}");
        assert!(
            field
                .confidence
                .is_none_or(|confidence| (0.0..=1.0).contains(&confidence)),
            "{field:?}"
        );
    }
    fields
}

fn extract(text: &str, json: &str) -> Vec<Field> {
    extract_from(Reading::of_pages(text.split('\u{C}')), json)
}

fn raw(text: &str, json: &str) -> Option<String> {
    extract(text, json).remove(0).raw
}

fn grid(rows: &[&[&str]], headers: u32) -> Block {
    Block::table(Table::from_rows(
        rows.iter().map(|row| row.iter().copied()),
        headers,
    ))
}

fn page(blocks: &[&[Block]]) -> Reading {
    let builder = ReadingBuilder::new();
    for blocks in blocks {
        builder.add_page(&PageInfo::digital(), blocks).unwrap();
    }
    builder.into_reading()
}
