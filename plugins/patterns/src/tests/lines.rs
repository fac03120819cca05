//! Labels and expressions in lines of text.

use super::*;

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
