//! Invoices: seller, buyer, lines, tax and total, in tenge, roubles and dollars.

mod labels;

use serde_json::json;

use self::labels::Labels;
use super::draft::Draft;
use super::identity;
use super::page::{Block, Column, HeaderCell, Pair, PairLayout, Table};
use super::people::{self, Person};
use super::random::Random;
use super::style::Style;
use super::words::{Date, Language, Notation, decimal, plural, russian_number};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Currency {
    Tenge,
    Rouble,
    Dollar,
}

#[derive(Clone, Copy, Debug)]
pub struct Order {
    pub currency: Currency,
    pub lines: usize,
    /// The total does not equal the lines.
    pub wrong_total: bool,
}

struct Line {
    name: &'static str,
    unit: &'static str,
    /// In tenths.
    quantity: u64,
    /// In hundredths.
    price: u64,
}

impl Line {
    fn amount(&self) -> u64 {
        self.quantity * self.price / 10
    }
}

/// Name, unit, lowest and highest price in whole units; goods sold by length or weight come in tenths.
type Ware = (&'static str, &'static str, u64, u64);
const WARES: [Ware; 14] = [
    ("Бумага офисная A4, 80 г/м²", "пач", 1_450, 2_400),
    ("Картридж лазерный чёрный", "шт", 12_500, 38_000),
    ("Кабель медный ВВГнг 3х2,5", "м", 480, 920),
    ("Монтаж кабельных линий", "ч", 6_000, 9_500),
    ("Стол письменный, дуб", "шт", 64_000, 118_000),
    ("Кресло офисное", "шт", 41_000, 96_000),
    ("Светильник потолочный 36 Вт", "шт", 5_900, 13_200),
    ("Доставка до склада покупателя", "усл", 15_000, 45_000),
    ("Краска водоэмульсионная", "кг", 1_100, 2_300),
    ("Насос циркуляционный", "шт", 56_000, 142_000),
    ("Труба стальная 57х3,5", "м", 2_150, 3_900),
    ("Датчик температуры", "шт", 8_700, 19_900),
    ("Щит распределительный", "шт", 23_000, 74_000),
    ("Настройка программного обеспечения", "ч", 9_000, 16_000),
];
const ENGLISH_WARES: [Ware; 8] = [
    ("Ball bearing 6204-2RS", "pcs", 4, 19),
    ("Steel sheet 2 mm", "kg", 2, 6),
    ("Hydraulic hose, 10 bar", "m", 11, 28),
    ("Control board, revision C", "pcs", 140, 520),
    ("Installation and training", "h", 60, 110),
    ("Pressure sensor 0-16 bar", "pcs", 75, 210),
    ("Freight to warehouse", "pcs", 180, 900),
    ("Spare filter set", "pcs", 22, 64),
];

