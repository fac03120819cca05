//! Tables and blocks beside each other.

use super::*;

#[test]
fn cells_of_tables() {
    let form = page(&[&[grid(
        &[
            &["Заявитель", "Ахметова Айгүл"],
            &["Дата выдачи", "2024 жылғы 12 наурыз"],
            &["Сумма", "12%", "1 000 ₸"],
        ],
        0,
    )]]);
    let json = r#"{"fields": [
        {"name": "who", "labels": ["Заявитель"]}, {"name": "issued", "type": "date", "labels": ["Дата выдачи"]},
        {"name": "sum", "type": "money", "labels": ["Сумма"]}
    ]}"#;
    let raws: Vec<_> = extract_from(form, json)
        .into_iter()
        .map(|field| field.raw)
        .collect();
    assert_eq!(
        raws,
        [
            Some("Ахметова Айгүл".into()),
            Some("2024 жылғы 12 наурыз".into()),
            Some("1 000 ₸".into())
        ]
    );

    let list = page(&[&[grid(
        &[
            &["Дата", "Номер", "Сумма"],
            &["01.02.2024", "5", "100,00"],
            &["НДС", "", "12,00"],
        ],
        1,
    )]]);
    let json = r#"{"fields": [
        {"name": "under", "type": "date", "labels": ["Дата"]},
        {"name": "vat", "type": "money", "cell": {"row": ["ндс"], "column": ["сумма"]}},
        {"name": "all", "type": "money", "cell": {"column": ["сумма"]}, "many": true}
    ]}"#;
    let fields = extract_from(list, json);
    let found: Vec<_> = fields
        .iter()
        .map(|field| (field.path.as_str(), field.raw.as_deref().unwrap()))
        .collect();
    assert_eq!(
        found,
        [
            ("under", "01.02.2024"),
            ("vat", "12,00"),
            ("all[0]", "100,00"),
            ("all[1]", "12,00")
        ]
    );
}

const LINES: &str = r#"{"currency": "KZT", "tables": [{"name": "lines", "columns": {
    "description": ["Наименование", "Description"],
    "quantity": {"headers": ["Кол-во", "Qty"], "type": "decimal"},
    "amount": {"headers": ["Сумма", "Amount"], "type": "money", "required": true}
}}]}"#;

#[test]
fn lines_of_a_table_that_goes_on() {
    let first: &[&[&str]] = &[
        &["№", "Наименование товара", "Кол-во", "Цена", "Сумма, тг"],
        &["1", "2", "3", "4", "5"],
        &["1", "Бумага A4", "10", "2 500,00", "25 000,00"],
        &["", "продолжение", "", "", ""],
    ];
    let second: &[&[&str]] = &[
        &["2", "Ручка", "нет", "50", "1 250,00"],
        &["Итого", "", "", "", "26 250,00"],
        &["3", "не строка", "1", "1", "1"],
    ];
    let fields = extract_from(page(&[&[grid(first, 1)], &[grid(second, 0)]]), LINES);
    let value = |path: &str| {
        fields
            .iter()
            .find(|field| field.path == path)
            .and_then(|field| field.value.clone())
    };
    assert_eq!(fields.len(), 6, "{fields:#?}");
    assert_eq!(
        value("lines[0].description"),
        Some(Value::Text("Бумага A4".to_owned()))
    );
    assert_eq!(
        value("lines[0].amount"),
        Some(Value::money("25000.00", Some("KZT")))
    );
    assert_eq!(
        value("lines[1].amount"),
        Some(Value::money("1250.00", Some("KZT")))
    );
    let odd = fields
        .iter()
        .find(|field| field.path == "lines[1].quantity")
        .unwrap();
    assert_eq!((odd.value.clone(), odd.raw.as_deref()), (None, Some("нет")));
}

