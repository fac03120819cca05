//! Dates and amounts as documents write them.

/// A day of the Gregorian calendar.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Date {
    pub year: u32,
    pub month: u32,
    pub day: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Language {
    Russian,
    Kazakh,
    English,
}

impl Language {
    /// BCP 47.
    pub fn tag(self) -> &'static str {
        match self {
            Self::Russian => "ru",
            Self::Kazakh => "kk",
            Self::English => "en",
        }
    }
}

const RUSSIAN_MONTHS: [&str; 12] = [
    "января",
    "февраля",
    "марта",
    "апреля",
    "мая",
    "июня",
    "июля",
    "августа",
    "сентября",
    "октября",
    "ноября",
    "декабря",
];
const KAZAKH_MONTHS: [&str; 12] = [
    "қаңтар",
    "ақпан",
    "наурыз",
    "сәуір",
    "мамыр",
    "маусым",
    "шілде",
    "тамыз",
    "қыркүйек",
    "қазан",
    "қараша",
    "желтоқсан",
];
const ENGLISH_MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

impl Date {
    pub fn new(year: u32, month: u32, day: u32) -> Self {
        Self { year, month, day }
    }

    /// `2024-03-12`
    pub fn iso(self) -> String {
        format!("{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }

    /// `12.03.2024`
    pub fn dotted(self) -> String {
        format!("{:02}.{:02}.{:04}", self.day, self.month, self.year)
    }

    /// With the month's name: `12 марта 2024 года`, `2024 жылғы 12 наурыз`, `12 March 2024`.
    pub fn long(self, language: Language) -> String {
        let at = (self.month as usize).saturating_sub(1).min(11);
        let Self { year, day, .. } = self;
        match language {
            Language::Russian => format!("{day} {} {year} года", RUSSIAN_MONTHS[at]),
            Language::Kazakh => format!("{year} жылғы {day} {}", KAZAKH_MONTHS[at]),
            Language::English => format!("{day} {} {year}", ENGLISH_MONTHS[at]),
        }
    }

    /// As forms print it: `«12» марта 2024 г.`
    pub fn quoted(self) -> String {
        let at = (self.month as usize).saturating_sub(1).min(11);
        format!("«{:02}» {} {} г.", self.day, RUSSIAN_MONTHS[at], self.year)
    }
}

/// How an amount is written.
#[derive(Clone, Copy, Debug)]
pub struct Notation {
    pub group: &'static str,
    pub point: &'static str,
}

impl Notation {
    /// `1 234,50` with an ordinary space.
    pub const SPACED: Self = Self {
        group: " ",
        point: ",",
    };
    /// `1 234,50` with a thin space (U+2009), as typesetters do.
    pub const THIN: Self = Self {
        group: "\u{2009}",
        point: ",",
    };
    /// `1 234,50` with a no-break space (U+00A0), as office programs do.
    pub const NO_BREAK: Self = Self {
        group: "\u{00A0}",
        point: ",",
    };
    /// `1,234.50`
    pub const ENGLISH: Self = Self {
        group: ",",
        point: ".",
    };
    /// `1234.50`, as programs exchange it.
    pub const PLAIN: Self = Self {
        group: "",
        point: ".",
    };

    /// An amount in hundredths.
    pub fn write(self, hundredths: u64) -> String {
        format!(
            "{}{}{:02}",
            self.grouped(hundredths / 100),
            self.point,
            hundredths % 100
        )
    }

    fn grouped(self, whole: u64) -> String {
        let digits = whole.to_string();
        let mut out = String::new();
        for (at, digit) in digits.chars().enumerate() {
            if at > 0 && (digits.len() - at).is_multiple_of(3) {
                out += self.group;
            }
            out.push(digit);
        }
        out
    }
}

/// `1234.50`: an amount in hundredths as the truth writes it.
pub fn decimal(hundredths: u64) -> String {
    Notation::PLAIN.write(hundredths)
}

/// A whole number below a milliard in Russian words: `сто двадцать три тысячи четыреста`.
pub fn russian_number(number: u64) -> String {
    if number == 0 {
        return "ноль".to_owned();
    }
    let mut words = Vec::new();
    let (millions, thousands, rest) = (number / 1_000_000 % 1000, number / 1000 % 1000, number % 1000);
    if millions > 0 {
        hundreds(millions, false, &mut words);
        words.push(plural(millions, "миллион", "миллиона", "миллионов"));
    }
    if thousands > 0 {
        hundreds(thousands, true, &mut words);
        words.push(plural(thousands, "тысяча", "тысячи", "тысяч"));
    }
    hundreds(rest, false, &mut words);
    words.join(" ")
}

/// The form of a Russian noun that follows a number.
pub fn plural<'a>(number: u64, one: &'a str, few: &'a str, many: &'a str) -> &'a str {
    match (number % 100, number % 10) {
        (11..=14, _) => many,
        (_, 1) => one,
        (_, 2..=4) => few,
        _ => many,
    }
}

fn hundreds(number: u64, feminine: bool, words: &mut Vec<&'static str>) {
    const HUNDREDS: [&str; 10] = [
        "",
        "сто",
        "двести",
        "триста",
        "четыреста",
        "пятьсот",
        "шестьсот",
        "семьсот",
        "восемьсот",
        "девятьсот",
    ];
    const TENS: [&str; 10] = [
        "",
        "",
        "двадцать",
        "тридцать",
        "сорок",
        "пятьдесят",
        "шестьдесят",
        "семьдесят",
        "восемьдесят",
        "девяносто",
    ];
    const SMALL: [&str; 20] = [
        "",
        "один",
        "два",
        "три",
        "четыре",
        "пять",
        "шесть",
        "семь",
        "восемь",
        "девять",
        "десять",
        "одиннадцать",
        "двенадцать",
        "тринадцать",
        "четырнадцать",
        "пятнадцать",
        "шестнадцать",
        "семнадцать",
        "восемнадцать",
        "девятнадцать",
    ];
    let small = if number % 100 < 20 {
        number % 100
    } else {
        number % 10
    };
    let tens = if number % 100 < 20 { 0 } else { number / 10 % 10 };
    let small = match (small, feminine) {
        (1, true) => "одна",
        (2, true) => "две",
        _ => SMALL[small as usize],
    };
    words.extend(
        [HUNDREDS[(number / 100 % 10) as usize], TENS[tens as usize], small]
            .iter()
            .filter(|w| !w.is_empty()),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_grouped_by_thousands() {
        assert_eq!(Notation::SPACED.write(123_456_789), "1 234 567,89");
        assert_eq!(Notation::ENGLISH.write(100_000), "1,000.00");
        assert_eq!(decimal(5), "0.05");
    }

    #[test]
    fn numbers_in_words_agree_with_their_nouns() {
        assert_eq!(
            russian_number(1_002_311),
            "один миллион две тысячи триста одиннадцать"
        );
        assert_eq!(russian_number(21_040), "двадцать одна тысяча сорок");
        assert_eq!(plural(112, "тенге", "тенге", "тенге"), "тенге");
        assert_eq!(plural(22, "рубль", "рубля", "рублей"), "рубля");
    }

    #[test]
    fn dates_are_written_in_three_languages() {
        let date = Date::new(2024, 3, 2);
        assert_eq!(date.long(Language::Russian), "2 марта 2024 года");
        assert_eq!(date.long(Language::Kazakh), "2024 жылғы 2 наурыз");
        assert_eq!(
            (date.iso(), date.dotted()),
            ("2024-03-02".to_owned(), "02.03.2024".to_owned())
        );
    }
}
