//! Certificates with a person's full name: of employment and of training in Russian, of employment in Kazakh.

use serde_json::json;

use super::draft::Draft;
use super::identity;
use super::page::{Block, Pair, PairLayout};
use super::people::{self, Person};
use super::random::Random;
use super::style::Style;
use super::words::{Date, Language};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Справка с места работы.
    Employment,
    /// Учебное свидетельство.
    Training,
    /// Анықтама.
    Kazakh,
}

#[derive(Clone, Copy, Debug)]
pub struct Order {
    pub kind: Kind,
    /// A sentence rather than labels and values.
    pub prose: bool,
    /// The run asks for another person than the one in the document.
    pub other_person: bool,
    pub undated: bool,
}

/// What any certificate says.
struct Facts {
    person: Person,
    iin: String,
    company: String,
    position: &'static str,
    number: String,
    date: Date,
    since: Date,
}

const POSITIONS: [&str; 6] = [
    "ведущий инженер",
    "бухгалтер",
    "менеджер по закупкам",
    "специалист отдела кадров",
    "электромонтёр",
    "юрист",
];
const KAZAKH_POSITIONS: [&str; 4] = ["бас есепші", "аға инженер", "кадр бөлімінің маманы", "заңгер"];
const COURSES: [&str; 4] = [
    "Охрана труда",
    "Основы программирования",
    "Сметное дело",
    "Деловой английский язык",
];

/// A certificate and what a correct reader finds in it.
pub fn draft(random: &mut Random, style: &Style, order: Order) -> Draft {
    let kazakh = order.kind == Kind::Kazakh;
    let language = if kazakh {
        Language::Kazakh
    } else {
        Language::Russian
    };
    let person = if kazakh {
        Person::kazakh(random)
    } else {
        Person::russian(random)
    };
    let year = 2024 + random.between(0, 1) as u32;
    let facts = Facts {
        iin: identity::iin(random, person.born, person.female),
        company: people::company(random, language),
        position: random.pick(if kazakh {
            &KAZAKH_POSITIONS[..]
        } else {
            &POSITIONS[..]
        }),
        number: format!("{}-{}", random.between(10, 989), random.pick(&["К", "С", "Л"])),
        date: Date::new(year, random.between(1, 12) as u32, random.between(1, 28) as u32),
        since: Date::new(
            year - random.between(1, 9) as u32,
            random.between(1, 12) as u32,
            random.between(1, 28) as u32,
        ),
        person,
    };
    let mut draft = Draft::new("certificate", language.tag());
    letterhead(random, style, &facts, language, &mut draft);
    match order.kind {
        Kind::Employment => employment(style, order, &facts, &mut draft),
        Kind::Training => training(random, style, order, &facts, &mut draft),
        Kind::Kazakh => kazakh_employment(style, order, &facts, &mut draft),
    }
    signature(random, order.kind, &mut draft);
    if style.noise.watermark {
        let text = if kazakh { "КӨШІРМЕ" } else { "КОПИЯ" };
        draft.document.blocks.push(Block::Watermark(text.to_owned()));
    }
    let wanted = if order.other_person {
        other_person(random, &facts.person)
    } else {
        facts.person.full()
    };
    draft.params.insert("fio".to_owned(), json!(wanted));
    draft.lookups.insert("fio".to_owned(), json!(wanted));
    let dated = if order.undated { "undecided" } else { "pass" };
    let named = if order.other_person { "fail" } else { "pass" };
    draft.checks = vec![
        ("name-matches", named),
        ("date-is-present", dated),
        ("iin-is-valid", "pass"),
    ];
    draft.verdict = match (order.other_person, order.undated) {
        (true, _) => "fail",
        (_, true) => "undecided",
        _ => "pass",
    };
    draft.print(style);
    draft
}

/// Somebody else of the same sex, so that only a comparison of the names can tell.
fn other_person(random: &mut Random, person: &Person) -> String {
    loop {
        let other = Person::russian(random);
        if other.female == person.female && other.surname != person.surname && other.given != person.given {
            return other.full();
        }
    }
}

fn letterhead(random: &mut Random, style: &Style, facts: &Facts, language: Language, draft: &mut Draft) {
    let address = people::address(random);
    let phone = format!(
        "+7 727 {} {} {}",
        random.digits(3),
        random.digits(2),
        random.digits(2)
    );
    draft.contains.push(address.clone());
    let bin = identity::bin(random);
    let (bin_label, phone_label) = if language == Language::Kazakh {
        ("БСН", "Тел.")
    } else {
        ("БИН", "Тел.")
    };
    if style.layout.two_columns {
        draft.document.blocks.push(Block::Columns {
            left: vec![facts.company.clone(), format!("{bin_label} {bin}")],
            right: vec![address, format!("{phone_label} {phone}")],
        });
    } else {
        draft.document.blocks.push(Block::Heading(facts.company.clone()));
        draft.document.blocks.push(Block::Paragraph(format!(
            "{bin_label} {bin}, {address}, {phone_label} {phone}"
        )));
    }
}

/// The title with the number, and the line of the date; both are expected, or the date's absence.
fn title(style: &Style, title: &str, order: Order, facts: &Facts, draft: &mut Draft) {
    let text = format!("{} № {}", style.case(title), facts.number);
    draft.document.title = text.clone();
    draft.document.blocks.push(Block::Title(text));
    draft.expect_text("number", &facts.number);
    if order.undated {
        draft.expect_nothing("date", "date");
        return;
    }
    let (label, written) = match order.kind {
        Kind::Kazakh => ("Берілген күні", facts.date.long(Language::Kazakh)),
        _ if style.noise.plain_marks => ("Дата выдачи", facts.date.dotted()),
        _ => (style.label("Дата выдачи", "Выдано"), facts.date.quoted()),
    };
    draft
        .document
        .blocks
        .push(Block::Right(format!("{label}: {written}")));
    draft.expect_date("date", facts.date, &written);
}

