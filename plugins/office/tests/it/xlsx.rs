//! Workbooks built here: what Excel would display, and where.

use docmill_office::{Config, Locale};

use crate::build::{Sheet, xlsx};
use crate::read::{outline, read, try_read};

const STYLES: &str = r##"
    <numFmts><numFmt numFmtId="164" formatCode="#,##0.00\ &quot;₸&quot;"/><numFmt numFmtId="165" formatCode="[$-419]d\ mmmm\ yyyy"/></numFmts>
    <fonts><font/><font><b/></font></fonts>
    <cellStyleXfs><xf numFmtId="10" fontId="1"/></cellStyleXfs>
    <cellXfs><xf numFmtId="0" fontId="0"/><xf numFmtId="14"/><xf numFmtId="164"/><xf numFmtId="10"/><xf numFmtId="0" fontId="1"/><xf numFmtId="165"/></cellXfs>"##;

fn sheet(xml: &str) -> Vec<u8> {
    xlsx(
        &[Sheet {
            name: "Лист1",
            state: "visible",
            xml,
        }],
        STYLES,
        "<si><t>Счёт</t></si><si><r><t xml:space=\"preserve\">№ </t></r><r><t>5</t></r><rPh><t>x</t></rPh></si>",
        "",
    )
}

fn blocks(xml: &str) -> Vec<String> {
    outline(&read(&sheet(xml)), 0)
}

#[test]
fn values_as_displayed() {
    let xml = r#"<sheetData>
        <row r="1"><c r="A1" t="s"><v>0</v></c><c r="B1" t="s"><v>1</v></c></row>
        <row r="2"><c r="A2" t="inlineStr"><is><t>Дата</t></is></c><c r="B2" s="1"><v>46347</v></c></row>
        <row r="3"><c r="A3" t="str"><f>"С"&amp;"умма"</f><v>Сумма</v></c><c r="B3" s="2"><v>1234567.5</v></c></row>
        <row><c t="inlineStr"><is><t>Ставка</t></is></c><c s="3"><v>0.12</v></c></row>
        <row r="5"><c r="A5" t="inlineStr"><is><t>БИН</t></is></c><c r="B5"><v>990540012345</v></c></row>
        <row r="6"><c r="A6" t="inlineStr"><is><t>Срок</t></is></c><c r="B6" s="5"><v>46347</v></c></row>
        <row r="7"><c r="A7" t="b"><v>1</v></c><c r="B7" t="e"><v>#DIV/0!</v></c></row>
        <row r="8"><c r="A8" t="d"><v>2026-11-21T10:00:00</v></c><c r="B8" s="99"><v>1e-3</v></c></row>
        </sheetData>"#;
    assert_eq!(
        blocks(xml),
        [
            "table 8×2: [0,0]Счёт [0,1]№ 5 [1,0]Дата [1,1]2026-11-21 [2,0]Сумма [2,1]1 234 567.50 ₸ [3,0]Ставка [3,1]12.00% [4,0]БИН [4,1]990540012345 [5,0]Срок [5,1]21 ноября 2026 [6,0]TRUE [6,1]#DIV/0! [7,0]2026-11-21T10:00:00 [7,1]0.001"
        ]
    );
    let russian = try_read(
        &sheet(xml),
        Config {
            locale: Locale::Ru,
            ..Config::default()
        },
    )
    .unwrap();
    assert!(
        outline(&russian, 0)[0]
            .contains("[1,1]21.11.2026 [2,0]Сумма [2,1]1 234 567,50 ₸ [3,0]Ставка [3,1]12,00%")
    );
}

#[test]
fn a_form_keeps_labels_beside_their_values() {
    let text =
        |place: &str, text: &str| format!("<c r=\"{place}\" t=\"inlineStr\"><is><t>{text}</t></is></c>");
    let rows = [
        format!("<row r=\"1\">{}</row>", text("B1", "СЧЁТ НА ОПЛАТУ")),
        format!(
            "<row r=\"3\">{}{}</row>",
            text("B3", "Поставщик:"),
            text("F3", "ТОО «Ромашка»")
        ),
        format!(
            "<row r=\"4\">{}{}</row>",
            text("B4", "БИН:"),
            text("F4", "990540012345")
        ),
        format!(
            "<row r=\"9\">{}{}{}</row>",
            text("B9", "Товар"),
            text("C9", "Цена"),
            text("D9", "Сумма")
        ),
        format!(
            "<row r=\"10\">{}<c r=\"C10\"><v>5</v></c><c r=\"D10\" s=\"2\"><v>50</v></c></row>",
            text("B10", "Ручка")
        ),
        format!("<row r=\"12\">{}</row>", text("B12", "Итого: пятьдесят тенге")),
    ];
    let xml = format!(
        "<dimension ref=\"A1:XFD1048576\"/><sheetData>{}</sheetData><mergeCells><mergeCell ref=\"B1:H1\"/><mergeCell ref=\"B3:E3\"/></mergeCells>",
        rows.concat()
    );
    assert_eq!(
        blocks(&xml),
        [
            "paragraph: СЧЁТ НА ОПЛАТУ",
            "table 2×2: [0,0]Поставщик: [0,1]ТОО «Ромашка» [1,0]БИН: [1,1]990540012345",
            "table 2×3: [0,0]*Товар [0,1]*Цена [0,2]*Сумма [1,0]Ручка [1,1]5 [1,2]50.00 ₸",
            "paragraph: Итого: пятьдесят тенге",
        ]
    );
}

