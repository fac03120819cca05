//! Files made here, so that each test says all that it needs.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test")]

#[path = "made/plugin.rs"]
mod plugin;
#[path = "made/writer.rs"]
mod writer;

use std::io::Write as _;

use docmill_pdf::{Block, BlockKind, Config, Document, Origin, PdfError, Warning, parse};
use writer::{Pdf, document, document_with, line, styled, text};

fn read(pdf: &Pdf) -> Document {
    parse(&pdf.bytes(), &Config::default()).unwrap()
}

fn kinds(blocks: &[Block]) -> Vec<(BlockKind, String)> {
    blocks.iter().map(|block| (block.kind, block.text())).collect()
}

const PROSE: [&str; 8] = [
    "The committee met in the spring to",
    "review what had been agreed upon in",
    "the winter and to decide on further",
    "steps that would be taken before the",
    "summer, when most of its members go",
    "to the sea and leave their letters in",
    "the box until the leaves have turned",
    "and the first rain falls on the roofs",
];

fn column(x: f32, y: f32, lines: &[&str]) -> String {
    lines
        .iter()
        .enumerate()
        .map(|(index, words)| text(x, y + 12.0 * index as f32, words))
        .collect()
}

#[test]
fn a_word_has_its_place() {
    let document = read(&document(&[&text(60.0, 120.0, "Hello world")]));
    let block = &document.pages[0].blocks[0];
    assert_eq!(block.text(), "Hello world");
    let [hello, world] = block.fragments.as_slice() else {
        panic!("{block:?}")
    };
    assert_eq!((hello.text.as_str(), world.text.as_str()), ("Hello ", "world"));
    // Helvetica's widths: Hello is 2.278 em, the blank 0.278 em, world 2.443 em… at 10 points on 600.
    assert!((hello.region.left - 0.1).abs() < 1e-3, "{hello:?}");
    assert!(
        (hello.region.right - (60.0 + 22.78) / 600.0).abs() < 1e-3,
        "{hello:?}"
    );
    assert!(
        (world.region.left - (60.0 + 22.78 + 2.78) / 600.0).abs() < 1e-3,
        "{world:?}"
    );
    assert!(
        hello.region.top > 0.18 && hello.region.top < 0.195 && hello.region.bottom > 0.2,
        "{hello:?}"
    );
    assert_eq!(
        (document.pages[0].width, document.pages[0].height),
        (600.0, 600.0)
    );
}

#[test]
fn labels_stay_on_one_line_with_their_values() {
    let content = [
        text(60.0, 100.0, "Invoice No:"),
        text(300.0, 100.0, "INV-7"),
        text(60.0, 120.0, "Due date: 2026-11-21"),
        text(60.0, 140.0, "Total"),
        text(420.0, 140.0, "1 234,56"),
    ];
    let document = read(&document(&[&content.concat()]));
    assert_eq!(
        document.pages[0].text(),
        "Invoice No:\tINV-7\nDue date: 2026-11-21\nTotal\t1 234,56"
    );
    assert_eq!(document.pages[0].blocks[0].kind, BlockKind::KeyValue);
}

#[test]
fn columns_of_prose_are_read_one_after_the_other() {
    let right: Vec<String> = PROSE.iter().map(|line| line.to_uppercase()).collect();
    let right: Vec<&str> = right.iter().map(String::as_str).collect();
    // Drawn line by line across the page, and a heading over both columns.
    let mut content = styled(
        "F2",
        16.0,
        60.0,
        80.0,
        "A heading over both of the columns of the page",
    );
    for index in 0..PROSE.len() {
        content += &column(60.0, 120.0 + 12.0 * index as f32, &PROSE[index..=index]);
        content += &column(330.0, 120.0 + 12.0 * index as f32, &right[index..=index]);
    }
    let text = read(&document(&[&content])).pages[0].text();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "A heading over both of the columns of the page");
    assert_eq!(lines[1..9], PROSE);
    assert_eq!(lines[9..17], right);
}