/// Labels above, in a grid or in lines.
fn pairs(style: &Style, rows: Vec<Pair>, draft: &mut Draft) {
    let layout = match (style.layout.labels_above, style.layout.grid) {
        (true, _) => PairLayout::Above,
        (_, true) => PairLayout::Grid,
        _ => PairLayout::Line,
    };
    draft.document.blocks.push(Block::Pairs { rows, layout });
}

fn employment(style: &Style, order: Order, facts: &Facts, draft: &mut Draft) {
    title(style, "Справка", order, facts, draft);
    let name = style.case(&facts.person.full());
    let since = facts.since.long(Language::Russian);
    draft.expect_text("fio", &name);
    draft.expect_text("iin", &facts.iin);
    draft.expect_text("organization", &facts.company);
    draft.expect_date("since", facts.since, &since);
    let works = "действительно работает в";
    if order.prose {
        draft.document.blocks.push(Block::Paragraph(format!(
            "Настоящая справка выдана о том, что {name}, ИИН {}, {works} {} с {since}. Занимаемая должность: {}. \
             Трудовой договор заключён на неопределённый срок, задолженности по заработной плате организация не имеет.",
            facts.iin, facts.company, facts.position
        )));
    } else {
        pairs(
            style,
            vec![
                Pair::new(style.label("Ф.И.О. работника", "Фамилия, имя, отчество"), &name),
                Pair::new("ИИН", &facts.iin),
                Pair::new(style.label("Место работы", "Организация"), &facts.company),
                Pair::new("Занимаемая должность", facts.position),
                Pair::new(style.label("Дата приёма", "Работает с"), &since),
            ],
            draft,
        );
    }
    draft.contains.push(facts.position.to_owned());
    draft.document.blocks.push(Block::Paragraph(
        "Справка выдана для предъявления по месту требования.".to_owned(),
    ));
}

fn training(random: &mut Random, style: &Style, order: Order, facts: &Facts, draft: &mut Draft) {
    title(style, "Учебное свидетельство", order, facts, draft);
    let name = style.case(&facts.person.full());
    let course = random.pick(&COURSES);
    let hours = random.between(3, 18) * 8;
    let organization = facts.company.replace("ТОО «", "ТОО «Учебный центр ");
    draft.expect_text("fio", &name);
    draft.expect_text("iin", &facts.iin);
    draft.expect_text("organization", &organization);
    draft.expect_nothing("since", "date");
    if order.prose {
        let (finished, passed) = if facts.person.female {
            ("прошла", "выполнила")
        } else {
            ("прошёл", "выполнил")
        };
        draft.document.blocks.push(Block::Paragraph(format!(
            "Настоящее свидетельство выдано о том, что {name}, ИИН {}, {finished} обучение в {organization} по программе \
             «{course}» в объёме {hours} часов и успешно {passed} все проверочные работы.",
            facts.iin
        )));
    } else {
        pairs(
            style,
            vec![
                Pair::new(style.label("Ф.И.О. слушателя", "Фамилия, имя, отчество"), &name),
                Pair::new("ИИН", &facts.iin),
                Pair::new(style.label("Место обучения", "Организация"), &organization),
                Pair::new("Программа", format!("«{course}»")),
                Pair::new("Объём", format!("{hours} часов")),
            ],
            draft,
        );
    }
    draft.contains.push(course.to_owned());
}

fn kazakh_employment(style: &Style, order: Order, facts: &Facts, draft: &mut Draft) {
    title(style, "Анықтама", order, facts, draft);
    let name = style.case(&facts.person.full());
    let since = facts.since.long(Language::Kazakh);
    draft.expect_text("fio", &name);
    draft.expect_text("iin", &facts.iin);
    draft.expect_text("organization", &facts.company);
    draft.expect_date("since", facts.since, &since);
    if order.prose {
        draft.document.blocks.push(Block::Paragraph(format!(
            "Осы анықтама {name}, ЖСН {}, {} мекемесінде {since} күнінен бастап {} лауазымында жұмыс істейтінін растау \
             үшін берілді.",
            facts.iin, facts.company, facts.position
        )));
    } else {
        pairs(
            style,
            vec![
                Pair::new(style.label("Т.А.Ә.", "Аты-жөні"), &name),
                Pair::new("ЖСН", &facts.iin),
                Pair::new("Жұмыс орны", &facts.company),
                Pair::new("Лауазымы", facts.position),
                Pair::new("Жұмысқа қабылданған күні", &since),
            ],
            draft,
        );
    }
    draft.contains.push(facts.position.to_owned());
    draft.document.blocks.push(Block::Paragraph(
        "Анықтама талап етілген жерге көрсету үшін беріледі.".to_owned(),
    ));
}

fn signature(random: &mut Random, kind: Kind, draft: &mut Draft) {
    let (role, name) = match kind {
        Kind::Kazakh => ("Кадр бөлімінің бастығы", Person::kazakh(random).initials()),
        Kind::Employment => ("Начальник отдела кадров", Person::russian(random).initials()),
        Kind::Training => ("Директор учебного центра", Person::russian(random).initials()),
    };
    draft.document.blocks.push(Block::Signature {
        role: role.to_owned(),
        name,
    });
}
