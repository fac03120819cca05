//! Number formats: from a number and a format's code (`#,##0.00\ "₸"`, `dd/mm/yyyy`) to what Excel displays.

mod code;
mod date;
mod number;

use crate::Locale;
use code::{Kind, Section};
pub use number::general;

/// A cell format, parsed once.
#[derive(Debug)]
pub struct Format {
    sections: Vec<Section>,
    locale: Locale,
}

impl Format {
    /// `id`: 0 to 163 are built in; `code`: what the workbook declares for it.
    pub fn new(id: u32, code: Option<&str>, locale: Locale) -> Self {
        let code = code.unwrap_or_else(|| built_in(id, locale));
        Self {
            sections: code::parse(code, locale),
            locale,
        }
    }

    /// A number as it is displayed; one that the format cannot display (a date before its epoch), as it is.
    pub fn write(&self, value: f64, epoch_1904: bool) -> String {
        let Some((section, bare)) = self.section(value) else {
            return general(value, self.decimal_point());
        };
        let written = match section.kind {
            Kind::General => self.general_with_literals(section, if bare { value.abs() } else { value }),
            Kind::Number => number::write(section, value, bare, self),
            Kind::Date => {
                let date = date::write(section, value, epoch_1904, self.locale);
                date.unwrap_or_else(|| general(value, self.decimal_point()))
            }
        };
        collapse(&written)
    }

    /// The section for a value, and whether it writes the sign itself.
    fn section(&self, value: f64) -> Option<(&Section, bool)> {
        let numeric = self.sections.get(..self.sections.len().min(3))?;
        if numeric.iter().any(|section| section.condition.is_some()) {
            let fits = |section: &&Section| section.condition.is_none_or(|condition| condition.holds(value));
            return numeric
                .iter()
                .find(fits)
                .or(numeric.last())
                .map(|section| (section, false));
        }
        let at = |index: usize| numeric.get(index);
        match numeric.len() {
            2 | 3 if value < 0.0 => at(1).map(|section| (section, true)),
            3 if value == 0.0 => at(2).map(|section| (section, true)),
            _ => at(0).map(|section| (section, false)),
        }
    }

    fn general_with_literals(&self, section: &Section, value: f64) -> String {
        let number = general(value, self.decimal_point());
        let pieces = section.pieces.iter().map(|piece| match piece {
            code::Piece::Literal(text) => text.as_str(),
            code::Piece::General => number.as_str(),
            _ => "",
        });
        pieces.collect()
    }

    fn decimal_point(&self) -> char {
        if matches!(self.locale, Locale::Ru | Locale::Kk) {
            ','
        } else {
            '.'
        }
    }

    fn group_separator(&self) -> char {
        if self.locale == Locale::En { ',' } else { ' ' }
    }
}

/// The codes of formats that workbooks use without declaring them (ECMA-376 part 1, 18.8.30); those that depend on the
/// reader's country follow the locale.
fn built_in(id: u32, locale: Locale) -> &'static str {
    let date = short_date(locale);
    match id {
        1 => "0",
        2 => "0.00",
        3 | 37 | 38 => "#,##0",
        4 | 39 | 40 => "#,##0.00",
        5 | 6 | 41 | 42 => "#,##0",
        7 | 8 | 43 | 44 => "#,##0.00",
        9 => "0%",
        10 => "0.00%",
        11 => "0.00E+00",
        12 => "# ?/?",
        13 => "# ??/??",
        14 | 27..=31 | 36 | 50..=58 => date,
        15 => "d-mmm-yy",
        16 => "d-mmm",
        17 => "mmm-yy",
        18 => "h:mm AM/PM",
        19 => "h:mm:ss AM/PM",
        20 | 32 | 34 => "h:mm",
        21 | 33 | 35 => "h:mm:ss",
        22 => match locale {
            Locale::Neutral => "yyyy-mm-dd hh:mm",
            Locale::En => "m/d/yyyy h:mm",
            Locale::Ru | Locale::Kk => "dd.mm.yyyy h:mm",
        },
        45 => "mm:ss",
        46 => "[h]:mm:ss",
        47 => "mm:ss.0",
        48 => "##0.0E+0",
        _ => "General",
    }
}

/// How a country writes dates in short.
fn short_date(locale: Locale) -> &'static str {
    match locale {
        Locale::Neutral => "yyyy-mm-dd",
        Locale::En => "m/d/yyyy",
        Locale::Ru | Locale::Kk => "dd.mm.yyyy",
    }
}