#[test]
fn texts_beside_each_other_that_are_not_level_stay_apart() {
    let left = ["Bill to:", "Azure Interior", "4557 De Silva St"];
    let right = ["YourCompany", "215 Vine St", "Scranton PA"];
    let content: String = (0..3)
        .map(|index| {
            text(60.0, 100.0 + 14.0 * index as f32, left[index])
                + &text(400.0, 107.0 + 14.0 * index as f32, right[index])
        })
        .collect();
    let found = read(&document(&[&content])).pages[0].text();
    assert_eq!(found.lines().collect::<Vec<_>>(), [left, right].concat());
}

#[test]
fn a_ruled_table_has_its_cells() {
    let mut content = String::new();
    for y in [100.0, 120.0, 140.0, 160.0] {
        content += &line(60.0, y, 360.0, y);
    }
    for x in [60.0, 160.0, 260.0, 360.0] {
        content += &line(x, 100.0, x, 160.0);
    }
    for (row, cells) in [
        ["Item", "Count", "Price"],
        ["Chair", "2", "70.00"],
        ["Desk lamp", "10", "12.50"],
    ]
    .iter()
    .enumerate()
    {
        for (column, cell) in cells.iter().enumerate() {
            content += &text(65.0 + 100.0 * column as f32, 114.0 + 20.0 * row as f32, cell);
        }
    }
    content += &text(60.0, 200.0, "Below the table.");
    let pdf = document(&[&content]);
    let document = read(&pdf);
    let blocks = &document.pages[0].blocks;
    assert_eq!(
        kinds(blocks),
        [
            (
                BlockKind::Table,
                "Item\tCount\tPrice\nChair\t2\t70.00\nDesk lamp\t10\t12.50".to_owned()
            ),
            (BlockKind::Paragraph, "Below the table.".to_owned())
        ]
    );
    let table = blocks[0].table.as_ref().unwrap();
    assert_eq!((table.rows, table.columns, table.cells.len()), (3, 3, 9));
    assert!(table.cells[..3].iter().all(|cell| cell.header) && !table.cells[3].header);
    let lamp = table.cells[6].region;
    assert!(
        (lamp.left - 0.1).abs() < 0.01 && (lamp.right - 160.0 / 600.0).abs() < 0.01,
        "{lamp:?}"
    );
    let without = parse(
        &pdf.bytes(),
        &Config {
            tables: false,
            ..Config::default()
        },
    )
    .unwrap();
    assert!(without.pages[0].blocks.iter().all(|block| block.table.is_none()));
    assert!(
        without.pages[0]
            .text()
            .starts_with("Item\tCount\tPrice\nChair\t2\t70.00"),
        "{}",
        without.pages[0].text()
    );
}

#[test]
fn cyrillic_comes_through_its_character_map() {
    let mut pdf = Pdf::default();
    pdf.add("<</Type/Catalog/Pages 2 0 R/Lang(kk-KZ)>>");
    pdf.add("<</Type/Pages/Kids[3 0 R]/Count 1/MediaBox[0 0 600 600]>>");
    pdf.add("<</Type/Page/Parent 2 0 R/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>");
    // Codes 1 to 8: ӘҚҒ әқғ й in two characters.
    pdf.add_stream(
        "",
        b"BT /F1 12 Tf 1 0 0 1 60 500 Tm <0001000200030004000500060007> Tj ET",
    );
    pdf.add("<</Type/Font/Subtype/Type0/BaseFont/Noto/Encoding/Identity-H/DescendantFonts[6 0 R]/ToUnicode 7 0 R>>");
    pdf.add("<</Type/Font/Subtype/CIDFontType2/BaseFont/Noto/DW 600/CIDSystemInfo<</Registry(Adobe)/Ordering(Identity)/Supplement 0>>>>");
    pdf.add_stream(
        "",
        b"/CIDInit /ProcSet findresource begin begincmap 1 begincodespacerange <0000> <ffff> endcodespacerange \
          2 beginbfchar <0001> <04D8> <0007> <04380306> endbfchar 2 beginbfrange <0002> <0002> <049A> \
          <0003> <0006> [<0492> <04D9> <049B> <0493>] endbfrange endcmap end",
    );
    let document = read(&pdf);
    assert_eq!(document.pages[0].text(), "ӘҚҒәқғй");
    assert_eq!(document.language.as_deref(), Some("kk-KZ"));
}

