//! Whole documents, and configurations.

use super::*;

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
    struct Step {
        with: Config,
    }
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
    // The example is a step; what stands under `with` is the configuration.
    let readme = include_str!("../../README.md");
    let yaml = readme
        .split("```yaml\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next())
        .unwrap();
    let steps: Vec<Step> = serde_norway::from_str(yaml).unwrap();
    let fields = Patterns::extract(
        Inputs::new().with_main(Reading::of_pages([INVOICE])),
        steps[0].with.clone(),
    )
    .unwrap();
    assert!(
        fields
            .iter()
            .any(|field| field.path == "seller.bin" && field.value.is_some()),
        "{fields:?}"
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
