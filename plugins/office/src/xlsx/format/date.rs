//! Dates and times: days since an epoch, with Excel's own 29 February 1900.

use super::code::{Piece, Section};
use crate::Locale;

/// 31 December 9999.
const LAST_DAY: f64 = 2_958_466.0;

struct Names {
    months: [&'static str; 12],
    /// Beside a day: "21 ноября".
    months_of_day: [&'static str; 12],
    short_months: [&'static str; 12],
    /// From Sunday.
    days: [&'static str; 7],
    short_days: [&'static str; 7],
}

const ENGLISH: Names = Names {
    months: [
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
    ],
    months_of_day: [
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
    ],
    short_months: [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ],
    days: [
        "Sunday",
        "Monday",
        "Tuesday",
        "Wednesday",
        "Thursday",
        "Friday",
        "Saturday",
    ],
    short_days: ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"],
};

const RUSSIAN: Names = Names {
    months: [
        "Январь",
        "Февраль",
        "Март",
        "Апрель",
        "Май",
        "Июнь",
        "Июль",
        "Август",
        "Сентябрь",
        "Октябрь",
        "Ноябрь",
        "Декабрь",
    ],
    months_of_day: [
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
    ],
    short_months: [
        "янв", "фев", "мар", "апр", "май", "июн", "июл", "авг", "сен", "окт", "ноя", "дек",
    ],
    days: [
        "воскресенье",
        "понедельник",
        "вторник",
        "среда",
        "четверг",
        "пятница",
        "суббота",
    ],
    short_days: ["Вс", "Пн", "Вт", "Ср", "Чт", "Пт", "Сб"],
};

const KAZAKH: Names = Names {
    months: [
        "Қаңтар",
        "Ақпан",
        "Наурыз",
        "Сәуір",
        "Мамыр",
        "Маусым",
        "Шілде",
        "Тамыз",
        "Қыркүйек",
        "Қазан",
        "Қараша",
        "Желтоқсан",
    ],
    months_of_day: [
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
    ],
    short_months: [
        "қаң", "ақп", "нау", "сәу", "мам", "мау", "шіл", "там", "қыр", "қаз", "қар", "жел",
    ],
    days: [
        "жексенбі",
        "дүйсенбі",
        "сейсенбі",
        "сәрсенбі",
        "бейсенбі",
        "жұма",
        "сенбі",
    ],
    short_days: ["Жс", "Дс", "Сс", "Ср", "Бс", "Жм", "Сб"],
};

fn names(section: &Section, locale: Locale) -> &'static Names {
    match (section.language, locale) {
        (Some(0x19), _) | (None, Locale::Ru) => &RUSSIAN,
        (Some(0x3F), _) | (None, Locale::Kk) => &KAZAKH,
        _ => &ENGLISH,
    }
}

/// Writes a day and time by a section; none if there is no such day.
pub fn write(section: &Section, value: f64, epoch_1904: bool, locale: Locale) -> Option<String> {
    let value = if epoch_1904 { value + 1462.0 } else { value };
    if !(0.0..LAST_DAY).contains(&value) {
        return None;
    }
    // Seconds are rounded to what is shown of them before hours and minutes are taken.
    let fraction_digits = section.pieces.iter().find_map(|piece| match piece {
        Piece::SecondFraction(digits) => Some(*digits),
        _ => None,
    });
    let per_second = 10_u64.pow(u32::try_from(fraction_digits.unwrap_or(0)).unwrap_or(0));
    let ticks = (value * 86_400.0 * per_second as f64).round() as u64;
    let seconds = ticks / per_second;
    let (day, second_of_day) = (seconds / 86_400, seconds % 86_400);
    let date = Civil::of(day);
    let half_day = section
        .pieces
        .iter()
        .any(|piece| matches!(piece, Piece::HalfDay(_)));
    let hour = match second_of_day / 3_600 {
        hour if half_day => (hour + 11) % 12 + 1,
        hour => hour,
    };
    let names = names(section, locale);
    let has_day = section
        .pieces
        .iter()
        .any(|piece| matches!(piece, Piece::Date('d', 1 | 2)));

    let mut out = String::new();
    for piece in &section.pieces {
        match piece {
            Piece::Literal(text) => out.push_str(text),
            Piece::Date('y', 1 | 2) => out.push_str(&format!("{:02}", date.year % 100)),
            Piece::Date('y', _) => out.push_str(&format!("{:04}", date.year)),
            Piece::Date('m', width @ (1 | 2)) => out.push_str(&format!("{:0width$}", date.month)),
            Piece::Date('m', width) => {
                let table = match width {
                    3 => &names.short_months,
                    _ if has_day => &names.months_of_day,
                    _ => &names.months,
                };
                let name = table
                    .get(date.month.saturating_sub(1) as usize)
                    .copied()
                    .unwrap_or_default();
                out.extend(name.chars().take(if *width == 5 { 1 } else { usize::MAX }));
            }
            Piece::Date('d', width @ (1 | 2)) => out.push_str(&format!("{:0width$}", date.day)),
            Piece::Date('d', width) => {
                let table = if *width == 3 {
                    &names.short_days
                } else {
                    &names.days
                };
                // Day 1 was a Sunday in Excel's calendar.
                out.push_str(table.get(((day + 6) % 7) as usize).copied().unwrap_or_default());
            }
            Piece::Date('h', width) => out.push_str(&format!("{hour:0width$}", width = (*width).min(2))),
            Piece::Date('n', width) => out.push_str(&format!(
                "{:0width$}",
                second_of_day / 60 % 60,
                width = (*width).min(2)
            )),
            Piece::Date('s', width) => out.push_str(&format!(
                "{:0width$}",
                second_of_day % 60,
                width = (*width).min(2)
            )),
            Piece::SecondFraction(digits) => out.push_str(&format!(".{:0digits$}", ticks % per_second)),
            Piece::Elapsed('h', width) => {
                out.push_str(&format!("{:0width$}", seconds / 3_600, width = (*width).min(9)))
            }
            Piece::Elapsed('m', width) => {
                out.push_str(&format!("{:0width$}", seconds / 60, width = (*width).min(9)))
            }
            Piece::Elapsed(_, width) => out.push_str(&format!("{seconds:0width$}", width = (*width).min(9))),
            Piece::HalfDay(long) => {
                let name = if second_of_day < 43_200 { "AM" } else { "PM" };
                out.push_str(if *long {
                    name
                } else {
                    name.get(..1).unwrap_or_default()
                });
            }
            Piece::Digit('0') => out.push('0'),
            Piece::Point => out.push('.'),
            Piece::Percent => out.push('%'),
            Piece::Fraction => out.push('/'),
            _ => {}
        }
    }
    Some(out)
}

struct Civil {
    year: u64,
    month: u64,
    day: u64,
}

impl Civil {
    /// Day 1 is 1 January 1900; day 60 is the 29 February that Excel believes in; day 0 is "0 January".
    fn of(serial: u64) -> Self {
        match serial {
            0 => {
                return Self {
                    year: 1900,
                    month: 1,
                    day: 0,
                };
            }
            60 => {
                return Self {
                    year: 1900,
                    month: 2,
                    day: 29,
                };
            }
            _ => {}
        }
        // Days since 1 March of the year 0 (Howard Hinnant's civil_from_days).
        let days = serial + if serial < 60 { 693_900 } else { 693_899 };
        let era = days / 146_097;
        let of_era = days % 146_097;
        let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted = (5 * of_year + 2) / 153;
        let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
        Self {
            year: year_of_era + era * 400 + u64::from(month <= 2),
            month,
            day: of_year - (153 * shifted + 2) / 5 + 1,
        }
    }
}