#[test]
fn a_turned_page_is_read_as_it_is_seen() {
    // The text runs upwards in the file; the page is turned by 90 degrees, so it is seen upright.
    let content = "BT /F1 10 Tf 0 1 -1 0 100 60 Tm (Turned page) Tj ET";
    let document = read(&document_with(&[content], "", "/Rotate 90/MediaBox[0 0 300 600]"));
    let page = &document.pages[0];
    assert_eq!(
        (page.width, page.height, page.text().as_str()),
        (600.0, 300.0, "Turned page")
    );
    let region = page.blocks[0].region;
    assert!(
        (region.left - 0.1).abs() < 0.01 && (region.top - 92.0 / 300.0).abs() < 0.02,
        "{region:?}"
    );
}

#[test]
fn headings_lists_and_page_furniture_are_told_apart() {
    let page = |number: usize| {
        [
            text(60.0, 30.0, "Annual report"),
            styled("F1", 18.0, 60.0, 90.0, &format!("Chapter {number} begins")),
            column(60.0, 120.0, &PROSE),
            text(60.0, 240.0, "1. First of the points"),
            text(60.0, 254.0, "2. Second of the points"),
            text(290.0, 580.0, &format!("Page {number}")),
        ]
        .concat()
    };
    let pages: Vec<String> = (1..=3).map(page).collect();
    let pages: Vec<&str> = pages.iter().map(String::as_str).collect();
    let document = read(&document(&pages));
    let expected = |number: usize, heading: BlockKind| {
        vec![
            (BlockKind::Header, "Annual report".to_owned()),
            (heading, format!("Chapter {number} begins")),
            (BlockKind::Paragraph, PROSE.join("\n")),
            (BlockKind::ListItem(0), "1. First of the points".to_owned()),
            (BlockKind::ListItem(0), "2. Second of the points".to_owned()),
            (BlockKind::Footer, format!("Page {number}")),
        ]
    };
    assert_eq!(kinds(&document.pages[0].blocks), expected(1, BlockKind::Title));
    assert_eq!(
        kinds(&document.pages[2].blocks),
        expected(3, BlockKind::Heading(1))
    );
}

#[test]
fn a_hyphen_goes_where_the_document_knows_the_word_without_it() {
    let content = column(
        60.0,
        100.0,
        &[
            "An agreement was found by the commit-",
            "tee, and the committee is well-",
            "known to the agreement there.",
        ],
    );
    let text = read(&document(&[&content])).pages[0].text();
    assert_eq!(
        text,
        "An agreement was found by the committee,\nand the committee is well-\nknown to the agreement there."
    );
}

#[test]
fn labels_metadata_and_typed_fields_are_read() {
    let mut pdf = document_with(
        &[&text(60.0, 100.0, "Name:"), &text(60.0, 100.0, "Two")],
        "/PageLabels<</Nums[0<</S/r/St 4>>]>>/AcroForm<</Fields[9 0 R 10 0 R]>>",
        "/Annots[9 0 R 10 0 R]",
    );
    pdf.add("<</Type/Annot/Subtype/Widget/FT/Tx/T(name)/V(Jane Doe)/Rect[120 490 300 510]>>");
    pdf.add("<</Type/Annot/Subtype/Widget/FT/Btn/T(agree)/V/Yes/AS/Yes/AP<</N<</Yes 3 0 R/Off 3 0 R>>>>/Rect[60 440 70 450]>>");
    let info = pdf.add("<</Title(Made here)/CreationDate(D:20261121103000+05'00')>>");
    pdf.trailer = format!("/Info {info} 0 R");
    let document = read(&pdf);
    assert_eq!(document.pages[0].label.as_deref(), Some("iv"));
    assert_eq!(document.pages[0].text(), "Name:\tJane Doe\n☑");
    let meta = |name: &str| {
        document
            .metadata
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    };
    assert_eq!(
        (meta("title"), meta("created")),
        (Some("Made here"), Some("2026-11-21T10:30:00+05:00"))
    );
    assert_eq!(
        (meta("pages-in-file"), meta("pdf-version")),
        (Some("2"), Some("1.7"))
    );
    let off = parse(
        &pdf.bytes(),
        &Config {
            form_fields: false,
            max_pages: 1,
            ..Config::default()
        },
    )
    .unwrap();
    assert_eq!((off.pages.len(), off.pages[0].text().as_str()), (1, "Name:"));
}