#[test]
fn merged_regions_and_tables_side_by_side() {
    let cell = |place: &str, value: u32| format!("<c r=\"{place}\"><v>{value}</v></c>");
    let row = |r: u32, cells: &[(&str, u32)]| {
        format!(
            "<row r=\"{r}\">{}</row>",
            cells
                .iter()
                .map(|(place, value)| cell(place, *value))
                .collect::<String>()
        )
    };
    let xml = format!(
        "<sheetData>{}{}{}</sheetData><mergeCells><mergeCell ref=\"A1:A2\"/><mergeCell ref=\"B2:B3\"/><mergeCell ref=\"B3:C4\"/><mergeCell ref=\"E1:F1\"/></mergeCells>",
        row(1, &[("A1", 1), ("B1", 2), ("E1", 3), ("F1", 99)]),
        row(2, &[("A2", 99), ("B2", 4), ("E2", 5), ("F2", 6)]),
        row(3, &[("A3", 7), ("B3", 99), ("E3", 8), ("F3", 9)]),
    );
    let reading = read(&sheet(&xml));
    assert_eq!(
        outline(&reading, 0),
        [
            "table 3×2: [0+2,0]1 [0,1]2 [1+2,1]4 [2,0]7",
            "paragraph: 3",
            "table 2×2: [0,0]5 [0,1]6 [1,0]8 [1,1]9"
        ]
    );
    assert_eq!(reading.page(0).unwrap().warnings, ["merged-regions-ignored"]);
}

#[test]
fn every_sheet_is_a_page_and_says_what_is_hidden() {
    let one = "<sheetData><row r=\"1\"><c r=\"A1\"><v>1</v></c></row></sheetData>";
    let hidden = "<cols><col min=\"2\" max=\"3\" hidden=\"1\"/></cols><sheetData><row r=\"1\" hidden=\"1\"><c r=\"A1\"><v>1</v></c><c r=\"C1\"><f>A1</f></c><c r=\"B1\"><v>2</v></c></row></sheetData>";
    let sheets = [
        Sheet {
            name: "Данные &amp; итоги",
            state: "visible",
            xml: one,
        },
        Sheet {
            name: "Тайна",
            state: "veryHidden",
            xml: hidden,
        },
        Sheet {
            name: "Пусто",
            state: "visible",
            xml: "<sheetData/>",
        },
    ];
    let reading = read(&xlsx(&sheets, STYLES, "", "<workbookPr date1904=\"1\"/>"));
    let pages: Vec<_> = (0..3).map(|page| reading.page(page).unwrap()).collect();
    assert_eq!(pages[0].label.as_deref(), Some("Данные & итоги"));
    assert_eq!(pages[0].warnings, [""; 0]);
    assert_eq!(
        pages[1].warnings,
        [
            "hidden-sheet",
            "hidden-rows",
            "formula-without-value",
            "hidden-columns"
        ]
    );
    assert_eq!(outline(&reading, 1), ["table 1×2: [0,0]1 [0,1]2"]);
    assert_eq!(
        (pages[2].label.as_deref(), reading.text(2).unwrap().as_str()),
        (Some("Пусто"), "")
    );

    let epoch = xlsx(
        &[Sheet {
            name: "s",
            state: "visible",
            xml: "<sheetData><row r=\"1\"><c r=\"A1\" s=\"1\"><v>0</v></c></row></sheetData>",
        }],
        STYLES,
        "",
        "<workbookPr date1904=\"1\"/>",
    );
    assert_eq!(outline(&read(&epoch), 0), ["paragraph: 1904-01-01"]);
}

/// The same values as a reader that shares no code with ours.
#[test]
fn agrees_with_calamine() {
    use calamine::{Reader, Xlsx};
    let rows: String = (1..200)
        .map(|r| format!("<row r=\"{r}\"><c r=\"A{r}\"><v>{}</v></c><c r=\"C{r}\" t=\"inlineStr\"><is><t>строка {r}</t></is></c><c r=\"E{r}\"><v>{}</v></c></row>", r * 37, f64::from(r) / 8.0))
        .collect();
    let bytes = sheet(&format!(
        "<dimension ref=\"A1:E199\"/><sheetData>{rows}</sheetData>"
    ));
    let mut theirs = Xlsx::new(std::io::Cursor::new(bytes.clone())).unwrap_or_else(|_| std::process::abort());
    let range = theirs.worksheet_range("Лист1").unwrap_or_default();
    let expected: Vec<String> = range
        .used_cells()
        .map(|(_, _, value)| value.to_string())
        .collect();
    let reading = read(&bytes);
    let ours: Vec<String> = reading
        .blocks(0)
        .unwrap()
        .into_iter()
        .filter_map(|block| block.table)
        .flat_map(|table| table.cells)
        .map(|cell| cell.text)
        .collect();
    assert_eq!(expected.len(), 597);
    assert_eq!(ours, expected);
}
