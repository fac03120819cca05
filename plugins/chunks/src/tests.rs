#![expect(clippy::panic, reason = "tests")]

use docmill_plugin::prelude::*;
use unicode_segmentation::UnicodeSegmentation as _;

use crate::Chunks;
use crate::config::Config;

fn config(json: serde_json::Value) -> Config {
    serde_json::from_value(json).unwrap_or_else(|error| panic!("{error}"))
}

fn reading(pages: &[&[Block]]) -> Reading {
    let builder = ReadingBuilder::new();
    for blocks in pages {
        builder
            .add_page(&PageInfo::digital(), blocks)
            .unwrap_or_else(|e| panic!("{e:?}"));
    }
    builder.into_reading()
}

/// Headings and text of every chunk, after the rules that hold for all.
fn split(reading: &Reading, json: serde_json::Value) -> Vec<(String, String)> {
    let overlap = json.get("overlap_chars").is_some_and(|o| o != 0);
    let most = json
        .get("max_chars")
        .and_then(serde_json::Value::as_u64)
        .unwrap_or(1_200) as usize;
    let chunks = Chunks::split(reading.clone(), config(json)).unwrap_or_else(|e| panic!("{e:?}"));
    let mut end = (0, 0);
    let mut shown = Vec::new();
    for chunk in &chunks {
        for (n, span) in chunk.spans.iter().enumerate() {
            assert!(span.range.start < span.range.end, "{chunk:?}");
            let start = (span.page, span.range.start);
            assert!(
                start >= end || (overlap && n == 0),
                "{chunk:?} begins before {end:?}"
            );
            end = (span.page, span.range.end);
            cuts_no_grapheme(reading, *span);
        }
        let text = chunk.text(reading).unwrap_or_else(|e| panic!("{e:?}"));
        assert!(
            text.chars().count() <= most || text.graphemes(true).count() == 1,
            "{text}"
        );
        shown.push((chunk.headings.join(" / "), text));
    }
    shown
}

fn cuts_no_grapheme(reading: &Reading, span: Span) {
    let text = reading.text(span.page).unwrap_or_default();
    let mut bounds: Vec<usize> = text.grapheme_indices(true).map(|(at, _)| at).collect();
    bounds.push(text.len());
    for at in [span.range.start, span.range.end] {
        assert!(
            bounds.contains(&(at as usize)),
            "{at} is within a character of {text:?}"
        );
    }
}

#[test]
fn headings_begin_chunks_and_stand_above_them() {
    let reading = reading(&[
        &[
            Block::title("Договор"),
            Block::new(BlockKind::Header, "стр. 1"),
            Block::heading(1, "1 Общие\nположения"),
            Block::heading(2, "1.1 Предмет"),
            Block::paragraph("Продавец продаёт."),
            Block::new(BlockKind::Footer, "1"),
        ],
        &[
            Block::paragraph("Покупатель платит."),
            Block::heading(2, "1.2 Цена"),
            Block::paragraph("Сто."),
        ],
    ]);
    assert_eq!(
        split(&reading, serde_json::json!({})),
        [
            (
                "Договор / 1 Общие положения / 1.1 Предмет".to_owned(),
                "Договор\n1 Общие\nположения\n1.1 Предмет\nПродавец продаёт.\nПокупатель платит.".to_owned()
            ),
            (
                "Договор / 1 Общие положения / 1.2 Цена".to_owned(),
                "1.2 Цена\nСто.".to_owned()
            ),
        ]
    );
    let by_size = split(&reading, serde_json::json!({"heading_level": 0, "skip": []}));
    assert_eq!(by_size.len(), 1);
    assert!(
        by_size.iter().all(|(_, text)| text.contains("стр. 1")),
        "{by_size:?}"
    );
}

