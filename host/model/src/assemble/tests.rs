use super::*;
use crate::reading::{TextOrigin, TextSpan};

fn info() -> PageInfo {
    PageInfo {
        label: None,
        size: None,
        origin: TextOrigin::Digital,
        warnings: vec![],
    }
}

fn block(kind: BlockKind, text: &str) -> NewBlock {
    NewBlock {
        kind,
        text: text.into(),
        fragments: vec![],
        table: None,
        image: None,
        region: None,
        confidence: None,
    }
}

fn cell(row: u32, column: u32, text: &str) -> NewCell {
    NewCell {
        row,
        column,
        row_span: 1,
        column_span: 1,
        header: false,
        text: text.into(),
        region: None,
    }
}

fn table(rows: u32, columns: u32, cells: Vec<NewCell>) -> NewBlock {
    NewBlock {
        table: Some(NewTable { rows, columns, cells }),
        ..block(BlockKind::Table, "")
    }
}

fn rule(result: Result<u32, AddError>) -> String {
    match result {
        Err(AddError::Broken(broken)) => broken.rule.to_owned(),
        Err(AddError::Exhausted { .. }) => "exhausted".to_owned(),
        Ok(_) => "ok".to_owned(),
    }
}

#[test]
fn every_range_is_its_text() {
    let mut builder = ReadingBuilder::new(1 << 20);
    let rect = Rect {
        left: 0.1,
        top: 0.1,
        right: 0.2,
        bottom: 0.2,
    };
    let fragments = ["Счёт ", "№\u{0}5"].map(|t| NewFragment {
        text: t.into(),
        region: rect,
        confidence: None,
    });
    let words = NewBlock {
        fragments: fragments.into(),
        ..block(BlockKind::Paragraph, "")
    };
    let cells = vec![cell(0, 0, "a"), cell(0, 1, "б"), cell(1, 1, "в")];
    let added = builder.add_page(
        info(),
        vec![block(BlockKind::Title, "Ta"), words, table(2, 2, cells)],
    );
    assert_eq!(added, Ok(0));
    let reading = builder.finish("text/plain");
    let page = &reading.pages[0];
    assert_eq!(page.text, "Ta\nСчёт №\u{fffd}5\na\tб\nв");
    let slice = |range| reading.slice(TextSpan { page: 0, range });
    assert_eq!(slice(page.blocks[1].fragments[1].range), Some("№\u{fffd}5"));
    let cells = &page.blocks[2]
        .table
        .as_ref()
        .map(|t| t.cells.clone())
        .unwrap_or_default();
    assert_eq!(
        cells.iter().filter_map(|c| slice(c.range)).collect::<Vec<_>>(),
        ["a", "б", "в"]
    );
    assert_eq!(page.regions(page.blocks[1].range), [rect]);
}

#[test]
fn broken_rules_are_named() {
    let mut b = ReadingBuilder::new(1 << 20);
    let overlap = table(
        2,
        1,
        vec![
            NewCell {
                row_span: 2,
                ..cell(0, 0, "")
            },
            cell(1, 0, ""),
        ],
    );
    assert_eq!(rule(b.add_page(info(), vec![overlap])), "cell-overlap");
    assert_eq!(
        rule(b.add_page(info(), vec![table(1, 1, vec![cell(0, 1, "")])])),
        "cell-outside"
    );
    assert_eq!(
        rule(b.add_page(info(), vec![table(1, 2, vec![cell(0, 1, ""), cell(0, 0, "")])])),
        "cell-order"
    );
    assert_eq!(
        rule(b.add_page(info(), vec![block(BlockKind::Table, "x")])),
        "table-block"
    );
    let huge = NewCell {
        column_span: 4_294_967_295,
        ..cell(0, 0, "")
    };
    assert_eq!(
        rule(b.add_page(info(), vec![table(1, u32::MAX, vec![huge])])),
        "table-size"
    );
    let nan = NewBlock {
        confidence: Some(f32::NAN),
        ..block(BlockKind::Code, "x")
    };
    assert_eq!(rule(b.add_page(info(), vec![nan])), "confidence");
    let flat = Rect {
        left: 0.5,
        top: 0.5,
        right: 0.5,
        bottom: 0.6,
    };
    assert_eq!(
        rule(b.add_page(
            info(),
            vec![NewBlock {
                region: Some(flat),
                ..block(BlockKind::Code, "x")
            }]
        )),
        "region"
    );
    assert_eq!(
        rule(b.add_page(
            info(),
            vec![NewBlock {
                image: Some(0),
                ..block(BlockKind::Figure, "")
            }]
        )),
        "image-number"
    );
    assert_eq!(
        rule(ReadingBuilder::new(100).add_page(info(), vec![block(BlockKind::Code, "x")])),
        "exhausted"
    );
}
