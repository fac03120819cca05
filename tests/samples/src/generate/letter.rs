//! Business letters: letterhead, number and date, addressee, subject, body, signature.

use super::draft::Draft;
use super::page::Block;
use super::people::{self, Person};
use super::random::Random;
use super::style::Style;
use super::words::{Date, Language};

const SUBJECTS: [(&str, &str); 3] = [
    (
        "О переносе срока поставки",
        "Сообщаем, что в связи с задержкой на таможенном посту оборудование по договору поставки прибудет на десять рабочих \
         дней позже согласованного срока. Просим подтвердить, что новый срок для вас приемлем.",
    ),
    (
        "О проведении сверки расчётов",
        "Направляем акт сверки взаимных расчётов за истекший квартал. Просим проверить его, подписать и вернуть один \
         экземпляр либо направить мотивированные возражения.",
    ),
    (
        "О приглашении на переговоры",
        "Предлагаем провести переговоры об условиях долгосрочного сотрудничества в нашем центральном офисе. Просим сообщить \
         состав участников и удобное для вас время.",
    ),
];
const ENGLISH_SUBJECTS: [(&str, &str); 2] = [
    (
        "Delivery of spare parts",
        "Thank you for your purchase order. Two of the items that you ordered are no longer produced; we enclose a list of \
         their replacements and would be grateful if you could confirm them.",
    ),
    (
        "Annual maintenance visit",
        "Our engineers would like to carry out the annual inspection of the pumps at your plant. Please let us know which of \
         the proposed days suits you best.",
    ),
];

/// A letter and what a correct reader finds in it.
pub fn draft(random: &mut Random, style: &Style, english: bool) -> Draft {
    let language = if english {
        Language::English
    } else {
        Language::Russian
    };
    let mut draft = Draft::new("letter", language.tag());
    let date = Date::new(2025, random.between(1, 11) as u32, random.between(1, 12) as u32);
    let reply_by = Date::new(2025, date.month, date.day + random.between(7, 14) as u32);
    let sender = people::company(random, language);
    let person = Person::russian(random);
    let author = if english {
        random
            .pick(&["John Whitfield", "Aliya Bekova", "Martin Keller"])
            .to_owned()
    } else {
        person.initials()
    };
    let address = people::address(random);
    let email = format!("office{}@example.com", random.digits(2));
    let number = format!(
        "{}/{}-{}",
        random.between(10, 99),
        random.digits(3),
        date.year % 100
    );
    let (subject, body) = random.pick(if english {
        &ENGLISH_SUBJECTS[..]
    } else {
        &SUBJECTS[..]
    });
    let address = if english {
        format!("{} Satpayev Street, Almaty", random.between(1, 90))
    } else {
        address
    };
    let blocks = &mut draft.document.blocks;

    if style.layout.two_columns {
        blocks.push(Block::Columns {
            left: vec![style.case(&sender), address.clone()],
            right: vec!["Тел. +7 727 330 12 40".to_owned(), email.clone()],
        });
    } else {
        blocks.push(Block::Heading(style.case(&sender)));
        blocks.push(Block::Paragraph(format!("{address}, {email}")));
    }
    let written = date.long(language);
    let reply_written = reply_by.long(language);
    let (reference, addressee) = if english {
        (
            format!("Our ref. {number} of {written}"),
            "To the purchasing manager of Riverton Supply Inc.".to_owned(),
        )
    } else {
        let company = people::russian_company(random);
        let label = style.label("Исх. №", "Исходящий №");
        (
            format!("{label} {number} от {written}"),
            format!("Директору {company}"),
        )
    };
    blocks.push(Block::Paragraph(reference));
    blocks.push(Block::Right(addressee));
    let subject_line = if english {
        format!("Subject: {subject}")
    } else {
        format!("{}: {subject}", style.label("Тема", "Касательно"))
    };
    blocks.push(Block::Paragraph(subject_line));
    blocks.push(Block::Paragraph(
        style
            .label(
                if english {
                    "Dear Sir or Madam,"
                } else {
                    "Уважаемые коллеги!"
                },
                if english {
                    "Dear colleagues,"
                } else {
                    "Здравствуйте!"
                },
            )
            .to_owned(),
    ));
    blocks.push(Block::Paragraph(body.to_owned()));
    blocks.push(Block::Paragraph(if english {
        format!("Please reply by {reply_written}.")
    } else {
        format!("Просим ответить до {reply_written}.")
    }));
    let (regards, role) = if english {
        ("Yours faithfully,", "Director")
    } else {
        ("С уважением,", "Директор")
    };
    blocks.push(Block::Paragraph(regards.to_owned()));
    blocks.push(Block::Signature {
        role: role.to_owned(),
        name: author.clone(),
    });
    if style.noise.watermark {
        blocks.push(Block::Watermark(
            if english { "COPY" } else { "КОПИЯ" }.to_owned(),
        ));
    }

    draft.document.title = subject.to_owned();
    draft.expect_text("number", &number);
    draft.expect_date("date", date, &written);
    draft.expect_text("sender", &style.case(&sender));
    draft.expect_text("email", &email);
    draft.expect_text("subject", subject);
    draft.expect_date("reply_by", reply_by, &reply_written);
    draft.expect_text("signatory", &author);
    draft.checks = vec![("reply-is-after-letter", "pass")];
    draft.contains = vec![address];
    draft.artifacts = vec!["reply.md"];
    draft.print(style);
    draft
}