/// An invoice and what a correct reader finds in it.
pub fn draft(random: &mut Random, style: &Style, order: Order) -> Draft {
    let english = order.currency == Currency::Dollar;
    let words = Labels::of(order.currency, style);
    let mut draft = Draft::new("invoice", if english { "en" } else { "ru" });
    let amounts = if english { Notation::ENGLISH } else { style.amounts };
    let lines = lines(random, order);
    let sum: u64 = lines.iter().map(Line::amount).sum();
    // Prices hold the tax; the total that is wrong on purpose is wrong by whole units, not by rounding.
    let total = if order.wrong_total {
        sum + random.between(3, 900) * 10_000
    } else {
        sum
    };
    let vat = (total * words.rate * 2 + 100 + words.rate) / (2 * (100 + words.rate));

    let seller = party(random, order.currency, true);
    let buyer = party(random, order.currency, false);
    heading(random, style, &words, &mut draft);
    let account = match order.currency {
        Currency::Rouble => identity::account(random, "044525225"),
        _ => identity::iban(random),
    };
    let seller_rows = vec![
        Pair::new(words.seller, style.case(&seller.name)),
        Pair::new(words.seller_id, &seller.number),
        Pair::new(words.seller_address, &seller.address),
        Pair::new(words.account, &account),
    ];
    let buyer_rows = vec![
        Pair::new(words.buyer, &buyer.name),
        Pair::new(words.buyer_id, &buyer.number),
        Pair::new(words.buyer_address, &buyer.address),
    ];
    draft.expect_text("seller.name", &style.case(&seller.name));
    draft.expect_text("seller.tax_id", &seller.number);
    // A Russian account has no IBAN; the pipeline looks for both.
    let (here, missing) = match order.currency {
        Currency::Rouble => ("seller.account", "seller.iban"),
        _ => ("seller.iban", "seller.account"),
    };
    draft.expect_text(here, &account);
    draft.expect_nothing(missing, "text");
    draft.expect_text("buyer.name", &buyer.name);
    draft.expect_text("buyer.tax_id", &buyer.number);
    parties(style, seller_rows, buyer_rows, &mut draft);

    draft
        .document
        .blocks
        .push(Block::Table(table(&lines, &words, style, amounts)));
    expect_lines(&lines, amounts, words.code, &mut draft);
    let (total_text, vat_text) = (amounts.write(total), amounts.write(vat));
    let with_sign = |amount: &str| words.sign.replace('#', amount);
    draft.document.blocks.push(Block::Totals(vec![
        Pair::new(words.vat, &vat_text),
        Pair::new(words.total, with_sign(&total_text)),
    ]));
    draft.expect(
        "vat",
        "money",
        json!({ "amount": decimal(vat), "currency": words.code }),
        &vat_text,
    );
    draft.anchored(words.vat);
    draft.expect(
        "total",
        "money",
        json!({ "amount": decimal(total), "currency": words.code }),
        &total_text,
    );
    draft.anchored(words.total);
    in_words(&lines, total, &words, amounts, &mut draft);
    if let Some(manager) = words.manager {
        let name = Person::russian(random).initials();
        draft.document.blocks.push(Block::Signature {
            role: manager.to_owned(),
            name,
        });
    }
    if style.noise.watermark {
        draft.document.blocks.push(Block::Watermark(
            if english { "COPY" } else { "КОПИЯ" }.to_owned(),
        ));
    }

    draft.params.insert("currency".to_owned(), json!(words.code));
    draft.params.insert("supplier".to_owned(), json!(seller.name));
    draft.lookups.insert("supplier".to_owned(), json!(seller.name));
    draft.checks = vec![
        ("date-is-present", "pass"),
        ("lines-are-price-times-quantity", "pass"),
        (
            "total-is-sum-of-lines",
            if order.wrong_total { "fail" } else { "pass" },
        ),
        ("supplier-matches", "pass"),
    ];
    if order.currency != Currency::Rouble {
        draft.checks.push(("iban-is-valid", "pass"));
    }
    draft.verdict = if order.wrong_total { "fail" } else { "pass" };
    draft.contains = vec![seller.address, buyer.address];
    draft.print(style);
    draft
}

struct Party {
    name: String,
    number: String,
    address: String,
}

fn party(random: &mut Random, currency: Currency, seller: bool) -> Party {
    match currency {
        Currency::Tenge => Party {
            name: people::company(random, Language::Russian),
            number: identity::bin(random),
            address: people::address(random),
        },
        Currency::Rouble if !seller && random.coin() => Party {
            name: format!("ИП {}", Person::russian(random).full()),
            number: identity::inn_person(random),
            address: people::russian_address(random),
        },
        Currency::Rouble => Party {
            name: people::russian_company(random),
            number: identity::inn(random),
            address: people::russian_address(random),
        },
        Currency::Dollar if seller => Party {
            name: people::company(random, Language::English),
            number: identity::bin(random),
            address: format!("{} Dostyk Ave, Almaty, Kazakhstan", random.between(1, 240)),
        },
        Currency::Dollar => Party {
            name: random
                .pick(&[
                    "Riverton Supply Inc.",
                    "Blue Harbor Trading Co.",
                    "Northfield Pumps Ltd.",
                ])
                .to_owned(),
            number: format!("{}-{}", random.between(10, 98), random.digits(7)),
            address: format!("{} Mill Road, Dayton, OH 45402", random.between(10, 900)),
        },
    }
}

