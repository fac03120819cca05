//! Real documents: `DOCMILL_CORPUS` names a directory with `pdf`, `pdf_tables`, `invoices`, `cyrillic`, `hostile`, `scan`
//! and their `truth`. Run with `--nocapture` to see the figures.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "test")]

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use docmill_pdf::{BlockKind, Config, Document, PdfError, Warning, parse};

fn corpus() -> Option<PathBuf> {
    let corpus = std::env::var_os("DOCMILL_CORPUS").map(PathBuf::from);
    if corpus.is_none() {
        eprintln!("skipped: DOCMILL_CORPUS is not set");
    }
    corpus
}

fn read(path: &Path) -> Document {
    parse(&std::fs::read(path).unwrap(), &Config::default()).unwrap()
}

fn text(document: &Document) -> String {
    document
        .pages
        .iter()
        .map(|page| page.text())
        .collect::<Vec<_>>()
        .join("\n")
}

fn pdfs(directory: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "pdf"));
    files.sort();
    files
}

/// What poppler reads; none if it is not installed.
fn poppler(file: &Path, mode: &[&str]) -> Option<String> {
    let output = Command::new("pdftotext")
        .args(mode)
        .args([file.as_os_str(), "-".as_ref()])
        .output()
        .ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Words as both tools should see them: without soft hyphens and marks of direction, ligatures spelled out.
fn words(text: &str) -> Vec<String> {
    let text = text.replace(['\u{202a}', '\u{202b}', '\u{202c}', '\u{200e}', '\u{200f}'], "");
    let text = text
        .replace('ﬁ', "fi")
        .replace('ﬂ', "fl")
        .replace('ﬀ', "ff")
        .replace('ﬃ', "ffi")
        .replace('\u{ad}', "");
    text.split_whitespace().map(str::to_owned).collect()
}

fn f1(found: &[String], expected: &[String]) -> f64 {
    let mut counts: HashMap<&str, i64> = HashMap::new();
    for word in expected {
        *counts.entry(word).or_default() += 1;
    }
    let mut common = 0;
    for word in found {
        let left = counts.entry(word).or_default();
        common += i64::from(*left > 0);
        *left -= 1;
    }
    if found.is_empty() && expected.is_empty() {
        1.0
    } else {
        2.0 * common as f64 / (found.len() + expected.len()) as f64
    }
}

/// The longest common subsequence as a share of the words: 1 if both have the same words in the same order.
fn order(found: &[String], expected: &[String]) -> f64 {
    let mut row = vec![0_usize; expected.len() + 1];
    for word in found {
        let mut diagonal = 0;
        for (column, other) in expected.iter().enumerate() {
            let above = row[column + 1];
            row[column + 1] = if word == other {
                diagonal + 1
            } else {
                above.max(row[column])
            };
            diagonal = above;
        }
    }
    if found.is_empty() && expected.is_empty() {
        1.0
    } else {
        2.0 * row[expected.len()] as f64 / (found.len() + expected.len()) as f64
    }
}

#[test]
fn words_and_order_agree_with_poppler() {
    let Some(corpus) = corpus() else { return };
    let (mut all_words, mut all_order, mut count) = (0.0, 0.0, 0.0);
    for file in ["pdf", "pdf_tables", "invoices", "cyrillic"]
        .iter()
        .flat_map(|directory| pdfs(&corpus.join(directory)))
    {
        let Some(raw) = poppler(&file, &[]) else {
            eprintln!("skipped: pdftotext is not installed");
            return;
        };
        let layout = poppler(&file, &["-layout"]).unwrap();
        let found = words(&text(&read(&file)));
        let f1 = f1(&found, &words(&layout)).max(self::f1(&found, &words(&raw)));
        let order = order(&found, &words(&raw)).max(self::order(&found, &words(&layout)));
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        eprintln!("{name:45} words {f1:.3} order {order:.3}");
        // Poppler and we disagree on Arabic whose characters the file maps wrongly.
        if !name.starts_with("right_to_left") {
            assert!(f1 > 0.9, "{name}: {f1}");
            all_words += f1;
            all_order += order;
            count += 1.0;
        }
    }
    eprintln!(
        "mean of {count} files: words {:.3}, order {:.3}",
        all_words / count,
        all_order / count
    );
    assert!(all_words / count > 0.97 && all_order / count > 0.85);
}

#[test]
fn words_agree_with_the_truth() {
    let Some(corpus) = corpus() else { return };
    let plain = |text: &str| {
        text.replace(['|', '*', '#', '`', '\\'], " ")
            .replace("&amp;", "&")
            .replace("&lt;", "<")
    };
    for (file, truth, least) in [
        (
            "pdf/2305.03393v1-pg9.pdf",
            "truth/pdf/2305.03393v1-pg9.pdf.truth.03393v1-pg9.md",
            0.85,
        ),
        (
            "pdf/code_and_formula.pdf",
            "truth/pdf/code_and_formula.pdf.truth.md",
            0.8,
        ),
        (
            "pdf/normal_4pages.pdf",
            "truth/pdf/normal_4pages.pdf.truth.md",
            0.8,
        ),
        (
            "pdf_tables/REPAIR-2022-INV-001_multipage.pdf",
            "truth/pdf_tables/REPAIR-2022-INV-001_multipage.pdf.truth.md",
            0.9,
        ),
    ] {
        let truth = words(&plain(&std::fs::read_to_string(corpus.join(truth)).unwrap()));
        let found = words(&plain(&text(&read(&corpus.join(file)))));
        let (f1, order) = (f1(&found, &truth), order(&found, &truth));
        eprintln!("{file:50} words {f1:.3} order {order:.3}");
        assert!(f1 > least, "{file}: {f1}");
    }
}

/// The texts of a table competition's cells, by page.
fn truth_cells(xml: &str) -> Vec<(u32, String)> {
    let mut cells = Vec::new();
    let mut page = 0;
    for line in xml.lines() {
        let line = line.replace('"', "'");
        if let Some((_, rest)) = line.split_once(" page='") {
            page = rest.split('\'').next().unwrap().parse().unwrap();
        }
        if let Some(content) = line
            .split_once("<content>")
            .and_then(|(_, rest)| rest.split_once("</content>"))
        {
            let spelled = content
                .0
                .replace("&amp;", "&")
                .replace("&lt;", "<")
                .replace("&gt;", ">")
                .replace("&apos;", "'");
            cells.push((page, spelled));
        }
    }
    cells
}

#[test]
fn table_cells_agree_with_the_truth() {
    let Some(corpus) = corpus() else { return };
    let bare = |text: &str| text.chars().filter(|ch| !ch.is_whitespace()).collect::<String>();
    let (mut right, mut found_all, mut truth_all) = (0, 0, 0);
    for name in ["eu-001", "eu-004", "us-004", "us-012"] {
        let xml = std::fs::read(corpus.join(format!("truth/pdf_tables/{name}.pdf.truth.str.xml"))).unwrap();
        let mut truth: Vec<(u32, String)> = truth_cells(&String::from_utf8_lossy(&xml))
            .into_iter()
            .map(|(page, cell)| (page, bare(&cell)))
            .collect();
        let document = read(&corpus.join(format!("pdf_tables/{name}.pdf")));
        truth.retain(|(_, cell)| !cell.is_empty());
        let (mut common, mut found, expected) = (0, 0, truth.len());
        for (index, page) in document.pages.iter().enumerate() {
            for cell in page
                .blocks
                .iter()
                .filter_map(|block| block.table.as_ref())
                .flat_map(|table| &table.cells)
            {
                found += 1;
                let key = (index as u32 + 1, bare(&cell.text));
                if let Some(at) = truth.iter().position(|cell| *cell == key) {
                    truth.swap_remove(at);
                    common += 1;
                }
            }
        }
        eprintln!("{name}: {common} of {expected} cells, {found} found");
        right += common;
        found_all += found;
        truth_all += expected;
    }
    let (recall, precision) = (
        f64::from(right) / truth_all as f64,
        f64::from(right) / f64::from(found_all),
    );
    eprintln!("cells: recall {recall:.3}, precision {precision:.3}");
    assert!(recall > 0.9 && precision > 0.85, "{recall} {precision}");
}

#[test]
fn invoices_keep_labels_with_their_values() {
    let Some(corpus) = corpus() else { return };
    for (file, lines) in [
        (
            "AzureInterior.pdf",
            [
                "Payment terms: 15 Days",
                "Total\t$ 279.84",
                "Invoice INV/2023/03/0008",
            ]
            .as_slice(),
        ),
        (
            "coolblue1.pdf",
            &[
                "Factuurnummer: 993548900",
                "Totaal\t€ 717,97",
                "Factuurdatum: 19 april 2014",
            ],
        ),
        (
            "AmazonWebServices.pdf",
            &[
                "Invoice Number:\t42183017",
                "Invoice Date:\tAugust 3 , 2014",
                "Total for this invoice\t$4.11",
            ],
        ),
    ] {
        let text = text(&read(&corpus.join("invoices").join(file)));
        for line in lines {
            assert!(
                text.lines().any(|found| found.contains(line)),
                "{file} lacks {line:?}:\n{text}"
            );
        }
    }
}

#[test]
fn regions_lie_on_their_pages_and_words_on_their_blocks() {
    let Some(corpus) = corpus() else { return };
    for file in ["pdf", "pdf_tables", "invoices", "cyrillic"]
        .iter()
        .flat_map(|directory| pdfs(&corpus.join(directory)))
    {
        for block in read(&file).pages.iter().flat_map(|page| &page.blocks) {
            let cells = block
                .table
                .iter()
                .flat_map(|table| &table.cells)
                .map(|cell| cell.region);
            for region in block
                .fragments
                .iter()
                .map(|fragment| fragment.region)
                .chain(cells)
                .chain([block.region])
            {
                assert!(
                    region.left < region.right && region.top < region.bottom,
                    "{file:?} {region:?}"
                );
                assert!(
                    region.left >= 0.0 && region.right <= 1.0 && region.top >= 0.0 && region.bottom <= 1.0,
                    "{region:?}"
                );
                assert!(
                    region.left >= block.region.left - 1e-4 && region.right <= block.region.right + 1e-4,
                    "{block:?}"
                );
                assert!(
                    region.top >= block.region.top - 1e-4 && region.bottom <= block.region.bottom + 1e-4,
                    "{block:?}"
                );
            }
            let mut places = std::collections::HashSet::new();
            for (table, cell) in block
                .table
                .iter()
                .flat_map(|table| table.cells.iter().map(move |cell| (table, cell)))
            {
                for row in cell.row..cell.row + cell.row_span {
                    for column in cell.column..cell.column + cell.column_span {
                        assert!(
                            row < table.rows && column < table.columns && places.insert((row, column)),
                            "{cell:?}"
                        );
                    }
                }
            }
            assert_eq!(block.kind == BlockKind::Table, block.table.is_some());
        }
    }
}

#[test]
fn scans_and_locked_files_are_told_apart() {
    let Some(corpus) = corpus() else { return };
    for file in pdfs(&corpus.join("scan")) {
        let document = read(&file);
        assert!(!document.pages.is_empty());
        for page in &document.pages {
            assert_eq!(
                (page.text().as_str(), page.warnings.as_slice()),
                ("", [Warning::NoTextLayer].as_slice()),
                "{file:?}"
            );
        }
    }
    let locked = std::fs::read(corpus.join("hostile/password_protected.pdf")).unwrap();
    assert_eq!(parse(&locked, &Config::default()), Err(PdfError::Encrypted));
}

/// Every prefix of a file, and the file with bytes overwritten, must end in a result or a typed error, and soon.
#[test]
fn broken_files_end_soon_and_typed() {
    let Some(corpus) = corpus() else { return };
    for name in [
        "invoices/AzureInterior.pdf",
        "pdf_tables/us-004.pdf",
        "cyrillic/gost_drawing_frame.pdf",
    ] {
        let whole = std::fs::read(corpus.join(name)).unwrap();
        let mut ends = HashMap::new();
        let mut note = |bytes: &[u8]| {
            let started = std::time::Instant::now();
            let end = match parse(bytes, &Config::default()) {
                Ok(document) if document.pages.iter().any(|page| !page.warnings.is_empty()) => "partial",
                Ok(_) => "whole",
                Err(error) => error.code(),
            };
            assert!(
                started.elapsed().as_secs() < 5,
                "{name} took {:?}",
                started.elapsed()
            );
            *ends.entry(end).or_insert(0) += 1;
        };
        for cut in 1..24 {
            note(&whole[..whole.len() * cut / 24]);
        }
        let mut seed = 1_u64;
        for _ in 0..60 {
            let mut bytes = whole.clone();
            for _ in 0..20 {
                seed = seed
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                let at = (seed >> 33) as usize % bytes.len();
                bytes[at] = (seed >> 20) as u8;
            }
            note(&bytes);
        }
        eprintln!("{name}: {ends:?}");
    }
}
