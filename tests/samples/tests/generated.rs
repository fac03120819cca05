//! The committed documents are what the generator makes, and whatever it makes is consistent.
#![cfg(feature = "generate")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "test")]

use std::collections::BTreeMap;
use std::path::Path;

use docmill_samples::generate::render::pdf::{FONT_DIRECTORY, Fonts};
use docmill_samples::generate::{Made, Spec, demo_list, make, set};
use docmill_samples::samples;
use serde_json::Value;

/// None, and a word about it, on machines without the font.
fn fonts() -> Option<Fonts> {
    let directory = std::env::var("DOCMILL_FONTS").unwrap_or_else(|_| FONT_DIRECTORY.to_owned());
    let fonts = Fonts::read(Path::new(&directory)).ok();
    if fonts.is_none() {
        eprintln!("skipped: no DejaVu Sans in {directory} (package fonts-dejavu-core, or set DOCMILL_FONTS)");
    }
    fonts
}

#[test]
fn committed_documents_are_what_the_generator_makes() {
    let Some(fonts) = fonts() else { return };
    let made: BTreeMap<String, Made> = set::chosen()
        .iter()
        .map(|spec| make(spec, &fonts).unwrap())
        .map(|made| (made.file.clone(), made))
        .collect();
    assert_eq!(made.len(), samples().len());
    for sample in samples() {
        let made = made
            .get(sample.file_name)
            .unwrap_or_else(|| panic!("{} is not made", sample.file_name));
        assert!(
            made.bytes == sample.document,
            "{} differs; run `generate-samples chosen`",
            sample.file_name
        );
        assert_eq!(made.truth_text().unwrap(), sample.truth, "{}", sample.file_name);
    }
    let list: Value = serde_json::from_str(include_str!("../documents/demo.json")).unwrap();
    assert_eq!(list, demo_list(&set::DEMO));
}

#[test]
fn one_seed_gives_the_same_bytes_and_another_gives_others() {
    let Some(fonts) = fonts() else { return };
    let all = |seed| -> Vec<(Vec<u8>, Value)> {
        let specs = set::random(seed, 40);
        specs
            .iter()
            .map(|(name, spec)| make(&Spec { name, ..*spec }, &fonts).unwrap())
            .map(|made| (made.bytes, made.truth))
            .collect()
    };
    let first = all(1);
    assert!(first == all(1));
    let other = all(2);
    assert!(first.iter().zip(&other).all(|(left, right)| left.0 != right.0));
}

#[test]
fn truths_of_invoices_add_up_exactly_when_they_say_so() {
    let Some(fonts) = fonts() else { return };
    let hundredths = |value: &Value| -> u64 {
        value["value"]["amount"]
            .as_str()
            .unwrap()
            .replace('.', "")
            .parse()
            .unwrap()
    };
    let mut seen = (0, 0);
    for (name, spec) in set::random(3, 120) {
        let truth = make(&Spec { name: &name, ..spec }, &fonts).unwrap().truth;
        if truth["pipeline"] != "invoice" {
            continue;
        }
        let fields = truth["fields"].as_object().unwrap();
        let amounts = fields
            .iter()
            .filter(|(path, _)| path.starts_with("lines[") && path.ends_with(".amount"));
        let sum: u64 = amounts.map(|(_, field)| hundredths(field)).sum();
        let right = sum == hundredths(&fields["total"]);
        assert_eq!(
            right,
            truth["checks"]["total-is-sum-of-lines"] == "pass",
            "{name}"
        );
        if right { seen.0 += 1 } else { seen.1 += 1 }
    }
    assert!(seen.0 > 10 && seen.1 > 1, "{seen:?}");
}
