//! The plugin as the host calls it, on the SDK's native twin of the host's resources.

use crate::exploding;
use crate::writer::{Pdf, document, styled, text};
use docmill_pdf::Config;
use docmill_pdf::plugin::PdfParser;
use docmill_plugin::prelude::{BlockKind, Error, ErrorKind, Parser, Reading, Source, TextOrigin};

fn read(pdf: &Pdf) -> Reading {
    let source = Source::new("application/pdf", Some("made.pdf"), pdf.bytes());
    PdfParser::parse(source, Config::default())
        .unwrap()
        .into_reading()
}

fn refusal(bytes: &[u8]) -> Error {
    PdfParser::parse(Source::new("application/pdf", None, bytes), Config::default())
        .err()
        .unwrap()
}

#[test]
fn a_value_is_found_sliced_and_placed() {
    let content = styled("F2", 18.0, 60.0, 60.0, "Invoice")
        + &text(60.0, 100.0, "Total due:")
        + &text(400.0, 100.0, "1 234,56 EUR");
    let reading = read(&document(&[&content, ""]));
    assert_eq!(reading.page_count(), 2);
    assert_eq!(reading.text(0).unwrap(), "Invoice\nTotal due:\t1 234,56 EUR");
    let span = reading.find(0, "1 234,56", 0, 5).unwrap().pop().unwrap();
    assert_eq!(reading.slice(span).unwrap(), "1 234,56");
    let regions = reading.regions(span).unwrap();
    let left = regions.iter().map(|region| region.left).fold(1.0, f32::min);
    let right = regions.iter().map(|region| region.right).fold(0.0, f32::max);
    // 400 of 600 points; "1 234,56" is 3.892 em of 10 points wide.
    assert!(
        (left - 400.0 / 600.0).abs() < 1e-3 && (right - 438.92 / 600.0).abs() < 1e-3,
        "{regions:?}"
    );
    let info = reading.page(0).unwrap();
    assert_eq!(
        (info.origin, info.size.map(|size| size.width)),
        (TextOrigin::Digital, Some(600.0))
    );
    let kinds: Vec<BlockKind> = reading
        .blocks(0)
        .unwrap()
        .into_iter()
        .map(|block| block.kind)
        .collect();
    assert!(
        matches!(kinds.as_slice(), [BlockKind::Title, BlockKind::KeyValue]),
        "{kinds:?}"
    );
    assert!(
        reading
            .metadata()
            .contains(&("pages-in-file".to_owned(), "2".to_owned()))
    );
}

#[test]
fn refusals_say_who_is_to_blame() {
    for (bytes, kind, code) in [
        (b"".as_slice(), ErrorKind::InvalidInput, "empty"),
        (b"words", ErrorKind::Unsupported, "not-a-pdf"),
        (b"%PDF-1.7 and nothing", ErrorKind::InvalidInput, "damaged"),
    ] {
        let error = refusal(bytes);
        assert_eq!((error.kind, error.code.as_str()), (kind, code));
        assert!(error.message.len() > 20);
    }
    let error = refusal(&exploding().bytes());
    assert_eq!(
        (error.kind, error.code.as_str()),
        (ErrorKind::Exhausted, "too-large")
    );
}

#[test]
fn the_configuration_fits_its_schema() {
    let schema: serde_json::Value =
        serde_json::from_str(include_str!("../../src/config.schema.json")).unwrap();
    let defaults: serde_json::Map<String, serde_json::Value> = schema
        .get("properties")
        .and_then(|properties| properties.as_object())
        .unwrap()
        .iter()
        .map(|(name, property)| (name.clone(), property.get("default").unwrap().clone()))
        .collect();
    let config: Config = serde_json::from_value(defaults.into()).unwrap();
    let default = Config::default();
    assert_eq!(
        (config.max_pages, config.tables, config.form_fields),
        (default.max_pages, default.tables, default.form_fields)
    );
    assert!(serde_json::from_str::<Config>(r#"{"pages": 3}"#).is_err());
}