#[test]
fn blocks_that_do_not_fit_are_cut_at_sentences_lines_words_and_characters() {
    let text =
        "Первое предложение. Второе предложение! Очень-очень длинное третье предложение без конца и без края";
    let shown = |blocks: &[Block]| -> Vec<String> {
        let chunks = split(&reading(&[blocks]), serde_json::json!({"max_chars": 20}));
        chunks.into_iter().map(|(_, text)| text).collect()
    };
    assert_eq!(
        shown(&[Block::paragraph(text)]),
        [
            "Первое предложение.",
            "Второе предложение!",
            "Очень-очень длинное",
            "третье предложение",
            "без конца и без края"
        ]
    );
    let table = Table::from_rows([["Товар", "Цена"], ["Чай", "5"], ["Кофе и какао", "7"]], 1);
    assert_eq!(
        shown(&[Block::table(table)]),
        ["Товар\tЦена\nЧай\t5", "Кофе и какао\t7"]
    );
    // A family of seven code points, and letters under a heap of marks.
    let family = "👨‍👩‍👧‍👦".repeat(7);
    assert_eq!(shown(&[Block::paragraph(&family)]).concat(), family);
    let heap = format!("e{}", "\u{301}".repeat(50));
    assert_eq!(
        shown(&[Block::paragraph(format!("{heap}{heap}"))]),
        [heap.as_str(), heap.as_str()]
    );
}

#[test]
fn chunks_overlap_by_whole_sentences() {
    let text = "Один два. Три четыре. Пять шесть. Семь восемь.";
    let reading = Reading::of_pages([text]);
    let shown = split(
        &reading,
        serde_json::json!({"max_chars": 24, "overlap_chars": 12}),
    );
    let shown: Vec<&str> = shown.iter().map(|(_, text)| text.as_str()).collect();
    assert_eq!(
        shown,
        [
            "Один два. Три четыре.",
            "Три четыре. Пять шесть.",
            "Пять шесть. Семь восемь."
        ]
    );
    // A heading repeats nothing.
    let reading = super::tests::reading(&[&[
        Block::paragraph("Один два."),
        Block::heading(1, "Три"),
        Block::paragraph("Четыре."),
    ]]);
    let shown = split(
        &reading,
        serde_json::json!({"max_chars": 24, "overlap_chars": 12}),
    );
    assert_eq!(shown.len(), 2);
    let refused = Chunks::split(
        reading,
        config(serde_json::json!({"max_chars": 20, "overlap_chars": 11})),
    );
    assert_eq!(refused.err().map(|e| e.code), Some("overlap".to_owned()));
}

#[test]
fn nothing_gives_no_chunks_and_too_many_are_a_typed_error() {
    for blocks in [
        &[][..],
        &[Block::paragraph(" \n ")],
        &[Block::new(BlockKind::Footer, "1")],
    ] {
        assert_eq!(split(&reading(&[blocks]), serde_json::json!({})), []);
    }
    let many = Reading::of_pages(["слово слово слово слово ".repeat(110_000).as_str()]);
    let refused = Chunks::split(many, config(serde_json::json!({"max_chars": 20})));
    assert_eq!(refused.err().map(|e| e.code), Some("too-many-chunks".to_owned()));
}

/// Every letter of a document is in a chunk, once.
#[test]
fn nothing_is_lost_between_chunks() {
    let sentence =
        "Қазақстан Республикасы — біртұтас мемлекет. It has 17 regions! Ёлки-палки… 🇰🇿 e\u{301}te\u{301}?\n";
    let text = sentence.repeat(40);
    let reading = Reading::of_pages([text.as_str(), "Конец."]);
    for max in [20, 21, 37, 64, 500, 100_000] {
        let chunks = split(
            &reading,
            serde_json::json!({"max_chars": max, "heading_level": 0}),
        );
        let letters = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
        let joined: String = chunks.iter().map(|(_, text)| letters(text)).collect();
        assert_eq!(joined, letters(&format!("{text}Конец.")), "{max}");
    }
}
