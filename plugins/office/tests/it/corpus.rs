//! Real files with their truth, if `DOCMILL_CORPUS` names a directory of them.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use docmill_plugin::{BlockKind, Reading};

use crate::read::{read, try_read};

fn corpus() -> Option<PathBuf> {
    let directory = std::env::var_os("DOCMILL_CORPUS").map(PathBuf::from);
    if directory.is_none() {
        eprintln!("SKIPPED: set DOCMILL_CORPUS to the directory of real documents");
    }
    directory
}

fn text(reading: &Reading) -> String {
    let page = |page| {
        let label = reading.page(page).unwrap().label.unwrap_or_default();
        format!("{label}\n{}\n", reading.text(page).unwrap())
    };
    (0..reading.page_count()).map(page).collect()
}

fn words(text: &str) -> HashMap<String, i64> {
    let mut words = HashMap::new();
    for word in text
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
    {
        *words.entry(word.to_lowercase()).or_default() += 1;
    }
    words
}

fn f1(ours: &HashMap<String, i64>, truth: &HashMap<String, i64>) -> f64 {
    let common: i64 = ours
        .iter()
        .map(|(word, count)| *count.min(truth.get(word).unwrap_or(&0)))
        .sum();
    2.0 * common as f64 / (ours.values().sum::<i64>() + truth.values().sum::<i64>()) as f64
}

/// Rows of the truth's tables.
fn truth_rows(truth: &str) -> Vec<Vec<String>> {
    let rows = truth
        .lines()
        .filter(|line| line.starts_with('|') && !line.starts_with("| -") && !line.starts_with("|--"));
    rows.map(|line| {
        line.trim_matches('|')
            .split('|')
            .map(|cell| cell.trim().to_owned())
            .collect()
    })
    .collect()
}

/// Rows of our tables, spanned places filled as the truth does.
fn our_rows(reading: &Reading) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for page in 0..reading.page_count() {
        for table in reading
            .blocks(page)
            .unwrap()
            .into_iter()
            .filter_map(|block| block.table)
        {
            let mut grid = vec![vec![String::new(); table.columns as usize]; table.rows as usize];
            for cell in &table.cells {
                for row in cell.row..cell.row + cell.row_span {
                    for column in cell.column..cell.column + cell.column_span {
                        grid[row as usize][column as usize].clone_from(&cell.text);
                    }
                }
            }
            rows.extend(grid);
        }
    }
    rows
}

/// Of the truth's rows, the share that we have exactly.
fn row_recall(reading: &Reading, truth: &str) -> Option<f64> {
    let truth = truth_rows(truth);
    let mut ours = our_rows(reading);
    let found = truth.iter().filter(|row| {
        let place = ours.iter().position(|candidate| candidate == *row);
        place.map(|place| ours.swap_remove(place)).is_some()
    });
    let found = found.count();
    (!truth.is_empty()).then(|| found as f64 / truth.len() as f64)
}

fn measure(folder: &str, name: &str) -> Option<(f64, Option<f64>)> {
    let corpus = corpus()?;
    let reading = read(&std::fs::read(corpus.join(folder).join(name)).unwrap());
    let truth =
        std::fs::read_to_string(corpus.join("truth").join(folder).join(format!("{name}.truth.md"))).unwrap();
    let figures = (
        f1(&words(&text(&reading)), &words(&truth)),
        row_recall(&reading, &truth),
    );
    eprintln!(
        "{folder}/{name}: word F1 {:.3}, table rows {:?}",
        figures.0, figures.1
    );
    if std::env::var_os("DOCMILL_DUMP").is_some() {
        for page in 0..reading.page_count() {
            eprintln!(
                "--- {:?} {:?}",
                reading.page(page).unwrap(),
                crate::read::outline(&reading, page)
            );
        }
    }
    Some(figures)
}

#[test]
fn word_documents_match_their_truth() {
    for (name, least_words, least_rows) in [
        ("docx_lists.docx", 0.97, None),
        ("unit_test_headers_numbered.docx", 0.97, None),
        ("word_sample.docx", 0.97, Some(1.0)),
        // The truth repeats the text of merged cells.
        ("word_tables.docx", 0.9, Some(1.0)),
    ] {
        let Some((words, rows)) = measure("docx", name) else {
            return;
        };
        assert!(words >= least_words, "{name}: word F1 {words}");
        assert!(rows >= least_rows, "{name}: table rows {rows:?}");
    }
}

