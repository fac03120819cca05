#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use super::*;
use docmill_plugin::prelude::{Cell, Fragment};
use serde::Deserialize;

fn config(json: &str) -> Config {
    serde_json::from_str(json).unwrap()
}

/// Runs the plugin and holds every field to its promise: the quote is the text at its place and contains the raw value.
fn extract_from(reading: Reading, json: &str) -> Vec<Field> {
    let fields = Patterns::extract(Inputs::new().with_main(reading.clone()), config(json)).unwrap();
    for field in &fields {
        for citation in &field.citations {
            let span = Span {
                page: citation.page,
                range: citation.range.unwrap(),
            };
            assert_eq!(reading.slice(span).unwrap(), citation.quote, "{field:?}");
            assert!(
                citation.quote.contains(field.raw.as_deref().unwrap()),
                "{field:?}"
            );
        }
        assert_eq!(field.value.is_some(), field.confidence.is_some(), "{field:?}");
        assert!(
            field
                .confidence
                .is_none_or(|confidence| (0.0..=1.0).contains(&confidence)),
            "{field:?}"
        );
    }
    fields
}

fn extract(text: &str, json: &str) -> Vec<Field> {
    extract_from(Reading::of_pages(text.split('\u{C}')), json)
}

fn raw(text: &str, json: &str) -> Option<String> {
    extract(text, json).remove(0).raw
}

fn grid(rows: &[&[&str]], headers: u32) -> Block {
    Block::table(Table::from_rows(
        rows.iter().map(|row| row.iter().copied()),
        headers,
    ))
}

fn page(blocks: &[&[Block]]) -> Reading {
    let builder = ReadingBuilder::new();
    for blocks in blocks {
        builder.add_page(&PageInfo::digital(), blocks).unwrap();
    }
    builder.into_reading()
}

const INVOICE: &str = "СЧЁТ НА ОПЛАТУ № АБ-17/3 от «12» марта 2024 г.\n\
    Поставщик: ТОО «Альфа Плюс», БИН 980540000397\n\
    Покупатель:\n\
    АО «Бета»\n\
    Сумма без НДС: 22 321,43\n\
    НДС (12%): 2 678,57 ₸\n\
    Итого к оплате: 25 000,00 (двадцать пять тысяч) тенге\n\
    Оплачено: нет";

#[test]
fn an_invoice_in_russian() {
    let fields = extract(
        INVOICE,
        r#"{"currency": "KZT", "fields": [
            {"name": "number", "type": "identifier", "labels": ["счет на оплату №"]},
            {"name": "date", "type": "date", "labels": ["от"]},
            {"name": "seller.name", "labels": ["Поставщик"], "pattern": "[^,]+"},
            {"name": "seller.bin", "type": "identifier", "labels": ["БИН"], "check": "bin"},
            {"name": "buyer", "labels": ["Покупатель"]},
            {"name": "net", "type": "money", "labels": ["Сумма без НДС"]},
            {"name": "vat", "type": "money", "labels": ["НДС"]},
            {"name": "total", "type": "money", "labels": ["Итого"]},
            {"name": "paid", "type": "boolean", "labels": ["Оплачено"]},
            {"name": "discount", "type": "money", "labels": ["Скидка"], "required": true}
        ]}"#,
    );
    let value = |name: &str| {
        fields
            .iter()
            .find(|field| field.path == name)
            .unwrap()
            .value
            .clone()
    };
    let tenge = |amount: &str| Some(Value::money(amount, Some("KZT")));
    let text = |text: &str| Some(Value::Text(text.to_owned()));
    assert_eq!(value("number"), text("АБ-17/3"));
    assert_eq!(value("date"), Some(Value::Date("2024-03-12".to_owned())));
    assert_eq!(value("seller.name"), text("ТОО «Альфа Плюс»"));
    assert_eq!(value("seller.bin"), text("980540000397"));
    assert_eq!(value("buyer"), text("АО «Бета»"));
    assert_eq!(value("net"), tenge("22321.43"));
    assert_eq!(value("vat"), tenge("2678.57"));
    assert_eq!(value("total"), tenge("25000.00"));
    assert_eq!(value("paid"), Some(Value::Boolean(false)));
    assert_eq!(value("discount"), None);
    let sure = |name: &str| {
        fields
            .iter()
            .find(|field| field.path == name)
            .unwrap()
            .confidence
            .unwrap()
    };
    assert_eq!(
        (sure("net"), sure("seller.bin"), sure("buyer")),
        (0.95, 0.975, 0.85)
    );
    assert_eq!(
        sure("total"),
        0.665,
        "two words stand between the label and the amount"
    );
}

