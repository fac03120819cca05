//! Documents that attack, break off or lie, made here: each is read or gets its exact typed problem, soon, and the failed run
//! is kept with it. What the formats' parsers do with many more of them is tested beside the plugins.

use std::time::{Duration, Instant};

use docmill_samples::verify::PageText;
use serde_json::Value as Json;

use super::READ;
use crate::support::client::{Part, Reply};
use crate::support::office::{Sheet, docx, p, relationships, xlsx, zip};
use crate::support::{Host, pdf};

/// What answering any of these documents takes at most, however busy the machine is.
const SOON: Duration = Duration::from_secs(10);

/// A host that reads documents of every kind that docmill knows; beside that, one pipeline for each parser that is given
/// whatever comes.
async fn reader() -> Host {
    let host = Host::with(&["pdf", "office", "html", "text"]).await;
    host.save(READ).await;
    for plugin in ["pdf", "office", "html", "text"] {
        host.save(&format!(
            "{{name: only-{plugin}, steps: [{{id: parse, use: docmill/{plugin}@0.1}}]}}"
        ))
        .await;
    }
    host
}

async fn post(host: &Host, pipeline: &str, name: &str, bytes: &[u8], media_type: Option<&str>) -> Reply {
    let started = Instant::now();
    let part = Part {
        media_type,
        ..Part::file("file", name, bytes)
    };
    let reply = host.run(pipeline).form(&[part]).send().await;
    assert!(started.elapsed() < SOON, "{name}: {:?}", started.elapsed());
    reply
}

/// The problem has this status, code and reason, and so has the run that is kept.
async fn refused(host: &Host, what: &str, reply: &Reply, status: u16, code: &str, reason: &str) {
    assert_eq!(reply.status, status, "{what}: {}", reply.text());
    let problem = reply.problem(status, code);
    assert_eq!(problem["reason"], reason, "{what}: {problem}");
    let run = format!("/v1/runs/{}", problem["run"].as_str().unwrap());
    let run = host.get(&run).send().await.ok(200);
    assert_eq!(run["status"], "failed", "{what}");
    assert_eq!(
        (&run["error"]["code"], &run["error"]["reason"]),
        (&problem["code"], &problem["reason"]),
        "{what}"
    );
}

fn encrypted_pdf() -> Vec<u8> {
    let mut file = pdf::document(&["x"]);
    let digest = "00112233445566778899aabbccddeeff".repeat(2);
    file.trailer =
        format!("/Encrypt<</Filter/Standard/V 2/R 3/Length 128/P -4/O<{digest}>/U<{digest}>>>/ID[<01><01>]");
    file.bytes()
}

/// A Word document whose text is `entity`, declared by `declarations`.
fn docx_with_entities(declarations: &str, entity: &str) -> Vec<u8> {
    let document = format!(
        "<?xml version=\"1.0\"?><!DOCTYPE d [{declarations}]>\
         <w:document><w:body><w:p><w:r><w:t>&{entity};</w:t></w:r></w:p></w:body></w:document>"
    );
    zip(&[
        (
            "_rels/.rels",
            relationships(&[("r", "officeDocument", "word/document.xml")]).as_bytes(),
        ),
        ("word/document.xml", document.as_bytes()),
    ])
}

/// Ten entities, each ten times the one before: 10^10 characters.
fn billion_laughs() -> Vec<u8> {
    let mut declarations = "<!ENTITY l0 \"ha\">".to_owned();
    for n in 1..=10 {
        let before = format!("&l{};", n - 1).repeat(10);
        declarations.push_str(&format!("<!ENTITY l{n} \"{before}\">"));
    }
    docx_with_entities(&declarations, "l10")
}

/// An entity that is a file of the host.
fn foreign_entity() -> Vec<u8> {
    docx_with_entities("<!ENTITY x SYSTEM \"file:///etc/passwd\">", "x")
}

fn sheet(xml: &str) -> Vec<u8> {
    let sheet = Sheet {
        name: "s",
        state: "visible",
        xml,
    };
    xlsx(&[sheet], "", "", "")
}

/// A sound document, long enough that half of it is less than its text.
fn sound_docx() -> Vec<u8> {
    let mut dice = Dice(7);
    let paragraphs = (0..2_000).map(|_| p(&format!("{:x}", dice.next())));
    docx(&paragraphs.collect::<String>(), &[])
}