#[test]
fn workbooks_match_their_truth() {
    for (name, least_words, least_rows) in [
        ("xlsx_01.xlsx", 0.7, 0.6),
        ("xlsx_05_table_with_title.xlsx", 0.97, 0.8),
    ] {
        let Some((words, rows)) = measure("xlsx", name) else {
            return;
        };
        assert!(words >= least_words, "{name}: word F1 {words}");
        assert!(rows >= Some(least_rows), "{name}: table rows {rows:?}");
    }
}

/// The truth has no notes and repeats the text of merged cells.
#[test]
fn presentations_match_their_truth() {
    let Some((words, rows)) = measure("pptx", "powerpoint_sample.pptx") else {
        return;
    };
    assert!(words >= 0.85, "word F1 {words}");
    assert!(rows >= Some(1.0), "table rows {rows:?}");
}

#[test]
fn structure_of_a_real_document() {
    let Some(corpus) = corpus() else { return };
    let reading = read(&std::fs::read(corpus.join("docx/word_sample.docx")).unwrap());
    let blocks = reading.blocks(0).unwrap();
    let of = |kind: &BlockKind| {
        blocks
            .iter()
            .filter(|block| block.kind == *kind)
            .map(|block| block.text.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(of(&BlockKind::Title), ["Swimming in the lake"]);
    assert_eq!(of(&BlockKind::Heading(1)), ["Let’s swim!"]);
    assert_eq!(of(&BlockKind::Heading(2)), ["Let’s eat"]);
    assert_eq!(of(&BlockKind::ListItem(0)).len(), 9);
    assert_eq!(of(&BlockKind::Caption), ["Figure 1: This is a cute duckling"]);
    assert!(
        reading.metadata().iter().any(|(name, _)| name == "created"),
        "{:?}",
        reading.metadata()
    );
}

#[test]
fn an_inflated_workbook_stays_small() {
    let Some(corpus) = corpus() else { return };
    let bytes = std::fs::read(corpus.join("hostile/xlsx_04_inflated.xlsx")).unwrap();
    let started = Instant::now();
    let reading = read(&bytes);
    assert!(
        started.elapsed() < Duration::from_millis(50),
        "{:?}",
        started.elapsed()
    );
    assert!(text(&reading).len() < 4_000, "{}", text(&reading).len());
    assert_eq!(reading.page(0).unwrap().label.as_deref(), Some("Sheet1"));
}

#[test]
fn foreign_files_are_refused_with_a_code() {
    let Some(corpus) = corpus() else { return };
    for folder in ["pdf", "html", "eml", "rtf", "epub", "hostile", "text"] {
        for entry in std::fs::read_dir(corpus.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.to_string_lossy().contains("inflated") {
                continue;
            }
            let error = try_read(&std::fs::read(&path).unwrap(), docmill_office::Config::default()).err();
            assert_eq!(
                error.map(|error| error.code).as_deref(),
                Some("unsupported"),
                "{}",
                path.display()
            );
        }
    }
}

/// Damage of every kind: whatever the bytes, the answer is a reading or a typed error, never a panic.
#[test]
fn mutilated_files_never_panic() {
    let Some(corpus) = corpus() else { return };
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    for file in [
        "docx/word_tables.docx",
        "docx/docx_lists.docx",
        "xlsx/xlsx_05_table_with_title.xlsx",
        "pptx/powerpoint_sample.pptx",
    ] {
        let whole = std::fs::read(corpus.join(file)).unwrap();
        for round in 0..150 {
            let mut bytes = whole.clone();
            match round % 3 {
                0 => bytes.truncate(random(whole.len())),
                1 => (0..8).for_each(|_| bytes[random(whole.len())] = random(256) as u8),
                _ => {
                    let from = random(whole.len());
                    let to = (from + random(400)).min(whole.len());
                    bytes.drain(from..to);
                }
            }
            if let Err(error) = try_read(&bytes, docmill_office::Config::default()) {
                assert!(!error.code.is_empty());
            }
        }
    }
}