#[test]
fn a_label_inside_a_longer_one_does_not_count() {
    let json = r#"{"fields": [
        {"name": "date", "type": "date", "labels": ["Дата"]},
        {"name": "birth", "type": "date", "labels": ["Дата рождения"]}
    ]}"#;
    let fields = extract("Дата рождения: 01.02.1990\nДата: 05.06.2024", json);
    assert_eq!(fields[0].raw.as_deref(), Some("05.06.2024"));
    assert_eq!(fields[1].raw.as_deref(), Some("01.02.1990"));
    let alone = extract("Дата рождения: 01.02.1990", json);
    assert_eq!(alone[0].raw, None);
    let text = r#"{"fields": [{"name": "place", "labels": ["Место"]}]}"#;
    let unsure = extract("Место рождения: Алматы", text)
        .remove(0)
        .confidence
        .unwrap();
    let sure = extract("Место: Алматы", text).remove(0).confidence.unwrap();
    assert!(unsure < sure - 0.1, "{unsure} {sure}");
}

#[test]
fn several_labels_on_one_line() {
    let json = r#"{"fields": [
        {"name": "name", "labels": ["ФИО"]}, {"name": "iin", "labels": ["ИИН"]}, {"name": "city", "labels": ["Город"]}
    ]}"#;
    let fields = extract("ФИО: Иванов Пётр ИИН: 123    Город   Алматы", json);
    let raws: Vec<_> = fields.iter().map(|field| field.raw.as_deref().unwrap()).collect();
    assert_eq!(raws, ["Иванов Пётр", "123", "Алматы"]);
}

#[test]
fn blanks_to_fill_in_are_no_values() {
    assert_eq!(
        raw(
            "Подпись: ____________",
            r#"{"fields": [{"name": "sign", "labels": ["Подпись"]}]}"#
        ),
        None
    );
    assert_eq!(
        raw(
            "Итого: \n\nконец",
            r#"{"fields": [{"name": "total", "type": "money", "labels": ["Итого"]}]}"#
        ),
        None
    );
}

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
fn regular_expressions_in_every_script() {
    let text = "Договор № 5/К и ДОГОВОРА № 6. Пишите: a.b@example.kz, info@пример.рф";
    let json = r#"{"fields": [
        {"name": "contract", "regex": "(?i)договор\\w*\\s+№\\s*(?<value>[\\w/]+)", "many": true},
        {"name": "mail", "regex": "[\\w.]+@[\\w.]+\\w", "many": true}
    ]}"#;
    let found: Vec<_> = extract(text, json)
        .into_iter()
        .map(|field| (field.path, field.raw.unwrap()))
        .collect();
    let expected = [
        ("contract[0]", "5/К"),
        ("contract[1]", "6"),
        ("mail[0]", "a.b@example.kz"),
        ("mail[1]", "info@пример.рф"),
    ];
    assert_eq!(
        found,
        expected.map(|(path, raw)| (path.to_owned(), raw.to_owned()))
    );
}

#[test]
fn agreement_and_doubt_move_confidence() {
    let json = r#"{"fields": [{"name": "total", "type": "money", "labels": ["Total"], "currency": "USD"}]}"#;
    let confidence = |text: &str| extract(text, json).remove(0).confidence.unwrap();
    assert_eq!(confidence("Total: 5"), 0.95);
    assert_eq!(confidence("Total: 5\nTotal: $5.00"), 0.975);
    assert_eq!(confidence("Total: 5\nTotal: 7"), 0.855);
    assert_eq!(raw("Total: 5\nTotal: 7", json).as_deref(), Some("5"));
}

