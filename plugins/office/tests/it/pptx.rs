//! Presentations built here: which page has what, as what, and where.

use docmill_office::Config;
use docmill_plugin::Rect;

use crate::deck::{Deck, Slide, empty_tc, frame, group, paragraph, pptx, shape, slide, tc, text_box, xfrm};
use crate::read::{outline, read, try_read};

fn blocks(shapes: &str) -> Vec<String> {
    outline(&read(&pptx(&[slide(shapes)])), 0)
}

fn regions(bytes: &[u8]) -> Vec<Option<String>> {
    let blocks = read(bytes).blocks(0).unwrap();
    let shown = |r: Rect| {
        let [left, top, right, bottom] = [r.left, r.top, r.right, r.bottom].map(|x| (x * 1000.0).round());
        format!("{left} {top} {right} {bottom}")
    };
    blocks.into_iter().map(|block| block.region.map(shown)).collect()
}

#[test]
fn pages_come_in_the_order_of_the_presentation() {
    let shapes = ["eins", "zwei", "drei"].map(text_box);
    let slides = shapes.each_ref().map(|shapes| slide(shapes));
    let hidden = Slide {
        attributes: "show=\"0\"",
        ..slides[1].clone()
    };
    let reading = read(&pptx(&[slides[0].clone(), hidden, slides[2].clone()]));
    let pages: Vec<_> = (0..3).map(|page| reading.page(page).unwrap()).collect();
    let texts: Vec<_> = (0..3).map(|page| reading.text(page).unwrap()).collect();
    assert_eq!(texts, ["eins", "zwei", "drei"]);
    let labels: Vec<_> = pages.iter().map(|page| page.label.as_deref().unwrap()).collect();
    assert_eq!(labels, ["1", "2", "3"]);
    assert_eq!(pages[1].warnings, ["hidden-slide"]);
    assert_eq!(pages[0].warnings, [""; 0]);
    let size = pages[0].size.unwrap();
    assert_eq!((size.width, size.height), (1000.0, 500.0));
    assert_eq!(reading.language().as_deref(), Some("en"));
}

#[test]
fn titles_stand_before_what_lies_below_them() {
    let shapes = [
        text_box("drawn first"),
        shape(
            Some("type=\"ctrTitle\""),
            "",
            &(paragraph("", "Годовой") + &paragraph("", "отчёт")),
        ),
        shape(
            Some("type=\"subTitle\" idx=\"1\""),
            "",
            &paragraph("", "за 2026 год"),
        ),
        shape(Some("type=\"sldNum\" idx=\"12\""), "", &paragraph("", "7")),
        shape(
            Some("type=\"ftr\" idx=\"11\""),
            "",
            &paragraph("", "АО «Ромашка»"),
        ),
        text_box("drawn last"),
    ]
    .concat();
    let second = shape(Some("type=\"title\""), "", &paragraph("", "Итоги"));
    let third = shape(Some("type=\"ctrTitle\""), "", &paragraph("", "Спасибо!"));
    let bytes = pptx(&[slide(&shapes), slide(&second), slide(&third)]);
    let reading = read(&bytes);
    assert_eq!(
        outline(&reading, 0),
        [
            "title: Годовой\nотчёт",
            "paragraph: drawn first",
            "paragraph: за 2026 год",
            "paragraph: drawn last",
            "footer: АО «Ромашка»"
        ]
    );
    assert_eq!(outline(&reading, 1), ["heading(1): Итоги"]);
    assert_eq!(outline(&reading, 2), ["heading(1): Спасибо!"]);
    let without = Config {
        headers: false,
        ..Config::default()
    };
    assert_eq!(outline(&try_read(&bytes, without).unwrap(), 0).len(), 4);
}

