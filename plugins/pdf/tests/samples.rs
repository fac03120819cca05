//! The repository's own sample documents, whose truth stands beside them.

#![expect(clippy::unwrap_used, reason = "test")]

use std::path::{Path, PathBuf};

use docmill_pdf::{Config, Document, parse};
use serde_json::Value;

fn samples() -> Vec<(PathBuf, Value)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/samples/documents");
    let mut samples: Vec<(PathBuf, Value)> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "pdf"))
        .map(|path| {
            let truth = std::fs::read_to_string(path.with_extension("truth.json")).unwrap();
            (path, serde_json::from_str(&truth).unwrap())
        })
        .collect();
    samples.sort_by(|a, b| a.0.cmp(&b.0));
    samples
}

fn read(path: &Path) -> Document {
    parse(&std::fs::read(path).unwrap(), &Config::default()).unwrap()
}

#[test]
fn every_true_value_stands_in_the_text_of_its_page() {
    let samples = samples();
    assert!(samples.len() >= 4, "{} samples", samples.len());
    for (path, truth) in samples {
        let document = read(&path);
        for (name, field) in truth.get("fields").and_then(Value::as_object).unwrap() {
            let Some(quote) = field.get("quote").and_then(Value::as_str) else {
                continue;
            };
            let page = field.get("page").and_then(Value::as_u64).unwrap() as usize;
            let text = document.pages.get(page).unwrap().text();
            let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
            let wanted = quote.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(
                flat.contains(&wanted),
                "{path:?} {name}: {quote:?} is not in\n{text}"
            );
        }
    }
}

#[test]
fn every_line_item_stands_in_its_own_cell() {
    for (path, truth) in samples() {
        let document = read(&path);
        for (name, field) in truth.get("fields").and_then(Value::as_object).unwrap() {
            let Some(quote) = field
                .get("quote")
                .and_then(Value::as_str)
                .filter(|_| name.starts_with("lines["))
            else {
                continue;
            };
            let page = field.get("page").and_then(Value::as_u64).unwrap() as usize;
            let blocks = &document.pages.get(page).unwrap().blocks;
            let mut cells = blocks
                .iter()
                .filter_map(|block| block.table.as_ref())
                .flat_map(|table| &table.cells);
            let wanted = quote.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(
                cells.any(|cell| cell.text == wanted && !cell.header),
                "{path:?} {name}: no cell holds {quote:?}"
            );
        }
    }
}
