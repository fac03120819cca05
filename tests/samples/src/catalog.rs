//! The documents that the repository keeps, embedded.

use serde_json::Value;

const DEMO: &str = include_str!("../documents/demo.json");

/// A document and its truth.
#[derive(Debug)]
pub struct Sample {
    /// `invoice-kzt`
    pub name: &'static str,
    /// `invoice-kzt.pdf`
    pub file_name: &'static str,
    pub media_type: &'static str,
    pub document: &'static [u8],
    /// What a correct run finds in the document, as JSON.
    pub truth: &'static str,
}

impl Sample {
    /// The truth, read.
    ///
    /// # Errors
    /// Never for an embedded sample: a test reads them all.
    pub fn truth(&self) -> serde_json::Result<Value> {
        serde_json::from_str(self.truth)
    }
}

/// Every document that the repository keeps.
pub fn samples() -> &'static [Sample] {
    &SAMPLES
}

/// The demo's default documents, in their order.
pub fn demo() -> Vec<&'static Sample> {
    let list: Value = serde_json::from_str(DEMO).unwrap_or_default();
    let names = list
        .get("documents")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str);
    names
        .filter_map(|name| SAMPLES.iter().find(|sample| sample.file_name == name))
        .collect()
}

macro_rules! sample {
    ($name:literal, $ending:literal, $media_type:expr) => {
        Sample {
            name: $name,
            file_name: concat!($name, ".", $ending),
            media_type: $media_type,
            document: include_bytes!(concat!("../documents/", $name, ".", $ending)),
            truth: include_str!(concat!("../documents/", $name, ".truth.json")),
        }
    };
}

const PDF: &str = "application/pdf";
const DOCX: &str = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";
const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
const HTML: &str = "text/html";
const TEXT: &str = "text/plain";

static SAMPLES: [Sample; 16] = [
    sample!("invoice-kzt", "pdf", PDF),
    sample!("invoice-two-pages", "pdf", PDF),
    sample!("invoice-wrong-total", "pdf", PDF),
    sample!("invoice-rub", "docx", DOCX),
    sample!("invoice-usd", "html", HTML),
    sample!("invoice-sheet", "xlsx", XLSX),
    sample!("invoice-export", "csv", "text/csv"),
    sample!("certificate-work", "docx", DOCX),
    sample!("certificate-kazakh", "pdf", PDF),
    sample!("certificate-other-person", "txt", TEXT),
    sample!("certificate-undated", "txt", TEXT),
    sample!("form", "html", HTML),
    sample!("form-without-consent", "pdf", PDF),
    sample!("letter", "txt", TEXT),
    sample!("letter-koi8", "txt", TEXT),
    sample!("letter-english", "md", "text/markdown"),
];

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "test")]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    #[test]
    fn every_document_is_embedded_with_a_truth_about_itself() {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("documents");
        let kept: BTreeSet<String> = std::fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| !name.ends_with(".json"))
            .collect();
        let embedded: BTreeSet<String> = samples()
            .iter()
            .map(|sample| sample.file_name.to_owned())
            .collect();
        assert_eq!(kept, embedded);
        for sample in samples() {
            let truth = sample.truth().unwrap();
            assert_eq!(truth["document"], sample.file_name);
            assert!(
                truth["fields"]
                    .as_object()
                    .is_some_and(|fields| !fields.is_empty()),
                "{}",
                sample.name
            );
        }
    }

    #[test]
    fn documents_are_small() {
        assert!(samples().iter().all(|sample| sample.document.len() < 60_000));
        assert!(
            samples()
                .iter()
                .map(|sample| sample.document.len())
                .sum::<usize>()
                < 500_000
        );
    }

    #[test]
    fn the_demo_shows_four_formats() {
        let types: BTreeSet<&str> = demo().iter().map(|sample| sample.media_type).collect();
        assert_eq!(types, BTreeSet::from([PDF, DOCX, HTML, TEXT]));
    }

    #[test]
    fn the_set_holds_every_verdict_pipeline_and_kind_of_fault() {
        let truths: Vec<Value> = samples().iter().map(|sample| sample.truth().unwrap()).collect();
        for verdict in ["pass", "fail", "undecided"] {
            assert!(
                truths.iter().any(|truth| truth["verdict"] == verdict),
                "{verdict}"
            );
        }
        for pipeline in ["invoice", "certificate", "form", "letter"] {
            assert!(
                truths.iter().any(|truth| truth["pipeline"] == pipeline),
                "{pipeline}"
            );
        }
        for code in ["total-is-sum-of-lines", "name-matches"] {
            assert!(
                truths.iter().any(|truth| truth["checks"][code] == "fail"),
                "{code}"
            );
        }
    }
}
