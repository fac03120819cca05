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

/// Tables of random cells, held against a grid in which every place is marked.
#[test]
fn overlaps_are_found_as_in_a_grid() {
    let mut state = 7_u32;
    let mut random = |below: u32| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) % below
    };
    let mut seen = [0, 0];
    for _ in 0..3_000 {
        let mut cells = Vec::new();
        for place in 0..36 {
            if random(4) == 0 {
                let (row, column) = (place / 6, place % 6);
                cells.push(NewCell {
                    row_span: 1 + random((6 - row).min(3)),
                    column_span: 1 + random((6 - column).min(3)),
                    ..cell(row, column, "")
                });
            }
        }
        let mut grid = std::collections::HashSet::new();
        let free = cells.iter().all(|c| {
            let rows = c.row..c.row + c.row_span;
            rows.flat_map(|row| (c.column..c.column + c.column_span).map(move |column| (row, column)))
                .all(|place| grid.insert(place))
        });
        let found = ReadingBuilder::new(1 << 20).add_page(info(), vec![table(6, 6, cells)]);
        assert_eq!(rule(found), if free { "ok" } else { "cell-overlap" });
        seen[usize::from(free)] += 1;
    }
    assert!(seen.iter().all(|n| *n > 100), "{seen:?}");
}

#[test]
fn places_are_counted_over_the_tables_of_a_page() {
    let wide = |columns: u32| {
        let cell = NewCell {
            column_span: columns,
            ..cell(0, 0, "")
        };
        table(1, columns, vec![cell])
    };
    let add = |blocks| rule(ReadingBuilder::new(1 << 20).add_page(info(), blocks));
    assert_eq!(add(vec![wide(2_000_000), wide(2_000_000)]), "ok");
    assert_eq!(add(vec![wide(2_000_000), wide(2_000_001)]), "table-size");
    // What a cell costs does not depend on what it spans: these are 120 million places.
    let begun = std::time::Instant::now();
    for _ in 0..30 {
        assert_eq!(add(vec![wide(4_000_000)]), "ok");
    }
    assert!(begun.elapsed() < std::time::Duration::from_secs(1));
}

#[test]
fn everything_that_a_page_says_is_charged_and_bounded() {
    let used = |info: PageInfo, kind: BlockKind| {
        let mut builder = ReadingBuilder::new(1 << 20);
        let added = rule(builder.add_page(info, vec![block(kind, "")]));
        (added, builder.used())
    };
    let plain = used(info(), BlockKind::Code).1;
    let kind = |length: usize| used(info(), BlockKind::Other("k".repeat(length)));
    assert_eq!(kind(60), ("ok".to_owned(), plain + 60));
    assert_eq!(kind(61).0, "block-kind");
    let labelled = PageInfo {
        label: Some("ы".repeat(1_000)),
        warnings: vec!["w\0".repeat(1_000); 1_000],
        ..info()
    };
    let text = 200 + 64 * 200;
    assert_eq!(
        used(labelled.clone(), BlockKind::Code),
        ("ok".to_owned(), plain + text + 65 * size_of::<String>())
    );

    let mut builder = ReadingBuilder::new(1 << 20);
    assert_eq!(rule(builder.add_page(labelled, vec![])), "ok");
    let before = builder.used();
    let attachment = |media_type: String| Attachment {
        name: String::new(),
        media_type,
        content: vec![],
    };
    assert!(builder.add_attachment(attachment("m".repeat(10_000))).is_ok());
    assert_eq!(builder.used() - before, NODE_BYTES + 200);
    let reading = builder.finish("text/plain");
    let info = &reading.pages[0].info;
    assert_eq!(info.label.as_ref().map(String::len), Some(200));
    assert_eq!((info.warnings.len(), info.warnings.capacity()), (64, 64));
    assert!(info.warnings.iter().all(|w| w.len() <= 200 && !w.contains('\0')));
    assert_eq!(reading.attachments[0].media_type.len(), 200);
}