#[test]
fn a_block_on_the_right_and_a_column_of_values() {
    let line = |text: &str, left: f32, top: f32| Fragment {
        text: format!("{text}\n"),
        region: Rect {
            left,
            top,
            right: left + 0.2,
            bottom: top + 0.02,
        },
        confidence: None,
    };
    let column = |lines: &[&str], left: f32| {
        let fragments = lines
            .iter()
            .enumerate()
            .map(|(row, text)| line(text, left, 0.1 + 0.05 * row as f32))
            .collect();
        Block::of_fragments(BlockKind::Paragraph, fragments).at(Rect {
            left,
            top: 0.1,
            right: left + 0.2,
            bottom: 0.3,
        })
    };
    let reading = page(&[&[
        column(&["Номер", "Дата", "Сумма"], 0.1),
        column(&["17", "12.03.2024", "1 000 KZT"], 0.5),
    ]]);
    let json = r#"{"fields": [
        {"name": "number", "labels": ["Номер"]}, {"name": "date", "type": "date", "labels": ["Дата"]},
        {"name": "sum", "type": "money", "labels": ["Сумма"]}
    ]}"#;
    let found: Vec<_> = extract_from(reading, json)
        .into_iter()
        .map(|f| (f.raw.unwrap(), f.confidence.unwrap()))
        .collect();
    assert_eq!(
        found,
        [
            ("17".to_owned(), 0.9),
            ("12.03.2024".to_owned(), 0.9),
            ("1 000 KZT".to_owned(), 0.9)
        ]
    );
}

#[test]
fn merged_cells_are_read_once() {
    let cells = vec![
        Cell {
            header: true,
            ..Cell::new(0, 0, "Description")
        },
        Cell {
            header: true,
            ..Cell::new(0, 1, "Amount")
        },
        Cell {
            row_span: 2,
            ..Cell::new(1, 0, "Set")
        },
        Cell::new(1, 1, "5"),
        Cell::new(2, 1, "7"),
    ];
    let reading = page(&[&[Block::table(Table {
        rows: 3,
        columns: 2,
        cells,
    })]]);
    let fields = extract_from(reading, LINES);
    let amounts: Vec<_> = fields
        .iter()
        .filter(|field| field.path.ends_with("amount"))
        .filter_map(|f| f.raw.clone())
        .collect();
    assert_eq!(amounts, ["5", "7"]);
}

#[test]
fn every_reading_of_a_role_is_searched() {
    let bill = |rows: &[&[&str]], line: &str| page(&[&[Block::paragraph(line), grid(rows, 1)]]);
    let first = bill(&[&["Товар", "Сумма"], &["Бумага", "100,00"]], "Итог 10 20");
    let second = bill(
        &[&["Товар", "Сумма"], &["Ручка", "200,00"], &["Мел", "300,00"]],
        "Итог: 7 $",
    );
    let inputs = Inputs::new()
        .with_reading("bill", first)
        .with_reading("bill", second);
    let json = r#"{"input": "bill", "fields": [{"name": "total", "type": "money", "labels": ["Итог"]}],
        "tables": [{"name": "lines", "columns": {"what": ["Товар"], "sum": {"headers": ["Сумма"], "type": "money"}}}]}"#;
    let fields = Patterns::extract(inputs, config(json)).unwrap();
    let found: Vec<_> = fields
        .iter()
        .map(|field| (field.path.as_str(), field.raw.as_deref().unwrap()))
        .collect();
    assert_eq!(
        found,
        [
            ("total", "7 $"),
            ("lines[0].sum", "100,00"),
            ("lines[0].what", "Бумага"),
            ("lines[1].sum", "200,00"),
            ("lines[1].what", "Ручка"),
            ("lines[2].sum", "300,00"),
            ("lines[2].what", "Мел"),
        ]
    );
}

/// Readings may hold other text at the same place.
#[test]
fn evidence_comes_from_the_reading_of_the_value() {
    let inputs = Inputs::new()
        .with_reading("bill", page(&[&[Block::paragraph("Итог: 111")]]))
        .with_reading("bill", page(&[&[Block::paragraph("Итог: 7 $")]]));
    let json = r#"{"input": "bill", "fields": [{"name": "total", "type": "money", "labels": ["Итог"]}]}"#;
    let field = Patterns::extract(inputs, config(json)).unwrap().remove(0);
    assert_eq!(field.value, Some(Value::money("7", Some("USD"))));
    assert_eq!(field.raw.as_deref(), Some("7 $"));
}
