//! Invented people and companies.

use super::random::Random;
use super::words::{Date, Language};

/// A person's full name in the nominative.
#[derive(Clone, Debug)]
pub struct Person {
    pub surname: String,
    pub given: String,
    pub patronymic: String,
    pub female: bool,
    pub born: Date,
}

const RUSSIAN_SURNAMES: [&str; 12] = [
    "Семёнов",
    "Королёв",
    "Журавлёв",
    "Соколов",
    "Орлов",
    "Лебедев",
    "Морозов",
    "Павлов",
    "Фёдоров",
    "Белов",
    "Тарасов",
    "Ковалёв",
];
const RUSSIAN_MEN: [&str; 8] = [
    "Алексей",
    "Пётр",
    "Сергей",
    "Андрей",
    "Дмитрий",
    "Артём",
    "Михаил",
    "Владимир",
];
const RUSSIAN_WOMEN: [&str; 8] = [
    "Анна",
    "Елена",
    "Ольга",
    "Наталья",
    "Ирина",
    "Мария",
    "Татьяна",
    "Алёна",
];
const RUSSIAN_FATHERS: [(&str, &str); 6] = [
    ("Сергеевич", "Сергеевна"),
    ("Петрович", "Петровна"),
    ("Алексеевич", "Алексеевна"),
    ("Викторович", "Викторовна"),
    ("Андреевич", "Андреевна"),
    ("Фёдорович", "Фёдоровна"),
];
const KAZAKH_SURNAMES: [(&str, &str); 8] = [
    ("Серікбаев", "Серікбаева"),
    ("Нұрланов", "Нұрланова"),
    ("Әбдіғалиев", "Әбдіғалиева"),
    ("Қасымов", "Қасымова"),
    ("Өтегенов", "Өтегенова"),
    ("Жұмабаев", "Жұмабаева"),
    ("Төлегенов", "Төлегенова"),
    ("Мұқанов", "Мұқанова"),
];
const KAZAKH_MEN: [&str; 6] = ["Ерлан", "Нұрсұлтан", "Бауыржан", "Дәурен", "Қайрат", "Әлихан"];
const KAZAKH_WOMEN: [&str; 6] = ["Айгүл", "Дінара", "Гүлнәр", "Әсел", "Жансая", "Мөлдір"];
const KAZAKH_FATHERS: [&str; 6] = ["Нұрлан", "Серік", "Болат", "Қанат", "Ермек", "Мұрат"];

const TRADES: [&str; 8] = [
    "Алатау",
    "Сарыарка",
    "Жетысу",
    "Тулпар",
    "Степной ветер",
    "Каспий",
    "Береке",
    "Самрук",
];
const TRADES_RU: [&str; 6] = [
    "Северный путь",
    "Вектор",
    "Техносфера",
    "Волга",
    "Заря",
    "Ремстрой",
];
const CITIES: [&str; 5] = [
    "г. Алматы",
    "г. Астана",
    "г. Караганда",
    "г. Шымкент",
    "г. Актобе",
];
const CITIES_RU: [&str; 4] = ["г. Москва", "г. Казань", "г. Самара", "г. Тверь"];
const STREETS: [&str; 6] = ["Абая", "Достык", "Сатпаева", "Пушкина", "Гагарина", "Победы"];

impl Person {
    pub fn russian(random: &mut Random) -> Self {
        let female = random.coin();
        let surname = random.pick(&RUSSIAN_SURNAMES);
        let fathers = random.pick(&RUSSIAN_FATHERS);
        Self {
            surname: if female {
                format!("{surname}а")
            } else {
                surname.to_owned()
            },
            given: random
                .pick(if female { &RUSSIAN_WOMEN } else { &RUSSIAN_MEN })
                .to_owned(),
            patronymic: if female { fathers.1 } else { fathers.0 }.to_owned(),
            female,
            born: born(random),
        }
    }

    pub fn kazakh(random: &mut Random) -> Self {
        let female = random.coin();
        let surname = random.pick(&KAZAKH_SURNAMES);
        let father = random.pick(&KAZAKH_FATHERS);
        // The patronymic's ending follows the vowels of the stem: front vowels take `-ұлы`/`-қызы` all the same.
        let ending = if female { "қызы" } else { "ұлы" };
        Self {
            surname: if female { surname.1 } else { surname.0 }.to_owned(),
            given: random
                .pick(if female { &KAZAKH_WOMEN } else { &KAZAKH_MEN })
                .to_owned(),
            patronymic: format!("{father}{ending}"),
            female,
            born: born(random),
        }
    }

    /// Surname, given name, patronymic.
    pub fn full(&self) -> String {
        format!("{} {} {}", self.surname, self.given, self.patronymic)
    }

    /// `А. С. Иванова`
    pub fn initials(&self) -> String {
        let first = |name: &str| name.chars().next().map(String::from).unwrap_or_default();
        format!(
            "{}. {}. {}",
            first(&self.given),
            first(&self.patronymic),
            self.surname
        )
    }
}

fn born(random: &mut Random) -> Date {
    Date::new(
        random.between(1962, 2001) as u32,
        random.between(1, 12) as u32,
        random.between(1, 28) as u32,
    )
}

/// A company's name with its legal form, in quotation marks.
pub fn company(random: &mut Random, language: Language) -> String {
    match language {
        Language::Russian => format!("ТОО «{}»", random.pick(&TRADES)),
        Language::Kazakh => format!("«{}» ЖШС", random.pick(&TRADES)),
        Language::English => {
            format!(
                "{} LLP",
                random.pick(&[
                    "Altai Metals",
                    "Silk Way Freight",
                    "Caspian Tools",
                    "Steppe Software"
                ])
            )
        }
    }
}

pub fn russian_company(random: &mut Random) -> String {
    format!("ООО «{}»", random.pick(&TRADES_RU))
}

pub fn address(random: &mut Random) -> String {
    format!(
        "{}, ул. {}, д. {}",
        random.pick(&CITIES),
        random.pick(&STREETS),
        random.between(1, 140)
    )
}

pub fn russian_address(random: &mut Random) -> String {
    let code = random.between(101_000, 199_999);
    format!(
        "{code}, {}, ул. {}, д. {}",
        random.pick(&CITIES_RU),
        random.pick(&STREETS),
        random.between(1, 140)
    )
}
