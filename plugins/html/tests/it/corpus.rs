//! Real pages with their truth, if `DOCMILL_CORPUS` names a directory of them.

use std::collections::HashMap;
use std::path::PathBuf;

use docmill_html::Mode;
use docmill_plugin::Reading;

use crate::read::{outline, try_read};

fn corpus() -> Option<PathBuf> {
    let directory = std::env::var_os("DOCMILL_CORPUS").map(PathBuf::from);
    if directory.is_none() {
        eprintln!("SKIPPED: set DOCMILL_CORPUS to the directory of real documents");
    }
    directory
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

fn f1(ours: &str, truth: &str) -> f64 {
    let (ours, truth) = (words(ours), words(truth));
    let common: i64 = ours
        .iter()
        .map(|(word, count)| *count.min(truth.get(word).unwrap_or(&0)))
        .sum();
    2.0 * common as f64 / (ours.values().sum::<i64>() + truth.values().sum::<i64>()) as f64
}

/// The text of the truth's own HTML: no parser is shared with the plugin.
fn strip_tags(html: &str) -> String {
    let mut out = String::new();
    for piece in html.split('<') {
        let text = piece.split_once('>').map_or(piece, |(_, text)| text);
        out.push(' ');
        out.push_str(
            &text
                .replace("&nbsp;", " ")
                .replace("&amp;", "&")
                .replace("&gt;", ">")
                .replace("&lt;", "<"),
        );
    }
    out
}

/// Addresses and signs of Markdown are no words of the page.
fn strip_markdown(markdown: &str) -> String {
    let mut out = String::new();
    let mut rest = markdown;
    while let Some(at) = rest.find("](") {
        out.push_str(&rest[..at]);
        rest = rest[at..].split_once(')').map_or("", |(_, after)| after);
    }
    out + rest
}

fn load(name: &str, mode: Mode, truth: &str) -> Option<(Reading, f64)> {
    let corpus = corpus()?;
    let reading = try_read(&std::fs::read(corpus.join("html").join(name)).unwrap(), mode).unwrap();
    let truth_text =
        std::fs::read_to_string(corpus.join("truth/html").join(format!("{name}.truth.{truth}"))).unwrap();
    let truth_text = if truth == "html" {
        strip_tags(&truth_text)
    } else {
        strip_markdown(&truth_text)
    };
    let score = f1(&reading.text(0).unwrap(), &truth_text);
    eprintln!(
        "html/{name} {mode:?}: word F1 {score:.3}, {} blocks",
        reading.blocks(0).unwrap().len()
    );
    if std::env::var_os("DOCMILL_DUMP").is_some() {
        eprintln!("{:?}\n{:#?}", reading.metadata(), outline(&reading));
    }
    Some((reading, score))
}

#[test]
fn main_content_matches_its_truth() {
    for (name, least, title) in [
        (
            "medicalnewstoday.html",
            0.97,
            "How does the brain turn unconscious information into conscious thought?",
        ),
        (
            "keep-tabular-data.html",
            0.95,
            "Friday Facts #282 - 0.17 in sight | Factorio",
        ),
    ] {
        let Some((reading, score)) = load(name, Mode::Main, "html") else {
            return;
        };
        assert!(score >= least, "{name}: {score}");
        assert!(
            reading
                .metadata()
                .contains(&("title".to_owned(), title.to_owned())),
            "{:?}",
            reading.metadata()
        );
    }
}

#[test]
fn whole_pages_match_their_truth() {
    for (name, least) in [("table_03.html", 0.99), ("wiki_duck.html", 0.93)] {
        let Some((_, score)) = load(name, Mode::Full, "md") else {
            return;
        };
        assert!(score >= least, "{name}: {score}");
    }
}

#[test]
fn structure_of_a_real_page() {
    let Some((reading, _)) = load("table_03.html", Mode::Main, "md") else {
        return;
    };
    assert_eq!(
        outline(&reading),
        [
            "heading(1): Header",
            "paragraph: This is the first paragraph.",
            "table 2×2: [0,0]A [0,1]B [1,0]First item\nSecond item\nThird item [1,1]2...",
            "paragraph: After table",
        ]
    );
    let Some((reading, _)) = load("wiki_duck.html", Mode::Main, "md") else {
        return;
    };
    let text = reading.text(0).unwrap();
    assert_eq!(reading.language().as_deref(), Some("en"));
    assert!(text.contains("Anatidae") && !text.contains("Қазақша") && !text.contains("Move to sidebar"));
}

#[test]
fn foreign_files_are_refused_with_a_code() {
    let Some(corpus) = corpus() else { return };
    for folder in [
        "pdf",
        "docx",
        "xlsx",
        "rtf",
        "epub",
        "hostile",
        "xml_pubmed",
        "barcode",
    ] {
        for entry in std::fs::read_dir(corpus.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let error = try_read(&std::fs::read(&path).unwrap(), Mode::Main).err();
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
fn mutilated_pages_never_panic() {
    let Some(corpus) = corpus() else { return };
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    for file in ["table_03.html", "medicalnewstoday.html", "keep-tabular-data.html"] {
        let whole = std::fs::read(corpus.join("html").join(file)).unwrap();
        for round in 0..40 {
            let mut bytes = whole.clone();
            match round % 4 {
                0 => bytes.truncate(random(whole.len())),
                1 => (0..200).for_each(|_| bytes[random(whole.len())] = random(256) as u8),
                2 => (0..200).for_each(|_| bytes[random(whole.len())] = b"<>/\"'&=!-"[random(9)]),
                _ => {
                    let from = random(whole.len());
                    let to = (from + random(4_000)).min(whole.len());
                    let moved: Vec<u8> = bytes.drain(from..to).collect();
                    let at = random(bytes.len() + 1);
                    bytes.splice(at..at, moved);
                }
            }
            if let Err(error) = try_read(&bytes, Mode::Main) {
                assert!(!error.code.is_empty());
            }
        }
    }
}