#[test]
fn pages_can_be_chosen() {
    let json =
        |pages: &str| format!(r#"{{"fields": [{{"name": "n", "labels": ["No"], "pages": {pages}}}]}}"#);
    assert_eq!(
        raw("No: 1\u{C}No: 2\u{C}No: 3", &json("[-1]")).as_deref(),
        Some("3")
    );
    assert_eq!(
        raw("No: 1\u{C}No: 2\u{C}No: 3", &json("[1, 7]")).as_deref(),
        Some("2")
    );
}

#[test]
fn recognised_text_counts_its_own_confidence() {
    let builder = ReadingBuilder::new();
    let info = PageInfo {
        origin: TextOrigin::Recognized,
        ..PageInfo::digital()
    };
    let word = |text: &str, confidence| Fragment {
        text: text.to_owned(),
        region: Rect {
            left: 0.1,
            top: 0.1,
            right: 0.2,
            bottom: 0.2,
        },
        confidence: Some(confidence),
    };
    builder
        .add_page(
            &info,
            &[Block::of_fragments(
                BlockKind::Paragraph,
                vec![word("No: ", 1.0), word("17", 0.5)],
            )],
        )
        .unwrap();
    let fields = extract_from(
        builder.into_reading(),
        r#"{"fields": [{"name": "n", "labels": ["No"]}]}"#,
    );
    assert_eq!(fields[0].confidence, Some(0.475));
}

#[test]
fn wrong_configurations_name_the_field() {
    let refused = |json: &str| {
        let reading = Reading::of_pages(["x"]);
        let error = Patterns::extract(Inputs::new().with_main(reading), config(json)).unwrap_err();
        assert!(
            error.kind == ErrorKind::InvalidConfig && error.message.contains("`a`"),
            "{error:?}"
        );
        error.code
    };
    assert_eq!(refused(r#"{"fields": [{"name": "a", "regex": "("}]}"#), "regex");
    assert_eq!(
        refused(r#"{"fields": [{"name": "a", "regex": "(\\w{1000}){1000}"}]}"#),
        "regex"
    );
    assert_eq!(
        refused(r#"{"fields": [{"name": "a", "labels": ["x"]}, {"name": "a", "labels": ["y"]}]}"#),
        "duplicate"
    );
    assert_eq!(refused(r#"{"fields": [{"name": "a"}]}"#), "no-place");
    assert_eq!(
        Patterns::extract(Inputs::new(), Config::default())
            .unwrap_err()
            .code,
        "no-document"
    );
}

#[test]
fn the_example_of_the_readme_and_the_schema_agree() {
    #[derive(Deserialize)]
    struct Schema {
        properties: std::collections::BTreeMap<String, serde_json::Value>,
    }
    let schema: Schema = serde_json::from_str(include_str!("../config.schema.json")).unwrap();
    for name in schema.properties.keys() {
        let probe = format!(r#"{{"{name}": 17}}"#);
        let error = serde_json::from_str::<Config>(&probe).unwrap_err().to_string();
        assert!(!error.contains("unknown field"), "{name}: {error}");
    }
    assert!(
        include_str!("../README.md").contains("decimal") && Patterns::describe().name == "docmill/patterns"
    );
}

#[test]
fn twice_the_same() {
    let json = r#"{"fields": [{"name": "date", "type": "date", "labels": ["от"]}]}"#;
    assert_eq!(extract(INVOICE, json), extract(INVOICE, json));
    let big = format!("{}\nИтого: 5", "Итого и ещё слова. ".repeat(9_000));
    let json = r#"{"fields": [{"name": "t", "type": "money", "labels": ["Итого"]}]}"#;
    assert_eq!(raw(&big, json).as_deref(), Some("5"));
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
fn a_merged_header_leaves_its_columns_to_the_row_below() {
    let cell = |row, column, row_span, column_span, header, text: &str| Cell {
        row,
        column,
        row_span,
        column_span,
        header,
        text: text.to_owned(),
        region: None,
        range: None,
    };
    let table = Block::table(Table {
        rows: 3,
        columns: 3,
        cells: vec![
            cell(0, 0, 2, 1, true, "Наименование"),
            cell(0, 1, 1, 2, true, "Сумма, тенге"),
            cell(1, 1, 1, 1, true, "Цена"),
            cell(1, 2, 1, 1, true, "Сумма"),
            cell(2, 0, 1, 1, false, "Стол"),
            cell(2, 1, 1, 1, false, "5 000,00"),
            cell(2, 2, 1, 1, false, "10 000,00"),
        ],
    });
    let json = r#"{"tables": [{"name": "lines", "columns": {"name": ["Наименование"],
        "price": {"headers": ["Цена"], "type": "money"}, "sum": {"headers": ["Сумма"], "type": "money"}}}]}"#;
    let fields = extract_from(page(&[&[table]]), json);
    let found: Vec<_> = fields
        .iter()
        .map(|f| (f.path.as_str(), f.raw.as_deref().unwrap()))
        .collect();
    assert_eq!(
        found,
        [
            ("lines[0].name", "Стол"),
            ("lines[0].price", "5 000,00"),
            ("lines[0].sum", "10 000,00")
        ]
    );
}

#[test]
fn labels_one_under_the_other_have_their_values_beside_them() {
    let rows: &[&[&str]] = &[&["Поставщик", "ТОО «Алатау»"], &["БИН", "971240001315"]];
    let json =
        r#"{"fields": [{"name": "seller", "labels": ["Поставщик"]}, {"name": "bin", "labels": ["БИН"]}]}"#;
    // Parsers take the first row of a ruled grid for its header.
    for headers in [0, 1] {
        let fields = extract_from(page(&[&[grid(rows, headers)]]), json);
        assert_eq!(
            fields[0].raw.as_deref(),
            Some("ТОО «Алатау»"),
            "{headers} header rows"
        );
        assert_eq!(fields[1].raw.as_deref(), Some("971240001315"));
    }
}

#[test]
fn a_watermark_beside_a_label_is_not_its_value() {
    let placed = |text: &str, region: [f32; 4]| {
        let [left, top, right, bottom] = region;
        let region = Rect {
            left,
            top,
            right,
            bottom,
        };
        let fragment = Fragment {
            text: text.to_owned(),
            region,
            confidence: None,
        };
        Block {
            region: Some(region),
            fragments: vec![fragment],
            ..Block::paragraph("")
        }
    };
    let blocks = [
        placed("Телефон", [0.1, 0.30, 0.2, 0.31]),
        placed("+7 701 769 39 33", [0.1, 0.32, 0.3, 0.33]),
        placed("КОПИЯ", [0.25, 0.2, 0.8, 0.7]),
    ];
    let json = r#"{"fields": [{"name": "phone", "labels": ["Телефон"]}]}"#;
    let fields = extract_from(page(&[&blocks]), json);
    assert_eq!(fields[0].raw.as_deref(), Some("+7 701 769 39 33"));
}

#[test]
fn a_word_that_continues_the_label_is_not_its_value() {
    let json = r#"{"fields": [{"name": "seller", "labels": ["Seller"]}]}"#;
    let above = "Seller\nAltai Metals LLP\nSeller address\n13 Dostyk Ave, Almaty";
    assert_eq!(raw(above, json).as_deref(), Some("Altai Metals LLP"));
    let rows: &[&[&str]] = &[
        &["Seller address", "13 Dostyk Ave"],
        &["Seller", "Altai Metals LLP"],
    ];
    let fields = extract_from(page(&[&[grid(rows, 0)]]), json);
    assert_eq!(fields[0].raw.as_deref(), Some("Altai Metals LLP"));
    // Behind a mark, and where there is nothing better, it is.
    assert_eq!(raw("Seller: address book", json).as_deref(), Some("address book"));
    assert_eq!(raw("Seller unknown", json).as_deref(), Some("unknown"));
}
