//! Real documents, where `DOCMILL_CORPUS` names a directory of them; `cargo xtask test` names one if it lies beside the
//! repository.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use docmill_samples::verify::{PageText, verify_quotes};
use serde_json::{Value as Json, json};

use super::{CERTIFICATE, FORM, INVOICE, LETTER, READ};
use crate::support::Host;
use crate::support::client::{Part, Reply};

fn corpus() -> Option<PathBuf> {
    let corpus = std::env::var_os("DOCMILL_CORPUS").map(PathBuf::from);
    if corpus.is_none() {
        println!("skipped: DOCMILL_CORPUS is not set");
    }
    corpus
}

/// The files of a folder, by name.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let mut files: Vec<PathBuf> = entries
        .filter(|entry| entry.file_type().unwrap().is_file())
        .map(|entry| entry.path())
        .collect();
    files.sort();
    files
}

fn name(path: &Path) -> &str {
    path.file_name().unwrap().to_str().unwrap()
}

async fn post(host: &Host, pipeline: &str, path: &Path) -> Reply {
    let bytes = std::fs::read(path).unwrap();
    let form = [
        Part::file("file", name(path), &bytes),
        Part::param("fio", "Аскаров Данияр"),
    ];
    let takes_params = pipeline == "certificate";
    host.run(pipeline)
        .form(if takes_params { &form } else { &form[..1] })
        .send()
        .await
}

async fn pages(host: &Host, run: &Json) -> Vec<PageText> {
    let document = format!("/v1/documents/{}", run["documents"][0]["id"].as_str().unwrap());
    PageText::from_document(&host.get(&document).send().await.ok(200))
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_documents_have_their_exact_answer() {
    let Some(corpus) = corpus() else { return };
    let host = Host::with(&["pdf", "office", "html", "text"]).await;
    host.save(READ).await;
    host.save("{name: html, steps: [{id: parse, use: docmill/html@0.1}]}")
        .await;
    let hostile = corpus.join("hostile");
    let known = ["password_protected.pdf", "testXXE.xml", "xlsx_04_inflated.xlsx"];
    let files = files(&hostile);
    assert_eq!(files.iter().map(|file| name(file)).collect::<Vec<_>>(), known);

    let locked = post(&host, "read", &hostile.join(known[0])).await;
    assert_eq!(locked.problem(422, "invalid-input")["reason"], "encrypted");

    // XML is not what the pipeline takes, nor what the nearest parser reads, whatever it names outside.
    let xml = hostile.join(known[1]);
    post(&host, "read", &xml).await.problem(415, "input-not-accepted");
    let refused = post(&host, "html", &xml).await;
    assert_eq!(refused.problem(422, "unsupported-input")["reason"], "unsupported");

    // Honest but for a cell in row 1 048 496: as quick as it is small.
    let started = Instant::now();
    let run = post(&host, "read", &hostile.join(known[2])).await.ok(200);
    assert!(
        started.elapsed() < Duration::from_secs(1),
        "{:?}",
        started.elapsed()
    );
    assert_eq!(run["output"], json!({ "pages": 4 }));
    let pages = pages(&host, &run).await;
    assert!(pages[0].text.ends_with("\n5\t1\t-3\n6\t0\t-6"), "{pages:?}");
    assert!(pages.iter().all(|page| page.text.len() < 1_000), "{pages:?}");
}

/// The pipeline `read`, and then quotes of every document: its first word, number, date and line, whatever they mean.
fn anything() -> String {
    let steps = "
  - id: fields
    use: docmill/patterns@0.1
    with:
      fields:
        - { name: word, regex: '(?<value>\\w{4,})' }
        - { name: wide, regex: '(?<value>[^\\x00-\\x7F]+)' }
        - { name: number, type: decimal, regex: '(?<value>\\d+)' }
        - { name: date, type: date, regex: '(?<value>\\d{1,2}[./]\\d{1,2}[./]\\d{4})' }
        - { name: line, regex: '(?m)^(?<value>\\S.{10,80}\\S)$' }

output:";
    READ.replace("name: read\n", "name: anything\n")
        .replace("\noutput:", steps)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_quote_stands_at_its_place() {
    let Some(corpus) = corpus() else { return };
    let host = Host::with(&["pdf", "office", "html", "text", "patterns", "rules", "template"]).await;
    for pipeline in [&anything(), INVOICE, CERTIFICATE, FORM, LETTER] {
        host.save(pipeline).await;
    }
    let folders = std::fs::read_dir(&corpus)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut folders: Vec<PathBuf> = folders.filter(|f| f.is_dir() && !f.ends_with("truth")).collect();
    folders.sort();
    let (mut read, mut values, mut quotes) = (BTreeMap::<String, usize>::new(), 0, 0);
    for path in folders.iter().flat_map(|folder| files(folder)) {
        for pipeline in ["anything", "invoice", "certificate", "form", "letter"] {
            let at = format!("{} by {pipeline}", path.display());
            let reply = post(&host, pipeline, &path).await;
            let answer = reply.json();
            match (reply.status, answer["reason"].as_str()) {
                (200, None) => {}
                (415, None) => continue,
                (422, Some("encrypted")) if path.ends_with("hostile/password_protected.pdf") => continue,
                _ => panic!("{at}: {answer}"),
            }
            let pages = pages(&host, &answer).await;
            assert_eq!(verify_quotes(&answer, &pages), Vec::<String>::new(), "{at}");
            let fields = answer["fields"].as_array().unwrap().iter();
            let found: Vec<&Json> = fields.filter(|field| !field["value"].is_null()).collect();
            values += found.len();
            quotes += found
                .iter()
                .map(|f| f["citations"].as_array().unwrap().len())
                .sum::<usize>();
            if pipeline == "anything" {
                let media_type = answer["documents"][0]["media_type"].as_str().unwrap();
                *read.entry(media_type.to_owned()).or_default() += 1;
                let blank = pages.iter().all(|page| page.text.trim().is_empty());
                assert_eq!(found.is_empty(), blank, "{at}: {answer}");
            }
        }
    }
    println!("{values} values with {quotes} quotes in documents of {read:#?}");
    let formats: Vec<&str> = read.keys().map(String::as_str).collect();
    assert_eq!(
        formats,
        [
            "application/pdf",
            "application/vnd.openxmlformats-officedocument.presentationml.presentation",
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            "text/csv",
            "text/html",
            "text/markdown",
            "text/plain",
        ]
    );
    assert!(
        quotes >= values && values > 100,
        "{values} values with {quotes} quotes"
    );
}
