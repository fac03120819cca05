//! How values are written for people.

use crate::config::Locale;
use docmill_plugin::show;
use minijinja::value::ValueKind;
use minijinja::{Environment, Error, ErrorKind, Value};

/// Adds `money`, `decimal`, `date` and `md`.
pub fn add(environment: &mut Environment<'_>, locale: Locale) {
    environment.add_filter("money", move |value: Value| money(&value, locale));
    environment.add_filter("decimal", move |value: Value, places: Option<usize>| {
        decimal(&value, places, locale)
    });
    environment.add_filter("date", move |value: Value, form: Option<String>| {
        date(&value, form.as_deref(), locale)
    });
    environment.add_filter("md", markdown);
}

fn wrong(what: &str, value: &Value) -> Error {
    let kind = if value.is_undefined() {
        ErrorKind::UndefinedError
    } else {
        ErrorKind::InvalidOperation
    };
    Error::new(kind, format!("{what} was expected, not {}", value.kind()))
}

fn digits(value: &Value) -> Option<String> {
    let text = match value.kind() {
        ValueKind::Number => value.to_string(),
        ValueKind::String => value.as_str()?.to_owned(),
        _ => return None,
    };
    let unsigned = text.strip_prefix('-').unwrap_or(&text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
    let all = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    (all(whole) && all(fraction)).then_some(text)
}

/// An amount with its currency, or a plain amount.
fn money(value: &Value, locale: Locale) -> Result<String, Error> {
    let amount = value
        .get_attr("amount")
        .ok()
        .filter(|amount| !amount.is_undefined());
    let shown = digits(amount.as_ref().unwrap_or(value)).ok_or_else(|| wrong("money", value))?;
    let shown = grouped(&fixed(&shown, 2), locale);
    let currency = if amount.is_some() {
        value.get_attr("currency").ok()
    } else {
        None
    };
    let code = currency.as_ref().and_then(Value::as_str);
    let sign = match code {
        Some("KZT") => "₸",
        Some("RUB") => "₽",
        Some("USD") => "$",
        Some("EUR") => "€",
        Some(other) => other,
        None => return Ok(shown),
    };
    Ok(match locale {
        Locale::En => format!("{}\u{A0}{shown}", code.unwrap_or(sign)),
        Locale::Ru | Locale::Kk => format!("{shown}\u{A0}{sign}"),
    })
}

fn decimal(value: &Value, places: Option<usize>, locale: Locale) -> Result<String, Error> {
    let amount = value
        .get_attr("amount")
        .ok()
        .filter(|amount| !amount.is_undefined());
    let shown = digits(amount.as_ref().unwrap_or(value)).ok_or_else(|| wrong("a number", value))?;
    Ok(grouped(
        &places.map_or_else(|| shown.clone(), |places| fixed(&shown, places.min(50))),
        locale,
    ))
}

/// Exactly `places` digits behind the point, halves away from zero.
fn fixed(digits: &str, places: usize) -> String {
    let (sign, unsigned) = digits.strip_prefix('-').map_or(("", digits), |rest| ("-", rest));
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let padded = format!("{fraction:0<places$}");
    let (kept, rest) = padded.split_at_checked(places).unwrap_or((padded.as_str(), ""));
    let mut all: Vec<u8> = whole.bytes().chain(kept.bytes()).collect();
    if rest.bytes().next().is_some_and(|first| first >= b'5') {
        let carried = all.iter_mut().rev().find_map(|digit| {
            if *digit == b'9' {
                *digit = b'0';
                None
            } else {
                *digit += 1;
                Some(())
            }
        });
        if carried.is_none() {
            all.insert(0, b'1');
        }
    }
    let point = all.len() - kept.len();
    let (whole, fraction) = all.split_at_checked(point).unwrap_or((&all, &[]));
    let zero = all.iter().all(|digit| *digit == b'0');
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let shown = if fraction.is_empty() {
        text(whole)
    } else {
        format!("{}.{}", text(whole), text(fraction))
    };
    if zero { shown } else { format!("{sign}{shown}") }
}

fn grouped(digits: &str, locale: Locale) -> String {
    let (group, point) = locale.marks();
    show::grouped(digits, group, point)
}

/// "2024-03-12" as people of the locale write it.
fn date(value: &Value, form: Option<&str>, locale: Locale) -> Result<String, Error> {
    const RUSSIAN: [&str; 12] = [
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
    const KAZAKH: [&str; 12] = [
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
    const ENGLISH: [&str; 12] = [
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
    let text = value.as_str().ok_or_else(|| wrong("a date", value))?;
    let parts: Option<Vec<usize>> = text
        .get(..10)
        .map(|day| day.split('-').map_while(|part| part.parse().ok()).collect());
    let Some([year, month, day]) = parts.as_deref() else {
        return Err(wrong("a date such as 2024-03-12", value));
    };
    let name = |names: [&'static str; 12]| {
        names
            .get(month.wrapping_sub(1))
            .copied()
            .ok_or_else(|| wrong("a date", value))
    };
    match (form, locale) {
        (None | Some("short"), Locale::En) => Ok(format!("{year:04}-{month:02}-{day:02}")),
        (None | Some("short"), _) => Ok(format!("{day:02}.{month:02}.{year:04}")),
        (Some("long"), Locale::En) => Ok(format!("{day} {} {year}", name(ENGLISH)?)),
        (Some("long"), Locale::Ru) => Ok(format!("{day} {} {year} г.", name(RUSSIAN)?)),
        (Some("long"), Locale::Kk) => Ok(format!("{year} жылғы {day} {}", name(KAZAKH)?)),
        (Some(other), _) => Err(Error::new(
            ErrorKind::InvalidOperation,
            format!("date knows the forms short and long, not {other:?}"),
        )),
    }
}

/// Text that Markdown shows as it stands.
fn markdown(text: String) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        if "\\`*_{}[]()<>#+-.!|~".contains(char) {
            escaped.push('\\');
        }
        escaped.push(char);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::fixed;

    #[test]
    fn rounding_carries() {
        for (digits, places, shown) in [
            ("1.005", 2, "1.01"),
            ("9.999", 2, "10.00"),
            ("-0.001", 2, "0.00"),
            ("5", 2, "5.00"),
            ("1.5", 0, "2"),
            ("-2.345", 2, "-2.35"),
        ] {
            assert_eq!(fixed(digits, places), shown, "{digits}");
        }
    }
}