#[test]
fn lists_by_own_and_by_inherited_bullets() {
    let auto = |level: u8, kind: &str, text: &str| {
        paragraph(
            &format!("<a:pPr lvl=\"{level}\"><a:buAutoNum type=\"{kind}\"/></a:pPr>"),
            text,
        )
    };
    let own = [
        auto(0, "arabicPeriod", "раз"),
        auto(1, "alphaLcParenR", "внутри"),
        auto(1, "alphaLcParenR", "внутри"),
        auto(0, "arabicPeriod", "два"),
        paragraph("<a:pPr><a:buChar char=\"•\"/></a:pPr>", "точка"),
        paragraph(
            "<a:pPr><a:buAutoNum type=\"romanUcParenBoth\" startAt=\"4\"/></a:pPr>",
            "снова",
        ),
        paragraph("", "вне списка"),
        "<a:p><a:pPr><a:buChar char=\"•\"/></a:pPr></a:p>".to_owned(),
    ];
    assert_eq!(
        blocks(&shape(None, "", &own.concat())),
        [
            "listitem(0): 1. раз",
            "listitem(1): a) внутри",
            "listitem(1): b) внутри",
            "listitem(0): 2. два",
            "listitem(0): точка",
            "listitem(0): (IV) снова",
            "paragraph: вне списка"
        ]
    );
    let body = [
        paragraph("", "first"),
        paragraph("<a:pPr lvl=\"1\"/>", "second"),
        paragraph("<a:pPr lvl=\"2\"/>", "third"),
        paragraph("<a:pPr><a:buNone/></a:pPr>", "none"),
    ]
    .concat();
    let layout_style = "<a:lstStyle><a:lvl3pPr><a:buNone/></a:lvl3pPr></a:lstStyle>";
    let bytes = Deck {
        slides: &[slide(&shape(Some("idx=\"1\""), "", &body))],
        layout: &shape(Some("type=\"body\" idx=\"1\""), "", layout_style),
        master: (
            "",
            "<p:titleStyle/><p:bodyStyle><a:lvl1pPr><a:buChar char=\"•\"/></a:lvl1pPr><a:lvl2pPr><a:buFont typeface=\"Arial\"/><a:buChar char=\"–\"/></a:lvl2pPr><a:lvl3pPr><a:buChar char=\"•\"/></a:lvl3pPr></p:bodyStyle>",
        ),
        ..Deck::default()
    }
    .bytes();
    assert_eq!(
        outline(&read(&bytes), 0),
        [
            "listitem(0): first",
            "listitem(1): second",
            "paragraph: third",
            "paragraph: none"
        ]
    );
}

#[test]
fn merged_and_framing_tables() {
    let grid = "<a:tblPr firstRow=\"1\"/><a:tblGrid><a:gridCol w=\"100\"/><a:gridCol w=\"100\"/><a:gridCol w=\"200\"/></a:tblGrid>";
    let rows = format!(
        "<a:tr h=\"50\">{}{}{}</a:tr><a:tr h=\"25\">{}{}{}</a:tr><a:tr h=\"25\">{}{}{}</a:tr>",
        tc("gridSpan=\"2\"", "Товар"),
        empty_tc("hMerge=\"1\""),
        tc("", "Сумма"),
        tc("rowSpan=\"2\"", "Бумага"),
        tc("", "А4"),
        tc("", "1 500,00"),
        empty_tc("vMerge=\"1\""),
        tc("", "А3"),
        empty_tc(""),
    );
    let table = frame([0, 0, 1000, 250], &format!("<a:tbl>{grid}{rows}</a:tbl>"));
    let framed = frame(
        [0, 0, 9, 9],
        &format!("<a:tbl><a:tr>{}</a:tr></a:tbl>", tc("", "один")),
    );
    let nothing = frame(
        [0, 0, 9, 9],
        &format!("<a:tbl><a:tr>{0}{0}</a:tr></a:tbl>", empty_tc("")),
    );
    let bytes = pptx(&[slide(&(table + &framed + &nothing))]);
    assert_eq!(
        outline(&read(&bytes), 0),
        [
            "table 3×3: [0,0+2]*Товар [0,2]*Сумма [1+2,0]Бумага [1,1]А4 [1,2]1 500,00 [2,1]А3",
            "paragraph: один"
        ]
    );
    let blocks = read(&bytes).blocks(0).unwrap();
    let cells = &blocks[0].table.as_ref().unwrap().cells;
    let region = |cell: usize| {
        let r = cells[cell].region.unwrap();
        [r.left, r.top, r.right, r.bottom]
    };
    assert_eq!(region(0), [0.0, 0.0, 0.5, 0.25]);
    assert_eq!(region(2), [0.0, 0.25, 0.25, 0.5]);
    assert_eq!(region(5), [0.25, 0.375, 0.5, 0.5]);
}