fn lines(random: &mut Random, order: Order) -> Vec<Line> {
    let wares: &[Ware] = if order.currency == Currency::Dollar {
        &ENGLISH_WARES
    } else {
        &WARES
    };
    let first = random.between(0, wares.len() as u64 - 1) as usize;
    (0..order.lines)
        .map(|at| {
            let (name, unit, low, high) = wares[(first + at) % wares.len()];
            let divisible = matches!(unit, "м" | "кг" | "ч" | "m" | "kg" | "h");
            let quantity = if divisible {
                random.between(15, 480)
            } else {
                random.between(1, 24) * 10
            };
            Line {
                name,
                unit,
                quantity,
                price: random.between(low * 2, high * 2) * 50,
            }
        })
        .collect()
}

fn heading(random: &mut Random, style: &Style, words: &Labels, draft: &mut Draft) {
    let date = Date::new(
        2024 + random.between(0, 1) as u32,
        random.between(1, 12) as u32,
        random.between(1, 28) as u32,
    );
    let blocks = &mut draft.document.blocks;
    let (title, number, long) = if words.code == "USD" {
        let number = format!("INV-{}-{}", date.year, random.digits(4));
        let long = date.long(Language::English);
        blocks.push(Block::Title(style.case("Commercial invoice")));
        blocks.push(Block::Pairs {
            rows: vec![Pair::new("Invoice No.", &number), Pair::new("Date", &long)],
            layout: PairLayout::Line,
        });
        (format!("Invoice {number}"), number, long)
    } else if style.noise.synonyms {
        let number = format!(
            "{}/{}-{}",
            random.between(10, 99),
            date.year % 100,
            random.digits(3)
        );
        blocks.push(Block::Title(style.case("Счёт на оплату")));
        blocks.push(Block::Pairs {
            rows: vec![
                Pair::new("Номер счёта", &number),
                Pair::new("Дата выписки", date.dotted()),
            ],
            layout: PairLayout::Line,
        });
        (format!("Счёт {number}"), number, date.dotted())
    } else {
        let number = format!("{}-{}", random.digits(5), random.pick(&["К", "М", "А"]));
        let long = date.long(Language::Russian);
        blocks.push(Block::Title(format!(
            "{} № {number} от {long}",
            style.case("Счёт на оплату")
        )));
        (format!("Счёт на оплату № {number}"), number, long)
    };
    draft.document.title = title;
    draft.expect_text("number", &number);
    draft.expect_date("date", date, &long);
}

fn parties(style: &Style, seller: Vec<Pair>, buyer: Vec<Pair>, draft: &mut Draft) {
    let blocks = &mut draft.document.blocks;
    if style.layout.two_columns {
        let lines = |rows: &[Pair]| rows.iter().map(Pair::line).collect();
        blocks.push(Block::Columns {
            left: lines(&seller),
            right: lines(&buyer),
        });
        return;
    }
    let layout = match (style.layout.labels_above, style.layout.grid) {
        (true, _) => PairLayout::Above,
        (_, true) => PairLayout::Grid,
        _ => PairLayout::Line,
    };
    for rows in [seller, buyer] {
        blocks.push(Block::Pairs { rows, layout });
    }
}

