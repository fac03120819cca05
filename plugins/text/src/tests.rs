#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use super::*;
use encoding_rs::{IBM866, KOI8_R, WINDOWS_1251, WINDOWS_1252};

fn parse(
    media_type: &str,
    name: Option<&str>,
    bytes: impl Into<Vec<u8>>,
    config: Config,
) -> Result<Reading, Error> {
    Text::parse(Source::new(media_type, name, bytes), config).map(ReadingBuilder::into_reading)
}

fn plain(bytes: impl Into<Vec<u8>>) -> Reading {
    parse("text/plain", None, bytes, Config::default()).unwrap()
}

fn code(bytes: &[u8]) -> (ErrorKind, String) {
    let error = parse("text/plain", None, bytes, Config::default()).unwrap_err();
    (error.kind, error.code)
}

fn encoding(reading: &Reading) -> String {
    reading
        .metadata()
        .into_iter()
        .find(|(name, _)| name == "encoding")
        .unwrap()
        .1
}

fn kinds(reading: &Reading, page: u32) -> Vec<(BlockKind, String)> {
    reading
        .blocks(page)
        .unwrap()
        .into_iter()
        .map(|block| (block.kind, block.text))
        .collect()
}

const RUSSIAN: &str =
    "Справка выдана Иванову Петру Сергеевичу в том, что он работает инженером.\nИтого: 1 234,56 руб.";
const SHORT: &str = "Привет, мир";

#[test]
fn cyrillic_encodings_are_told_apart() {
    for text in [RUSSIAN, SHORT, "СЧЁТ НА ОПЛАТУ", "Договор поставки"] {
        for encoding in [WINDOWS_1251, IBM866, KOI8_R] {
            let reading = plain(encoding.encode(text).0.into_owned());
            assert_eq!(reading.text(0).unwrap(), text, "{}", encoding.name());
        }
    }
}

#[test]
fn a_long_head_in_ascii_says_nothing_of_the_encoding() {
    let head = "id;amount\n1;200\n".repeat(40_000);
    let text = format!("{head}{RUSSIAN}\n{RUSSIAN}\n");
    for known in [WINDOWS_1251, IBM866, KOI8_R] {
        let reading = plain(known.encode(&text).0.into_owned());
        let last = reading.text(reading.page_count() - 1).unwrap();
        assert!(last.contains("Справка выдана Иванову"), "{}", known.name());
    }
    // One broken byte far behind what shows that it is UTF-8.
    let mut damaged = format!("{RUSSIAN}\n{head}").into_bytes();
    damaged.push(0xD0);
    let reading = plain(damaged);
    assert_eq!(encoding(&reading), "UTF-8");
    assert!(reading.text(0).unwrap().starts_with("Справка"));
}

#[test]
fn kazakh_single_bytes() {
    // "Қазақстан Республикасы өңір әкімі" in KZ-1048.
    let text = "Қазақстан Республикасының әкімі, өңірлік бөлім: үздік қызмет";
    let bytes: Vec<u8> = text
        .chars()
        .flat_map(|char| {
            match (0x80..=0xFF_u8).find(|byte| cyrillic::decode_kz1048(&[*byte]) == char.to_string()) {
                Some(byte) => vec![byte],
                None => vec![u8::try_from(u32::from(char)).unwrap()],
            }
        })
        .collect();
    let reading = plain(bytes);
    assert_eq!(
        (encoding(&reading).as_str(), reading.text(0).unwrap().as_str()),
        ("KZ-1048", text)
    );
    assert_eq!(reading.language().as_deref(), Some("kk"));
}

#[test]
fn other_alphabets_stay_what_they_are() {
    let french = "Facture réglée à l'échéance prévue, sans délai supplémentaire après réception.";
    let reading = plain(WINDOWS_1252.encode(french).0.into_owned());
    assert_eq!(reading.text(0).unwrap(), french);
    let japanese = "これは日本語の文章です。請求書の合計金額は千円です。";
    let reading = plain(encoding_rs::SHIFT_JIS.encode(japanese).0.into_owned());
    assert_eq!(reading.text(0).unwrap(), japanese);
}

#[test]
fn unicode_with_and_without_marks() {
    let utf16 = |text: &str| {
        text.encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect::<Vec<u8>>()
    };
    let utf16_be = |text: &str| {
        text.encode_utf16()
            .flat_map(u16::to_be_bytes)
            .collect::<Vec<u8>>()
    };
    let utf32 = |text: &str| {
        text.chars()
            .flat_map(|char| u32::from(char).to_le_bytes())
            .collect::<Vec<u8>>()
    };
    let cases = [
        (format!("\u{FEFF}{RUSSIAN}").into_bytes(), "UTF-8"),
        (utf16(&format!("\u{FEFF}{RUSSIAN}")), "UTF-16LE"),
        (utf16(RUSSIAN), "UTF-16LE"),
        (utf16_be(RUSSIAN), "UTF-16BE"),
        (utf32(&format!("\u{FEFF}{RUSSIAN}")), "UTF-32"),
        (RUSSIAN.as_bytes().to_vec(), "UTF-8"),
    ];
    for (bytes, name) in cases {
        let reading = plain(bytes);
        assert_eq!(
            (encoding(&reading).as_str(), reading.text(0).unwrap().as_str()),
            (name, RUSSIAN)
        );
    }
}