#[test]
fn places_of_own_inherited_grouped_and_turned_shapes() {
    let at = |properties: &str| shape(None, properties, &paragraph("", "x"));
    let title = shape(Some("type=\"title\""), "", &paragraph("", "t"));
    let body = shape(Some("idx=\"1\""), "", &paragraph("", "b"));
    let shapes = [
        title,
        body,
        at(&xfrm("", [100, 50, 200, 100])),
        at(&xfrm("rot=\"5400000\"", [100, 50, 200, 100])),
        group(
            "",
            [500, 0, 500, 250],
            [0, 0, 1000, 1000],
            &at(&xfrm("", [0, 500, 1000, 500])),
        ),
        group(
            "flipH=\"1\"",
            [500, 0, 500, 250],
            [0, 0, 1000, 1000],
            &at(&xfrm("", [0, 0, 100, 1000])),
        ),
        at(&xfrm("", [900, 400, 400, 400])),
        at(""),
    ]
    .concat();
    let bytes = Deck {
        slides: &[slide(&shapes)],
        layout: &shape(
            Some("type=\"body\" idx=\"1\""),
            &xfrm("", [0, 250, 1000, 250]),
            "",
        ),
        master: (
            &shape(Some("type=\"title\""), &xfrm("", [0, 0, 1000, 50]), ""),
            "",
        ),
        ..Deck::default()
    }
    .bytes();
    let expected = [
        "0 0 1000 100",
        "0 500 1000 1000",
        "100 100 300 300",
        "150 0 250 400",
        "500 250 1000 500",
        "950 0 1000 500",
        "900 800 1000 1000",
    ];
    let mut expected: Vec<_> = expected.map(|region| Some(region.to_owned())).to_vec();
    expected.push(None);
    assert_eq!(regions(&bytes), expected);
    let beside = pptx(&[slide(&at(&xfrm("", [1200, 0, 100, 100])))]);
    assert_eq!(regions(&beside), [None]);
    assert_eq!(read(&beside).page(0).unwrap().warnings, ["text-beside-slide"]);
}

#[test]
fn notes_stand_behind_their_slide() {
    let notes = [
        shape(Some("type=\"sldImg\""), "", ""),
        shape(
            Some("type=\"body\" idx=\"1\""),
            "",
            &(paragraph("", "Сказать о планах") + &paragraph("", "и о людях")),
        ),
        shape(Some("type=\"sldNum\" idx=\"10\""), "", &paragraph("", "1")),
        shape(Some("type=\"dt\" idx=\"3\""), "", &paragraph("", "01.02.2026")),
    ]
    .concat();
    let shown = text_box("slide");
    let bytes = pptx(&[Slide {
        notes: Some(&notes),
        ..slide(&shown)
    }]);
    assert_eq!(
        outline(&read(&bytes), 0),
        [
            "paragraph: slide",
            "other(\"speaker-notes\"): Сказать о планах",
            "other(\"speaker-notes\"): и о людях"
        ]
    );
    let without = Config {
        notes: false,
        ..Config::default()
    };
    assert_eq!(
        outline(&try_read(&bytes, without).unwrap(), 0),
        ["paragraph: slide"]
    );
}
