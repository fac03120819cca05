//! The repository's sample documents, from bytes to checks through the first-party plugins with the example pipelines'
//! configurations, compared with the samples' truth. The host has no part in it.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test"
)]

use docmill_plugin::prelude::*;
use serde_json::Value as Json;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn parse<P: Parser>(media_type: &str, name: &str, bytes: &[u8]) -> Reading {
    let office = media_type.contains("officedocument");
    let config = serde_json::from_str(if office { r#"{"locale": "ru"}"# } else { "{}" }).unwrap();
    match P::parse(Source::new(media_type, Some(name), bytes), config) {
        Ok(builder) => builder.into_reading(),
        Err(error) => panic!("{name}: {error:?}"),
    }
}

fn read(path: &Path) -> Reading {
    const OFFICE: &str = "application/vnd.openxmlformats-officedocument.";
    let name = path.file_name().unwrap().to_str().unwrap();
    let bytes = std::fs::read(path).unwrap();
    match path.extension().and_then(|ending| ending.to_str()).unwrap() {
        "pdf" => parse::<docmill_pdf::plugin::PdfParser>("application/pdf", name, &bytes),
        "docx" => {
            parse::<docmill_office::Office>(&format!("{OFFICE}wordprocessingml.document"), name, &bytes)
        }
        "xlsx" => parse::<docmill_office::Office>(&format!("{OFFICE}spreadsheetml.sheet"), name, &bytes),
        "html" => parse::<docmill_html::Html>("text/html", name, &bytes),
        "md" => parse::<docmill_text::Text>("text/markdown", name, &bytes),
        "csv" => parse::<docmill_text::Text>("text/csv", name, &bytes),
        _ => parse::<docmill_text::Text>("text/plain", name, &bytes),
    }
}

/// The configuration of a step; the only expressions in it are that of the currency.
fn config(pipeline: &str, step: &str, params: &Json) -> Json {
    let path = root().join(format!("host/server/assets/pipelines/{pipeline}.yaml"));
    let pipeline: Json = serde_norway::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let steps = pipeline["steps"].as_array().unwrap();
    let mut config = steps.iter().find(|known| known["id"] == step).unwrap()["with"].clone();
    if config["currency"].is_string() {
        config["currency"] = params.get("currency").cloned().unwrap_or("KZT".into());
    }
    config
}

fn same(expected: &Json, field: &Field) -> bool {
    let value = &expected["value"];
    match &field.value {
        None => value.is_null(),
        Some(Value::Boolean(boolean)) => value == boolean,
        Some(Value::Money(money)) => {
            number(&value["amount"]) == number(&money.amount.as_str().into())
                && value["currency"].as_str() == money.currency.as_deref()
        }
        Some(Value::Decimal(digits)) => number(value) == number(&digits.as_str().into()),
        Some(Value::Text(text) | Value::Date(text) | Value::DateTime(text)) => value == text,
        Some(Value::Json(_)) => false,
    }
}

/// Formats differ in the blanks that they keep.
fn blanks(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn number(digits: &Json) -> Option<String> {
    let digits = digits.as_str()?;
    Some(
        if digits.contains('.') {
            digits.trim_end_matches('0').trim_end_matches('.')
        } else {
            digits
        }
        .to_owned(),
    )
}

fn compare(path: &Path, wrong: &mut Vec<String>) -> usize {
    let name = path.file_name().unwrap().to_str().unwrap().to_owned();
    let truth: Json = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let params = &truth["params"];
    let pipeline = truth["pipeline"].as_str().unwrap();
    let reading = read(&path.with_file_name(truth["document"].as_str().unwrap()));
    let inputs = || Inputs::new().with_main(reading.clone()).with_params(params);
    let patterns = serde_json::from_value(config(pipeline, "fields", params)).unwrap();
    let fields = docmill_patterns::Patterns::extract(inputs(), patterns).unwrap();
    let mut compared = 0;
    for (path, expected) in truth["fields"].as_object().unwrap() {
        compared += 1;
        let Some(field) = fields.iter().find(|field| field.path == *path) else {
            if !expected["value"].is_null() {
                wrong.push(format!("{name} {path}: no field, expected {}", expected["value"]));
            }
            continue;
        };
        if !same(expected, field) {
            wrong.push(format!(
                "{name} {path}: {:?}, expected {}",
                field.value, expected["value"]
            ));
        } else if let (Some(quote), Some(citation)) = (expected["quote"].as_str(), field.citations.first()) {
            let page = expected["page"].as_u64().unwrap_or(0);
            if !blanks(&citation.quote).contains(&blanks(quote)) || u64::from(citation.page) != page {
                wrong.push(format!(
                    "{name} {path}: cites {:?} on page {}, expected {quote:?}",
                    citation.quote, citation.page
                ));
            }
        }
    }
    let rules = serde_json::from_value(config(pipeline, "checks", params)).unwrap();
    let checks = docmill_rules::Rules::validate(inputs().with_fields(fields), rules).unwrap();
    for (code, expected) in truth["checks"].as_object().unwrap() {
        compared += 1;
        let outcome = checks
            .iter()
            .find(|check| check.code == *code)
            .map(|check| (check.outcome, &check.reason));
        let shown = match outcome {
            None => "none",
            Some((Outcome::Pass, _)) => "pass",
            Some((Outcome::Fail, _)) => "fail",
            Some((Outcome::Undecided, _)) => "undecided",
        };
        if expected != shown {
            wrong.push(format!("{name} check {code}: {outcome:?}, expected {expected}"));
        }
    }
    compared
}

#[test]
fn every_sample_gives_its_truth() {
    let mut wrong = Vec::new();
    let mut compared = 0;
    let mut documents = 0;
    // More of them, made by the generator from other seeds, can be tried too.
    let place = std::env::var_os("DOCMILL_SAMPLES")
        .map_or_else(|| root().join("tests/samples/documents"), PathBuf::from);
    for entry in std::fs::read_dir(place).unwrap() {
        let path = entry.unwrap().path();
        if path.to_str().unwrap().ends_with(".truth.json") {
            documents += 1;
            compared += compare(&path, &mut wrong);
        }
    }
    wrong.sort();
    println!("{documents} documents, {compared} values");
    assert!(
        documents > 0 && wrong.is_empty(),
        "{} of {compared} differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// Real documents, where they are at hand: nothing breaks, every quote is the text at its place, and it is quick.
#[test]
fn the_corpus_is_searched_without_a_slip() {
    let Some(corpus) = std::env::var_os("DOCMILL_CORPUS").map(PathBuf::from) else {
        println!("skipped: DOCMILL_CORPUS is not set");
        return;
    };
    let mut searched = 0;
    for folder in [
        "invoices",
        "pdf",
        "pdf_tables",
        "docx",
        "xlsx",
        "html",
        "md",
        "csv",
        "text",
    ] {
        for entry in std::fs::read_dir(corpus.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let ending = path
                .extension()
                .and_then(|ending| ending.to_str())
                .unwrap_or_default();
            if !["pdf", "docx", "xlsx", "html", "md", "csv", "txt"].contains(&ending) {
                continue;
            }
            let Ok(reading) = std::panic::catch_unwind(|| read(&path)) else {
                continue;
            };
            for pipeline in ["invoice", "certificate", "form", "letter"] {
                let config = serde_json::from_value(config(pipeline, "fields", &Json::Null)).unwrap();
                let started = std::time::Instant::now();
                let fields =
                    docmill_patterns::Patterns::extract(Inputs::new().with_main(reading.clone()), config)
                        .unwrap();
                let found = fields.iter().filter(|field| field.value.is_some()).count();
                println!(
                    "{:>6} ms {found:>4} {pipeline} {}",
                    started.elapsed().as_millis(),
                    path.display()
                );
                for citation in fields.iter().flat_map(|field| &field.citations) {
                    let span = Span {
                        page: citation.page,
                        range: citation.range.unwrap(),
                    };
                    assert_eq!(reading.slice(span).unwrap(), citation.quote);
                }
                searched += 1;
            }
        }
    }
    assert!(searched > 0);
}

/// Real invoices, where they are at hand, with a configuration that nobody fitted to them.
#[test]
fn real_invoices() {
    let Some(corpus) = std::env::var_os("DOCMILL_CORPUS").map(PathBuf::from) else {
        println!("skipped: DOCMILL_CORPUS is not set");
        return;
    };
    let config = serde_json::json!({ "date_order": "mdy", "fields": [
        { "name": "number", "type": "identifier", "labels": ["Invoice Number", "Invoice No", "Invoice", "Factuurnummer"] },
        { "name": "date", "type": "date", "labels": ["Invoice Date", "Date", "Factuurdatum"] },
        { "name": "total", "type": "money", "labels": ["Total due", "Amount due", "Total amount due", "Total", "TOTAL AMOUNT DUE ON", "Totaal"] }
    ]});
    for name in ["AmazonWebServices", "AzureInterior", "coolblue1"] {
        let truth =
            std::fs::read_to_string(corpus.join(format!("truth/invoices/{name}.pdf.truth.json"))).unwrap();
        let truth: Json = serde_json::from_str(&truth).unwrap();
        let reading = read(&corpus.join(format!("invoices/{name}.pdf")));
        let inputs = Inputs::new().with_main(reading);
        let fields =
            docmill_patterns::Patterns::extract(inputs, serde_json::from_value(config.clone()).unwrap())
                .unwrap();
        let amount = truth[0]["amount"].as_f64().unwrap();
        for (path, expected) in [
            ("number", truth[0]["invoice_number"].as_str().unwrap().to_owned()),
            ("date", truth[0]["date"].as_str().unwrap().to_owned()),
            ("total", format!("{amount:.2}")),
        ] {
            let value = fields
                .iter()
                .find(|field| field.path == path)
                .and_then(|field| field.value.clone());
            let shown = match value {
                Some(Value::Money(money)) => money.amount,
                Some(Value::Text(text) | Value::Date(text)) => text,
                other => format!("{other:?}"),
            };
            assert_eq!(shown, expected, "{name} {path}");
        }
    }
}