#[test]
fn a_senders_word_counts_unless_the_bytes_contradict() {
    let bytes = IBM866.encode("№").0.into_owned();
    let said = parse("text/plain; charset=ibm866", None, bytes, Config::default()).unwrap();
    assert_eq!(said.text(0).unwrap(), "№");
    let lie = parse("text/plain; charset=ibm866", None, RUSSIAN, Config::default()).unwrap();
    assert_eq!(lie.text(0).unwrap(), RUSSIAN);
}

#[test]
fn damaged_utf_8_is_still_utf_8() {
    let mut bytes = RUSSIAN.repeat(3).into_bytes();
    bytes.push(0xFF);
    let reading = plain(bytes);
    assert!(encoding(&reading) == "UTF-8" && reading.text(0).unwrap().ends_with('\u{FFFD}'));
}

#[test]
fn what_is_no_text_gets_a_typed_error() {
    assert_eq!(code(b""), (ErrorKind::InvalidInput, "empty".to_owned()));
    assert_eq!(code(b" \r\n\t "), (ErrorKind::InvalidInput, "empty".to_owned()));
    assert_eq!(
        code(b"\xEF\xBB\xBF"),
        (ErrorKind::InvalidInput, "empty".to_owned())
    );
    assert_eq!(
        code(b"%PDF-1.7 ..."),
        (ErrorKind::InvalidInput, "binary".to_owned())
    );
    let noise: Vec<u8> = (0..4000_u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    assert_eq!(code(&noise), (ErrorKind::InvalidInput, "binary".to_owned()));
    let config = Config {
        encoding: Some("klingon".to_owned()),
        ..Config::default()
    };
    assert_eq!(
        parse("text/plain", None, "x", config).unwrap_err().kind,
        ErrorKind::InvalidConfig
    );
}

#[test]
fn a_nul_becomes_a_replacement_character() {
    assert_eq!(plain(*b"one\0two").text(0).unwrap(), "one\u{FFFD}two");
}

#[test]
fn pages_paragraphs_labels_and_lines() {
    let reading = plain(
        "Письмо\r\nвторая строка\r\n\r\nДата: 12.03.2024\r\nТел.: 123\r\nпросто строка\r\n\x0cВторая страница\n",
    );
    assert_eq!(reading.page_count(), 2);
    assert_eq!(
        kinds(&reading, 0),
        [
            (BlockKind::Paragraph, "Письмо\nвторая строка".to_owned()),
            (BlockKind::KeyValue, "Дата: 12.03.2024".to_owned()),
            (BlockKind::KeyValue, "Тел.: 123".to_owned()),
            (BlockKind::Paragraph, "просто строка".to_owned()),
        ]
    );
    assert_eq!(reading.text(1).unwrap(), "Вторая страница");
    assert_eq!(reading.language().as_deref(), Some("ru"));
    assert!(
        !plain::is_labelled("See https://example.org"),
        "no blank behind the colon"
    );
}

#[test]
fn columns_become_tables() {
    let reading = plain(
        "№  Наименование     Кол-во    Сумма\n\
         1  Бумага A4            10   25 000,00\n\
         2  Ручка                 5    1 250,00\n\
         Итого: 26 250,00",
    );
    let blocks = reading.blocks(0).unwrap();
    let table = blocks[0].table.clone().unwrap();
    assert_eq!((table.rows, table.columns), (3, 4));
    let texts: Vec<_> = table
        .cells
        .iter()
        .filter(|cell| cell.row == 1)
        .map(|cell| cell.text.as_str())
        .collect();
    assert_eq!(texts, ["1", "Бумага A4", "10", "25 000,00"]);
    assert_eq!(
        (&blocks[1].kind, blocks[1].text.as_str()),
        (&BlockKind::KeyValue, "Итого: 26 250,00")
    );

    let drawn = plain("| a | b |\n|---|---|\n| 1 |   |");
    let table = drawn.blocks(0).unwrap()[0].table.clone().unwrap();
    assert_eq!((table.rows, table.columns, table.cells.len()), (2, 2, 3));

    let gaps = plain("Name       Unit  Price\nPaper A4   pack  5\nDelivery         100");
    let table = gaps.blocks(0).unwrap()[0].table.clone();
    assert!(
        table.is_some_and(|table| table.rows == 2),
        "a row of two pieces alone does not show its columns"
    );
}

#[test]
fn csv_with_any_delimiter() {
    for delimiter in [",", ";", "\t", "|"] {
        let text = ["name", "note", "sum"].join(delimiter)
            + "\n"
            + &["\"a\"", "\"x\ny\"", "\"1,5\""].join(delimiter)
            + "\n";
        let reading = parse("text/csv", None, text, Config::default()).unwrap();
        let table = reading.blocks(0).unwrap()[0].table.clone().unwrap();
        let cells: Vec<_> = table
            .cells
            .iter()
            .map(|cell| (cell.header, cell.text.as_str()))
            .collect();
        assert_eq!(
            cells,
            [
                (true, "name"),
                (true, "note"),
                (true, "sum"),
                (false, "a"),
                (false, "x\ny"),
                (false, "1,5")
            ]
        );
    }
}

#[test]
fn csv_that_is_uneven_announced_or_single() {
    let reading = parse("text/csv", None, "a,b\n1,2,3\n4\n", Config::default()).unwrap();
    let table = reading.blocks(0).unwrap()[0].table.clone().unwrap();
    assert_eq!((table.rows, table.columns), (3, 3));
    let reading = parse("text/csv", None, "sep=|\n1|2,3\n", Config::default()).unwrap();
    let table = reading.blocks(0).unwrap()[0].table.clone().unwrap();
    assert_eq!((table.rows, table.columns), (1, 2));
    let reading = parse("text/plain", Some("LIST.CSV"), "one\ntwo\n", Config::default()).unwrap();
    let table = reading.blocks(0).unwrap()[0].table.clone().unwrap();
    assert_eq!((table.rows, table.columns), (2, 1));
}

#[test]
fn markdown_without_its_marks() {
    let text = "---\ntitle: \"Отчёт\"\n---\n# Заголовок *важный*\n\nТекст [ссылка](http://x) и `код`.\n\n- раз\n  - два\n1. три\n\n\
                | a | b |\n|---|---|\n| 1 | **2** |\n\n```rust\nlet x = 1;\n```\n\n**Итого:** 42\n\n<b>html</b> end<br>line\n";
    let reading = parse("text/markdown", None, text, Config::default()).unwrap();
    assert!(
        reading
            .metadata()
            .contains(&("title".to_owned(), "Отчёт".to_owned()))
    );
    assert_eq!(
        kinds(&reading, 0),
        [
            (BlockKind::Heading(1), "Заголовок важный".to_owned()),
            (BlockKind::Paragraph, "Текст ссылка и код.".to_owned()),
            (BlockKind::ListItem(0), "раз".to_owned()),
            (BlockKind::ListItem(1), "два".to_owned()),
            (BlockKind::ListItem(0), "1. три".to_owned()),
            (BlockKind::Table, "a\tb\n1\t2".to_owned()),
            (BlockKind::Code, "let x = 1;".to_owned()),
            (BlockKind::KeyValue, "Итого: 42".to_owned()),
            (BlockKind::Paragraph, "html end\nline".to_owned()),
        ]
    );
}

#[test]
fn hostile_markdown_ends() {
    for text in [
        "> ".repeat(50_000),
        "[".repeat(50_000),
        "- ".repeat(5_000) + "x",
        "*".repeat(50_000),
        "|a".repeat(20_000),
    ] {
        assert!(
            parse("text/markdown", None, text, Config::default())
                .is_ok_and(|reading| reading.page_count() == 1)
        );
    }
}

#[test]
fn twice_the_same() {
    let dump = |reading: &Reading| format!("{reading:?}");
    assert_eq!(dump(&plain(RUSSIAN)), dump(&plain(RUSSIAN)));
}

/// Real files, where they are at hand.
#[test]
fn the_corpus() {
    let Some(corpus) = std::env::var_os("DOCMILL_CORPUS").map(std::path::PathBuf::from) else {
        println!("skipped: DOCMILL_CORPUS is not set");
        return;
    };
    let read = |path: &str, media_type: &str| {
        parse(
            media_type,
            Some(path),
            std::fs::read(corpus.join(path)).unwrap(),
            Config::default(),
        )
        .unwrap()
    };
    let russian = read("cyrillic/russian.cp866.txt", "text/plain");
    assert!(
        encoding(&russian) == "IBM866" && russian.language().as_deref() == Some("ru"),
        "{russian:?}"
    );
    let cups = read("csv/stanley-cups-utf-16.csv", "text/csv");
    assert_eq!(
        cups.blocks(0).unwrap()[0].table.as_ref().unwrap().columns,
        3,
        "{cups:?}"
    );
    let semicolons = read("csv/csv-semicolon.csv", "text/csv");
    assert!(semicolons.blocks(0).unwrap()[0].table.as_ref().unwrap().columns > 3);
    for path in ["md/wiki.md", "md/nested.md"] {
        let text = read(path, "text/markdown").text(0).unwrap();
        assert!(!text.contains("](") && !text.contains("**"), "{text}");
    }
}