#[test]
fn a_scan_says_that_it_has_no_text_and_an_ocr_layer_that_it_is_one() {
    let picture = "q 500 0 0 500 50 50 cm BI /W 1 /H 1 /BPC 8 /CS /G ID \u{1} EI Q ";
    let layer = format!("{picture}BT /F1 10 Tf 3 Tr 1 0 0 1 60 500 Tm (Recognised words) Tj ET");
    let document = read(&document(&[picture, &layer, ""]));
    let pages = &document.pages;
    assert_eq!(
        (pages[0].text().as_str(), pages[0].warnings.as_slice()),
        ("", [Warning::NoTextLayer].as_slice())
    );
    assert_eq!(
        (pages[1].text().as_str(), pages[1].origin),
        ("Recognised words", Origin::Recognized)
    );
    assert_eq!(
        (pages[2].text().as_str(), pages[2].warnings.as_slice()),
        ("", [].as_slice())
    );
}

#[test]
fn files_that_are_no_documents_have_typed_errors() {
    let error = |bytes: &[u8]| parse(bytes, &Config::default()).unwrap_err();
    assert_eq!(error(b""), PdfError::Empty);
    assert_eq!(error(b"just some words"), PdfError::NotPdf);
    assert_eq!(error(b"%PDF-1.7\n").code(), "damaged");
    assert_eq!(error(&document(&[]).bytes()), PdfError::NoPages);
    let mut locked = document(&["x"]);
    locked.trailer = "/Encrypt<</Filter/Standard/V 2/R 3/Length 128/P -4/O<00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff>/U<00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff>>>/ID[<01><01>]".to_owned();
    assert_eq!(error(&locked.bytes()), PdfError::Encrypted);
}

#[test]
fn a_lost_cross_reference_table_is_rebuilt() {
    let mut bytes = document(&[&text(60.0, 100.0, "Still here")]).bytes();
    let table = memchr::memmem::rfind(&bytes, b"xref\n0").unwrap();
    bytes.truncate(table);
    bytes.extend_from_slice(b"trailer <</Root 1 0 R>>\nstartxref\n99999\n%%EOF");
    assert_eq!(
        parse(&bytes, &Config::default()).unwrap().pages[0].text(),
        "Still here"
    );
}

#[test]
fn a_cross_reference_table_that_leads_elsewhere_is_not_believed() {
    for wrong in [|_| 0, |offset| offset + 3, |_| 9_999_999_999] {
        let mut pdf = document(&[&text(60.0, 100.0, "Still here")]);
        pdf.offset = wrong;
        let document = read(&pdf);
        assert_eq!(document.pages[0].text(), "Still here", "{}", wrong(100));
    }
}

#[test]
fn a_page_tree_in_a_circle_ends() {
    let mut pdf = Pdf::default();
    pdf.add("<</Type/Catalog/Pages 2 0 R>>");
    pdf.add("<</Type/Pages/Kids[2 0 R 3 0 R 2 0 R 3 0 R]/Count 1000000/MediaBox[0 0 600 600]/Parent 2 0 R>>");
    pdf.add("<</Type/Page/Parent 2 0 R/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>");
    pdf.add_stream("", text(60.0, 100.0, "Once").as_bytes());
    pdf.add("<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>");
    let document = read(&pdf);
    assert_eq!(document.pages.len(), 1);
    assert_eq!(document.pages[0].text(), "Once");
}

