//! Files that attack, break off or are something else: each gets its code, quickly.

use std::time::{Duration, Instant};

use crate::build::{Sheet, announcing, docx, p, relationships, tc, xlsx, zip};
use crate::read::{read, refusal};

fn sheet(xml: &str) -> Vec<u8> {
    xlsx(
        &[Sheet {
            name: "s",
            state: "visible",
            xml,
        }],
        "",
        "",
        "",
    )
}

#[test]
fn wrong_formats_are_told_apart() {
    assert_eq!(refusal(b""), "empty");
    for bytes in [
        b"%PDF-1.7".as_slice(),
        b"{\\rtf1 x}",
        b"<html></html>",
        b"plain",
        &[0xFF, 0xD8, 0xFF],
        &[0; 4000],
    ] {
        assert_eq!(refusal(bytes), "unsupported", "{bytes:?}");
    }
    assert_eq!(refusal(&zip(&[("a.txt", b"hello")])), "unsupported");
    assert_eq!(
        refusal(&zip(&[("mimetype", b"application/epub+zip")])),
        "unsupported"
    );
    let part = |content_type: &str, name: &str| {
        zip(&[
            (
                "[Content_Types].xml",
                format!("<Types><Override PartName=\"/{name}\" ContentType=\"{content_type}\"/></Types>")
                    .as_bytes(),
            ),
            (
                "_rels/.rels",
                relationships(&[("r", "officeDocument", name)]).as_bytes(),
            ),
            (name, b"<x/>"),
        ])
    };
    assert_eq!(
        refusal(&part(
            "application/vnd.ms-excel.sheet.binary.macroEnabled.main",
            "xl/workbook.bin"
        )),
        "unsupported"
    );
}

#[test]
fn old_and_locked_files_are_told_apart() {
    let ole = |stream: &str| {
        let mut bytes = vec![0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1];
        bytes.resize(3_000, 0);
        bytes.extend(stream.encode_utf16().flat_map(u16::to_le_bytes));
        bytes.resize(8_000, 0);
        bytes
    };
    assert_eq!(refusal(&ole("EncryptedPackage")), "encrypted");
    assert_eq!(refusal(&ole("WordDocument")), "unsupported");
    assert_eq!(refusal(&ole("Workbook")), "unsupported");
    assert_eq!(refusal(&ole("")), "unsupported");
    assert_eq!(refusal(&ole("")[..300]), "damaged");
}

#[test]
fn broken_files_are_damaged() {
    let whole = docx(&p("text"), &[]);
    assert_eq!(refusal(&whole[..whole.len() / 2]), "damaged");
    assert_eq!(refusal(b"PK\x03\x04"), "damaged");
    assert_eq!(refusal(&docx("<w:p><w:r>", &[])), "damaged");
    assert_eq!(refusal(&docx("</w:body><w:p>", &[])), "damaged");
    assert_eq!(
        refusal(&docx("<w:p><w:r><w:t>&unknown;</w:t></w:r></w:p>", &[])),
        "damaged"
    );
    assert_eq!(
        refusal(&zip(&[
            ("[Content_Types].xml", b"<Types/>"),
            ("_rels/.rels", b"<Relationships/>")
        ])),
        "damaged"
    );
}

#[test]
fn entities_are_never_expanded() {
    let bomb = br#"<?xml version="1.0"?><!DOCTYPE d [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY x SYSTEM "file:///etc/passwd">]><w:document><w:body><w:p><w:r><w:t>&b;&x;</w:t></w:r></w:p></w:body></w:document>"#;
    let rels = relationships(&[("r", "officeDocument", "word/document.xml")]);
    assert_eq!(
        refusal(&zip(&[
            ("_rels/.rels", rels.as_bytes()),
            ("word/document.xml", bomb)
        ])),
        "damaged"
    );
}

#[test]
fn bombs_are_defused() {
    let started = Instant::now();
    // 200 MiB of one letter pack to 200 KiB.
    let long = "a".repeat(200 << 20);
    let text = docx(&format!("<w:p><w:r><w:t>{long}</w:t></w:r></w:p>"), &[]);
    assert!(text.len() < 1 << 20);
    assert_eq!(refusal(&text), "too-large");
    drop(long);
    let blanks = docx(
        &format!("<w:p/>{}", "<w:p> </w:p>".repeat(2)),
        &[("word/unused.xml", &" ".repeat(100 << 20))],
    );
    assert_eq!(refusal(&blanks), "read", "what is not read does not count");
    let attribute = docx(&format!("<w:p w:x=\"{}\"/>", "b".repeat(40 << 20)), &[]);
    assert_eq!(refusal(&attribute), "decompression-bomb");
    assert!(
        started.elapsed() < Duration::from_secs(60),
        "{:?}",
        started.elapsed()
    );
}

#[test]
fn deep_nesting_is_refused_without_recursion() {
    let nest = |open: &str, close: &str, depth: usize, inside: &str| {
        open.repeat(depth) + inside + &close.repeat(depth)
    };
    assert_eq!(
        refusal(&docx(&nest("<w:sdt>", "</w:sdt>", 100_000, &p("x")), &[])),
        "too-complex"
    );
    assert_eq!(
        refusal(&docx(
            &nest("<w:tbl><w:tr><w:tc>", "</w:tc></w:tr></w:tbl>", 40, &p("x")),
            &[]
        )),
        "too-complex"
    );
    assert_eq!(
        refusal(&docx(
            &nest("<w:tbl><w:tr><w:tc>", "</w:tc></w:tr></w:tbl>", 12, &p("x")),
            &[]
        )),
        "read"
    );
    let paragraph = format!(
        "<w:p>{}</w:p>",
        nest("<w:smartTag>", "</w:smartTag>", 200, "<w:r><w:t>x</w:t></w:r>")
    );
    assert_eq!(refusal(&docx(&paragraph, &[])), "read");
}

