//! Application forms: labels with values, check boxes.

use serde_json::json;

use super::draft::Draft;
use super::identity;
use super::page::{Block, Pair, PairLayout};
use super::people::{self, Person};
use super::random::Random;
use super::style::Style;
use super::words::Date;

/// Products that a form offers, by field.
const PRODUCTS: [(&str, &str); 4] = [
    ("products.account", "Текущий счёт"),
    ("products.card", "Платёжная карта"),
    ("products.deposit", "Депозит"),
    ("products.online", "Интернет-банкинг"),
];

/// A form and what a correct reader finds in it. Without `consent`, the box that the bank asks for stays empty.
pub fn draft(random: &mut Random, style: &Style, consent: bool) -> Draft {
    let mut draft = Draft::new("form", "ru");
    let person = if random.coin() {
        Person::kazakh(random)
    } else {
        Person::russian(random)
    };
    let iin = identity::iin(random, person.born, person.female);
    let phone = format!(
        "+7 70{} {} {} {}",
        random.digits(1),
        random.digits(3),
        random.digits(2),
        random.digits(2)
    );
    let email = format!(
        "{}.{}@example.kz",
        random.pick(&["a", "m", "d", "s"]),
        random.digits(4)
    );
    let address = people::address(random);
    let filled = Date::new(2025, random.between(1, 12) as u32, random.between(1, 28) as u32);
    let number = format!("З-{}", random.digits(6));

    let blocks = &mut draft.document.blocks;
    blocks.push(Block::Title(format!(
        "{} № {number}",
        style.case("Заявление на открытие счёта")
    )));
    blocks.push(Block::Right(format!("Дата заполнения: {}", filled.dotted())));
    blocks.push(Block::Heading(style.case("1. Сведения о заявителе")));
    let layout = match (style.layout.labels_above, style.layout.grid) {
        (true, _) => PairLayout::Above,
        (_, true) => PairLayout::Grid,
        _ => PairLayout::Line,
    };
    let surname = style.case(&person.surname);
    let rows = vec![
        Pair::new("Фамилия", &surname),
        Pair::new("Имя", &person.given),
        Pair::new("Отчество", &person.patronymic),
        Pair::new("Дата рождения", person.born.dotted()),
        Pair::new("ИИН", &iin),
        Pair::new(style.label("Телефон", "Контактный телефон"), &phone),
        Pair::new(style.label("E-mail", "Электронная почта"), &email),
        Pair::new("Адрес проживания", &address),
    ];
    blocks.push(Block::Pairs { rows, layout });
    blocks.push(Block::Heading(style.case("2. Прошу подключить")));
    let mut boxes = Vec::new();
    let mut wanted = Vec::new();
    for (path, label) in PRODUCTS {
        let ticked = random.coin();
        boxes.push((ticked, label.to_owned()));
        wanted.push((path, ticked, label));
    }
    blocks.push(Block::Boxes(boxes));
    let agreed = "Согласен на сбор и обработку персональных данных";
    blocks.push(Block::Heading(style.case("3. Согласия")));
    blocks.push(Block::Boxes(vec![(consent, agreed.to_owned())]));
    blocks.push(Block::Signature {
        role: "Заявитель".to_owned(),
        name: person.initials(),
    });
    if style.noise.watermark {
        blocks.push(Block::Watermark("ОБРАЗЕЦ".to_owned()));
    }

    draft.document.title = format!("Заявление № {number}");
    draft.expect_text("number", &number);
    draft.expect_date("date", filled, &filled.dotted());
    draft.expect_text("surname", &surname);
    draft.expect_text("given_name", &person.given);
    draft.expect_text("patronymic", &person.patronymic);
    draft.expect_date("birth_date", person.born, &person.born.dotted());
    draft.expect_text("iin", &iin);
    draft.expect_text("phone", &phone);
    draft.expect_text("email", &email);
    draft.expect_text("address", &address);
    for (path, ticked, label) in wanted {
        draft.expect(path, "boolean", json!(ticked), mark(ticked));
        draft.anchored(label);
    }
    draft.expect("consent", "boolean", json!(consent), mark(consent));
    draft.anchored(agreed);
    draft.checks = vec![
        ("iin-is-valid", "pass"),
        ("applicant-is-of-age", "pass"),
        ("consent-is-given", if consent { "pass" } else { "fail" }),
    ];
    draft.verdict = if consent { "pass" } else { "fail" };
    draft.print(style);
    draft
}

/// How every format but Markdown shows a check box.
pub fn mark(ticked: bool) -> &'static str {
    if ticked { "☑" } else { "☐" }
}