/// Forms that each draw the next ten times, twelve deep.
#[test]
fn forms_that_multiply_are_refused_for_their_page_alone() {
    let mut pdf = document_with(&["/X0 Do", &text(60.0, 100.0, "Honest")], "", "");
    pdf.trailer.clear();
    let base = 9;
    let mut objects = String::new();
    for depth in 0..12 {
        let next = base + depth + 1;
        pdf.add_stream(
            &format!("/Type/XObject/Subtype/Form/BBox[0 0 600 600]/Resources<</XObject<</X {next} 0 R>>>>"),
            "/X Do ".repeat(10).as_bytes(),
        );
        objects = format!("/X0 {base} 0 R");
    }
    pdf.add_stream(
        "/Type/XObject/Subtype/Form/BBox[0 0 600 600]/Resources<</Font<</F1 3 0 R>>>>",
        text(60.0, 100.0, "multiplied").as_bytes(),
    );
    let bytes = pdf.bytes();
    let bytes = replaced(
        &bytes,
        "/Resources<</Font<</F1 3 0 R/F2 4 0 R>>>>",
        &format!("/Resources<</XObject<<{objects}>>/Font<</F1 3 0 R>>>>"),
    );
    let started = std::time::Instant::now();
    let document = parse(&bytes, &Config::default()).unwrap();
    assert!(started.elapsed().as_secs() < 3, "{:?}", started.elapsed());
    assert_eq!(document.pages[0].warnings, [Warning::PageTooComplex]);
    assert_eq!(document.pages[1].text(), "Honest");
}

/// Replaces every occurrence; the cross-reference table is then wrong, which readers repair.
fn replaced(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    let mut result = Vec::new();
    let mut rest = bytes;
    while let Some(at) = memchr::memmem::find(rest, from.as_bytes()) {
        result.extend_from_slice(&rest[..at]);
        result.extend_from_slice(to.as_bytes());
        rest = &rest[at + from.len()..];
    }
    result.extend_from_slice(rest);
    result
}

/// A page whose content unpacks to 64 MiB.
fn exploding() -> Pdf {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    for _ in 0..64 {
        encoder.write_all(&vec![b' '; 1 << 20]).unwrap();
    }
    let mut pdf = Pdf::default();
    pdf.add("<</Type/Catalog/Pages 2 0 R>>");
    pdf.add("<</Type/Pages/Kids[3 0 R]/Count 1/MediaBox[0 0 600 600]>>");
    pdf.add("<</Type/Page/Parent 2 0 R/Contents 4 0 R/Resources<<>>>>");
    pdf.add_stream("/Filter/FlateDecode", &encoder.finish().unwrap());
    pdf
}

#[test]
fn a_content_stream_that_explodes_is_refused() {
    assert_eq!(
        parse(&exploding().bytes(), &Config::default())
            .unwrap_err()
            .code(),
        "too-large"
    );
}

#[test]
fn deep_nesting_and_endless_text_end() {
    let nested = format!(
        "BT /F1 10 Tf {}(x){} TJ ET",
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    let saved = format!("{} {}", "q ".repeat(200_000), text(60.0, 100.0, "Deep"));
    let endless = format!(
        "BT /F1 1 Tf {} ET",
        "(abcdefghijklmnopqrstuvwxyz) Tj ".repeat(20_000)
    );
    let started = std::time::Instant::now();
    let document = read(&document(&[&nested, &saved, &endless]));
    assert!(started.elapsed().as_secs() < 5, "{:?}", started.elapsed());
    assert_eq!(document.pages[1].text(), "Deep");
    assert_eq!(document.pages[2].warnings, [Warning::PageTooComplex]);
}

#[test]
fn a_page_whose_content_is_broken_leaves_the_others() {
    let mut pdf = document(&[&text(60.0, 100.0, "Whole"), "", &text(60.0, 100.0, "Also whole")]);
    pdf.trailer.clear();
    let bytes = replaced(
        &pdf.bytes(),
        "<</Length 0>>stream",
        "<</Filter/NoSuch/Length 0>>stream",
    );
    let document = parse(&bytes, &Config::default()).unwrap();
    assert_eq!(document.pages[0].text(), "Whole");
    assert_eq!(
        (
            document.pages[1].text().as_str(),
            document.pages[1].warnings.as_slice()
        ),
        ("", [Warning::DamagedPage].as_slice())
    );
    assert_eq!(document.pages[2].text(), "Also whole");
}