#[test]
fn wide_and_long_tables_stay_within_bounds() {
    let wide = format!(
        "<w:tbl><w:tr>{}</w:tr></w:tbl>",
        tc("<w:gridSpan w:val=\"4000000000\"/>", "x").repeat(3)
    );
    let reading = read(&docx(&wide, &[]));
    assert_eq!(
        reading.blocks(0).unwrap()[0].table.as_ref().unwrap().columns,
        3_000
    );
    let row = format!("<w:tr>{}</w:tr>", tc("<w:gridSpan w:val=\"1000\"/>", "x"));
    assert_eq!(
        refusal(&docx(&format!("<w:tbl>{}</w:tbl>", row.repeat(5_000)), &[])),
        "too-complex"
    );
}

#[test]
fn an_inflated_sheet_costs_what_it_holds() {
    let started = Instant::now();
    let far = "<dimension ref=\"A1:XFD1048576\"/><cols><col min=\"1\" max=\"16384\" hidden=\"1\"/></cols><sheetData><row r=\"1\"><c r=\"A1\"><v>1</v></c></row><row r=\"1048576\"><c r=\"XFD1048576\"><v>2</v></c></row></sheetData><mergeCells><mergeCell ref=\"A1:XFD1048575\"/></mergeCells>";
    let reading = read(&sheet(far));
    assert!(reading.text(0).unwrap().len() < 20);
    // Walking its 17 billion places, or one row or column of them for each cell, would take longer.
    assert!(
        started.elapsed() < Duration::from_millis(50),
        "{:?}",
        started.elapsed()
    );
    // A million empty styled cells, rows that say nothing, rows out of range.
    let empty: String = (1..=200_000)
        .map(|r| format!("<row r=\"{r}\"><c r=\"A{r}\" s=\"1\"/></row>"))
        .collect();
    assert_eq!(
        read(&sheet(&format!("<sheetData>{empty}</sheetData>")))
            .text(0)
            .unwrap(),
        ""
    );
    let wild = "<sheetData><row r=\"4294967295\"><c r=\"ZZZ9999999\"><v>1</v></c><c><v>2</v></c></row><row><c r=\"A0\"><v>3</v></c></row></sheetData>";
    assert!(read(&sheet(wild)).text(0).unwrap().contains('3'));
    assert!(
        started.elapsed() < Duration::from_secs(20),
        "{:?}",
        started.elapsed()
    );
}

/// A general reader reserves 96 GB here and dies.
#[test]
fn announced_numbers_are_not_believed() {
    let xml = "<sheetData><row r=\"1\"><c r=\"A1\" t=\"s\"><v>0</v></c><c r=\"B1\" t=\"s\"><v>3999999999</v></c></row></sheetData>";
    let bytes = announcing(
        &[Sheet {
            name: "s",
            state: "visible",
            xml,
        }],
        "",
        "<si><t>text</t></si>",
        "",
        4_000_000_000,
    );
    assert_eq!(read(&bytes).text(0).unwrap(), "text");
}

#[test]
fn millions_of_cells_are_refused() {
    let row = "<row><c><v>1</v></c><c><v>22</v></c><c><v>333</v></c><c><v>4</v></c></row>";
    let noise: String = (0..180_000_u32)
        .map(|n| row.replace("333", &n.wrapping_mul(2_654_435_761).to_string()))
        .collect();
    assert_eq!(
        refusal(&sheet(&format!("<sheetData>{noise}</sheetData>"))),
        "too-large"
    );
}

#[test]
fn merged_regions_and_staircases_take_linear_time() {
    let started = Instant::now();
    let cells: String = (1..=60_000)
        .map(|r| format!("<row r=\"{r}\"><c r=\"A{r}\"><v>{r}</v></c></row>"))
        .collect();
    let merges: String = (1..=60_000)
        .map(|r| format!("<mergeCell ref=\"A{r}:XFD{}\"/>", r + 40_000))
        .collect();
    read(&sheet(&format!(
        "<sheetData>{cells}</sheetData><mergeCells>{merges}</mergeCells>"
    )));
    let stairs: String = (1..=15_000_u32)
        .map(|r| {
            let column: String = [r / 676 % 26, r / 26 % 26, r % 26]
                .map(|n| char::from(b'A' + u8::try_from(n).unwrap()))
                .iter()
                .collect();
            format!(
                "<row r=\"{}\"><c r=\"{column}{}\"><v>1</v></c></row>",
                r * 2,
                r * 2
            )
        })
        .collect();
    read(&sheet(&format!("<sheetData>{stairs}</sheetData>")));
    assert!(
        started.elapsed() < Duration::from_secs(20),
        "{:?}",
        started.elapsed()
    );
}

#[test]
fn many_entries_are_refused() {
    let names: Vec<String> = (0..25_000).map(|n| format!("e{n}")).collect();
    let entries: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), b"".as_slice())).collect();
    assert_eq!(refusal(&zip(&entries)), "too-large");
}