/// Blanks that only align columns shrink to one.
fn collapse(text: &str) -> String {
    text.split([' ', '\u{a0}', '\u{2007}', '\u{202f}'])
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(code: &str, value: f64, locale: Locale) -> String {
        Format::new(200, Some(code), locale).write(value, false)
    }

    #[test]
    fn numbers() {
        for (code, value, expected) in [
            ("General", 0.1 + 0.2, "0.3"),
            ("General", 123_456_789_012.0, "123456789012"),
            ("General", -1e21, "-1E+21"),
            ("0", 2.5, "3"),
            ("0.00", 1.005, "1.01"),
            ("0.00", -0.001, "0.00"),
            ("#,##0.00", 1_234_567.891, "1 234 567.89"),
            ("#,##0", 999.5, "1 000"),
            ("#.##", 0.5, ".5"),
            ("0.##", 5.0, "5"),
            ("0.0#", 5.0, "5.0"),
            ("0%", 0.256, "26%"),
            ("0.00%", 0.12345, "12.35%"),
            ("0.00E+00", 12345.0, "1.23E+04"),
            ("##0.0E+0", 12345.0, "12.3E+3"),
            ("000000", 42.0, "000042"),
            ("000-000", 1234.0, "001-234"),
            ("0,", 12_345.0, "12"),
            ("0.0,,\" млн\"", 12_345_678.0, "12.3 млн"),
            ("#,##0.00\\ \"₸\"", 1234.5, "1 234.50 ₸"),
            (
                "#,##0.00\\ [$₽-419];[Red]\\-#,##0.00\\ [$₽-419]",
                -1234.5,
                "-1 234.50 ₽",
            ),
            ("[$€-2]\\ #,##0", 12.0, "€ 12"),
            ("\"$\"#,##0.00_);(\"$\"#,##0.00)", -5.0, "($5.00)"),
            ("_-* #,##0.00_-;-* #,##0.00_-;_-* \"-\"??_-;_-@_-", 0.0, "-"),
            ("_-* #,##0.00\\ _₽_-;\\-* #,##0.00\\ _₽_-", 1234.0, "1 234.00"),
            ("[>=1000]0.0,\"k\";0", 2500.0, "2.5k"),
            ("[>=1000]0.0,\"k\";0", 25.0, "25"),
            ("0;0", -3.0, "3"),
            ("\"№ \"0", 7.0, "№ 7"),
            ("0;;", 0.0, ""),
            ("@", 12.5, "12.5"),
            ("General\" шт\"", 3.0, "3 шт"),
            ("# ?/?", 1.5, "1 1/2"),
            ("# ??/??", 0.25, "1/4"),
            ("0", 1e300, &format!("1{}", "0".repeat(300))),
        ] {
            assert_eq!(shown(code, value, Locale::Neutral), expected, "{code} {value}");
        }
    }

    #[test]
    fn dates_and_times() {
        for (code, value, expected) in [
            ("dd/mm/yyyy", 46_347.0, "21/11/2026"),
            ("dd\\.mm\\.yyyy;@", 46_347.0, "21.11.2026"),
            ("d mmmm yyyy", 46_347.0, "21 November 2026"),
            ("[$-419]d\\ mmmm\\ yyyy\\ \"г.\"", 46_347.0, "21 ноября 2026 г."),
            ("[$-419]mmmm\\ yyyy", 46_347.0, "Ноябрь 2026"),
            ("[$-43F]d\\ mmmm\\ yyyy", 46_347.0, "21 қараша 2026"),
            (
                "yyyy-mm-dd hh:mm:ss",
                46_347.75 + 1.0 / 86_400.0,
                "2026-11-21 18:00:01",
            ),
            ("h:mm AM/PM", 0.5, "12:00 PM"),
            ("h:mm", 0.999_999_9, "0:00"),
            ("[h]:mm", 1.5, "36:00"),
            ("mm:ss.0", 0.000_706, "01:01.0"),
            ("ddd", 46_347.0, "Sat"),
            ("d-mmm-yy", 60.0, "29-Feb-00"),
            ("yyyy-mm-dd", 1.0, "1900-01-01"),
            ("yyyy-mm-dd", -1.0, "-1"),
            ("yyyy-mm-dd", 3e9, "3000000000"),
        ] {
            assert_eq!(shown(code, value, Locale::Neutral), expected, "{code} {value}");
        }
        assert_eq!(
            Format::new(200, Some("yyyy-mm-dd"), Locale::Neutral).write(0.0, true),
            "1904-01-01"
        );
    }

    #[test]
    fn the_locale_decides_what_the_code_leaves_open() {
        for (locale, money, date) in [
            (Locale::Neutral, "1 234.50", "2026-11-21"),
            (Locale::En, "1,234.50", "11/21/2026"),
            (Locale::Ru, "1 234,50", "21.11.2026"),
        ] {
            assert_eq!(Format::new(4, None, locale).write(1234.5, false), money);
            assert_eq!(Format::new(14, None, locale).write(46_347.0, false), date);
        }
        assert_eq!(shown("General", 1.5, Locale::Ru), "1,5");
        assert_eq!(
            shown("[$-F800]dddd\\,\\ mmmm\\ dd\\,\\ yyyy", 46_347.0, Locale::Neutral),
            "2026-11-21"
        );
    }

    #[test]
    fn wild_codes_and_values_do_no_harm() {
        for code in [
            "",
            ";;;;;;",
            "[",
            "[$",
            "\"",
            "\\",
            "_",
            "*",
            "[>",
            "[>x]0",
            "0.0.0.0",
            "%%%%%%%%%%%%%%%%",
            "E",
            "0E",
            "0E+",
            "?/",
            "/?",
            "[h",
            "AM",
            ",,,",
            "#,",
            &"0".repeat(3_000),
            &"[h]".repeat(900),
        ] {
            for value in [0.0, -0.0, 1.5, -1.5, 1e308, 5e-324, 46_347.5, -1e15] {
                assert!(
                    shown(code, value, Locale::Neutral).len() < 20_000,
                    "{code} {value}"
                );
            }
        }
    }
}