fn half(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.truncate(bytes.len() / 2);
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_documents_have_their_exact_problem() {
    let host = reader().await;
    // A hundred MiB each, as one text and as many elements, in less than one.
    let blanks = " ".repeat(100 << 20);
    let many = |name: &str| format!("<{name} x=\"{}\"/>", &blanks[..4_096]).repeat(25_600);
    let long_docx = docx(&blanks, &[]);
    let long_xlsx = sheet(&format!("<sheetData>{blanks}</sheetData>"));
    let many_docx = docx(&many("w:proofErr"), &[]);
    let many_xlsx = sheet(&format!("<sheetData>{}</sheetData>", many("row")));
    drop(blanks);
    let deep_docx = docx(&format!("{}{}", "<w:x>".repeat(300), "</w:x>".repeat(300)), &[]);
    for bomb in [&long_docx, &long_xlsx, &many_docx, &many_xlsx] {
        assert!(bomb.len() < 1 << 20, "{}", bomb.len());
    }
    for (name, bytes, status, code, reason) in [
        ("locked.pdf", encrypted_pdf(), 422, "invalid-input", "encrypted"),
        (
            "head.pdf",
            b"%PDF-1.7\n".to_vec(),
            422,
            "invalid-input",
            "damaged",
        ),
        ("laughs.docx", billion_laughs(), 422, "invalid-input", "damaged"),
        ("passwd.docx", foreign_entity(), 422, "invalid-input", "damaged"),
        ("half.docx", half(sound_docx()), 422, "invalid-input", "damaged"),
        ("many.docx", many_docx, 422, "invalid-input", "decompression-bomb"),
        ("many.xlsx", many_xlsx, 422, "invalid-input", "decompression-bomb"),
        ("long.docx", long_docx, 413, "input-too-large", "too-large"),
        ("long.xlsx", long_xlsx, 413, "input-too-large", "too-large"),
        ("deep.docx", deep_docx, 422, "plugin-bound", "too-complex"),
    ] {
        let reply = post(&host, "read", name, &bytes, None).await;
        refused(&host, name, &reply, status, code, reason).await;
        assert_eq!(reply.header("retry-after"), None, "{name} is refused every time");
    }
}

/// The text of a run's only page.
async fn page_text(host: &Host, run: &Json) -> String {
    let document = format!("/v1/documents/{}", run["documents"][0]["id"].as_str().unwrap());
    let document = host.get(&document).send().await.ok(200);
    let pages = PageText::from_document(&document);
    assert_eq!(pages.len(), 1, "{document}");
    pages[0].text.clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_cross_reference_table_does_not_hide_the_text() {
    let host = reader().await;
    let made = |offset| {
        let mut file = pdf::document(&[&pdf::text(60.0, 100.0, "Still here")]);
        file.offset = offset;
        file.bytes()
    };
    let whole = made(|offset| offset);
    let table = whole.windows(6).rposition(|w| w == b"xref\n0").unwrap();
    let elsewhere = [
        &whole[..table],
        b"trailer <</Root 1 0 R>>\nstartxref\n99999\n%%EOF",
    ]
    .concat();
    for (name, bytes) in [
        ("zero.pdf", made(|_| 0)),
        ("shifted.pdf", made(|offset| offset + 3)),
        ("beyond.pdf", made(|_| 9_999_999_999)),
        ("elsewhere.pdf", elsewhere),
        ("cut-off.pdf", whole[..table].to_vec()),
    ] {
        let run = post(&host, "read", name, &bytes, None).await.ok(200);
        assert_eq!(page_text(&host, &run).await, "Still here", "{name}");
    }
}

/// A small generator of pseudo-random numbers, so that a failure can be repeated.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 16
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next() as u8).collect()
    }
}

const MEDIA_TYPES: [&str; 20] = [
    "application/pdf",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.template",
    "application/vnd.ms-word.document.macroenabled.12",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "application/vnd.ms-excel.sheet.macroenabled.12",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "application/vnd.ms-powerpoint.presentation.macroenabled.12",
    "application/msword",
    "application/zip",
    "text/html",
    "application/xhtml+xml",
    "application/xml",
    "application/json",
    "text/plain",
    "text/markdown",
    "text/csv",
    "text/tab-separated-values",
    "image/png",
    "application/octet-stream",
];

#[tokio::test(flavor = "multi_thread")]
async fn random_bytes_of_every_media_type() {
    let host = reader().await;
    let mut dice = Dice(42);
    for media_type in MEDIA_TYPES {
        // The bytes decide, and these are nothing that a pipeline of documents takes …
        let reply = post(&host, "read", "x", &dice.bytes(4_096), Some(media_type)).await;
        reply.problem(415, "input-not-accepted");
        // … and a parser that gets them all the same says so.
        for (pipeline, code, reason) in [
            ("only-pdf", "unsupported-input", "not-a-pdf"),
            ("only-office", "unsupported-input", "unsupported"),
            ("only-html", "unsupported-input", "unsupported"),
            ("only-text", "invalid-input", "binary"),
        ] {
            let reply = post(&host, pipeline, "x", &dice.bytes(4_096), Some(media_type)).await;
            refused(
                &host,
                &format!("{pipeline} {media_type}"),
                &reply,
                422,
                code,
                reason,
            )
            .await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn random_bytes_behind_a_true_beginning() {
    const OLE: &[u8] = b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1";
    const ZIP: &[u8] = b"PK\x03\x04\x14\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x11\0\0\0word/document.xml";
    let host = reader().await;
    let mut dice = Dice(43);
    for (head, name, code, reason) in [
        (&b"%PDF-1.7\n"[..], "x.pdf", "invalid-input", "damaged"),
        (ZIP, "x.docx", "invalid-input", "damaged"),
        (OLE, "x.docx", "unsupported-input", "unsupported"),
    ] {
        for _ in 0..5 {
            let reply = post(&host, "read", name, &[head, &dice.bytes(4_096)].concat(), None).await;
            refused(&host, name, &reply, 422, code, reason).await;
        }
    }
    for (head, name) in [
        (OLE, "x.doc"),
        (b"<!DOCTYPE html><p>", "x.html"),
        (b"\xEF\xBB\xBF", "x.txt"),
        (b"\x1f\x8b", "x.gz"),
        (b"\x89PNG\r\n\x1a\n", "x.png"),
    ] {
        for _ in 0..5 {
            let reply = post(&host, "read", name, &[head, &dice.bytes(4_096)].concat(), None).await;
            reply.problem(415, "input-not-accepted");
        }
    }
}