fn table(lines: &[Line], words: &Labels, style: &Style, amounts: Notation) -> Table {
    let columns = [
        (5, false),
        (41, false),
        (14, true),
        (12, false),
        (17, true),
        (19, true),
    ]
    .map(|(width, right)| Column { width, right })
    .to_vec();
    let cell = |column: usize, columns, rows| HeaderCell {
        text: words.columns.get(column).copied().unwrap_or_default().to_owned(),
        column,
        columns,
        rows,
    };
    let header = if style.layout.merged_header {
        let mut upper: Vec<HeaderCell> = (0..4).map(|column| cell(column, 1, 2)).collect();
        upper.push(HeaderCell {
            text: words.cost.to_owned(),
            column: 4,
            columns: 2,
            rows: 1,
        });
        vec![upper, vec![cell(4, 1, 1), cell(5, 1, 1)]]
    } else {
        vec![(0..6).map(|column| cell(column, 1, 1)).collect()]
    };
    let rows = lines.iter().enumerate().map(|(at, line)| {
        vec![
            (at + 1).to_string(),
            line.name.to_owned(),
            quantity(line.quantity, amounts),
            line.unit.to_owned(),
            amounts.write(line.price),
            amounts.write(line.amount()),
        ]
    });
    Table {
        columns,
        header,
        rows: rows.collect(),
    }
}

fn quantity(tenths: u64, amounts: Notation) -> String {
    if tenths.is_multiple_of(10) {
        (tenths / 10).to_string()
    } else {
        format!("{}{}{}", tenths / 10, amounts.point, tenths % 10)
    }
}

fn expect_lines(lines: &[Line], amounts: Notation, code: &str, draft: &mut Draft) {
    for (at, line) in lines.iter().enumerate() {
        let anchor = format!("{}{}", at + 1, line.name);
        let money = |hundredths| json!({ "amount": decimal(hundredths), "currency": code });
        let tenths = format!("{}.{}", line.quantity / 10, line.quantity % 10);
        draft.expect(
            &format!("lines[{at}].description"),
            "text",
            json!(line.name),
            line.name,
        );
        draft.anchored(&anchor);
        draft.expect(
            &format!("lines[{at}].quantity"),
            "decimal",
            json!(tenths),
            &quantity(line.quantity, amounts),
        );
        draft.anchored(&anchor);
        draft.expect(
            &format!("lines[{at}].price"),
            "money",
            money(line.price),
            &amounts.write(line.price),
        );
        draft.anchored(&anchor);
        draft.expect(
            &format!("lines[{at}].amount"),
            "money",
            money(line.amount()),
            &amounts.write(line.amount()),
        );
        draft.anchored(&anchor);
    }
}

/// The sentence under the table, which repeats the total and must not confuse a reader.
fn in_words(lines: &[Line], total: u64, words: &Labels, amounts: Notation, draft: &mut Draft) {
    let (whole, rest) = (total / 100, total % 100);
    let spelled = match words.code {
        "KZT" => format!("{} тенге {rest:02} тиын", russian_number(whole)),
        "RUB" => format!(
            "{} {} {rest:02} {}",
            russian_number(whole),
            plural(whole, "рубль", "рубля", "рублей"),
            plural(rest, "копейка", "копейки", "копеек")
        ),
        _ => {
            draft.document.blocks.push(Block::Paragraph(
                "Payment is due within 30 days by bank transfer. All prices are exclusive of customs duties."
                    .to_owned(),
            ));
            return;
        }
    };
    let mut letters = spelled.chars();
    let spelled: String = letters
        .next()
        .into_iter()
        .flat_map(char::to_uppercase)
        .chain(letters)
        .collect();
    let sentence = format!(
        "Всего наименований {}, на сумму {}.",
        lines.len(),
        amounts.write(total)
    );
    draft
        .document
        .blocks
        .push(Block::Paragraph(format!("{sentence} {spelled}.")));
    draft.document.blocks.push(Block::Paragraph(
        "Оплата данного счёта означает согласие с условиями поставки товара. Товар отпускается по факту прихода денег на \
         счёт поставщика, самовывозом, при наличии доверенности."
            .to_owned(),
    ));
}
