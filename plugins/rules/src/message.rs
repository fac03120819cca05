//! Reasons for people: templates with expressions in braces, and the sentences that every language needs.

use crate::config::Locale;
use crate::expression::{Compiled, Refused, compile};
use crate::number::Number;
use cel::common::types::{CelBool, CelInt, CelList, CelString};
use cel::common::value::Val;
use cel::{Context, Value};
use docmill_plugin::show::grouped;

/// A message in pieces.
#[derive(Debug)]
pub struct Template(Vec<Piece>);

#[derive(Debug)]
enum Piece {
    Text(String),
    Expression(Compiled),
}

/// # Errors
/// For an expression that cannot be used or a brace that nothing closes; the column counts from the template's start.
pub fn parse(template: &str) -> Result<Template, Refused> {
    let mut pieces = Vec::new();
    let mut text = String::new();
    let mut rest = template;
    while let Some(at) = rest.find(['{', '}']) {
        let (before, from) = rest.split_at(at);
        text.push_str(before);
        let column = template.chars().count() - from.chars().count() + 1;
        let refused = |reason: &str| Refused {
            line: 1,
            column,
            reason: reason.to_owned(),
        };
        if let Some(after) = from.strip_prefix("{{").or_else(|| from.strip_prefix("}}")) {
            text.extend(from.chars().next());
            rest = after;
        } else {
            let inner = from
                .strip_prefix('{')
                .ok_or_else(|| refused("`}` closes nothing; write `}}` for a brace"))?;
            let (source, after) = inner
                .split_once('}')
                .ok_or_else(|| refused("`{` is never closed; write `{{` for a brace"))?;
            let compiled = compile(source, None).map_err(|inside| Refused {
                column: column + inside.column,
                ..inside
            })?;
            pieces.push(Piece::Text(std::mem::take(&mut text)));
            pieces.push(Piece::Expression(compiled));
            rest = after;
        }
    }
    text.push_str(rest);
    pieces.push(Piece::Text(text));
    Ok(Template(pieces))
}

impl Template {
    /// The message with its values; what is missing is a dash.
    pub fn render(&self, context: &Context<'_, '_>, locale: Locale) -> String {
        let pieces = self.0.iter().map(|piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Expression(compiled) => Value::resolve_val(&compiled.expression, context)
                .map_or_else(|_| "—".to_owned(), |value| show(value.as_ref(), locale)),
        });
        pieces.collect()
    }
}

/// A value as a person reads it.
fn show(value: &(dyn Val + '_), locale: Locale) -> String {
    if let Some(text) = value.downcast_ref::<CelString<'_>>() {
        return text.inner().to_owned();
    }
    if let Some(bool) = value.downcast_ref::<CelBool>() {
        let (yes, no) = match locale {
            Locale::En => ("yes", "no"),
            Locale::Ru => ("да", "нет"),
            Locale::Kk => ("иә", "жоқ"),
        };
        return if *bool.inner() { yes } else { no }.to_owned();
    }
    if let Some(int) = value.downcast_ref::<CelInt>() {
        return digits(&int.inner().to_string(), locale);
    }
    if let Some(number) = Number::strict(value) {
        let digits = digits(&number.value.to_string(), locale);
        return match number.currency.flatten() {
            Some(code) => format!("{digits}\u{A0}{code}"),
            None => digits,
        };
    }
    if let Some(list) = value.downcast_ref::<CelList<'_>>() {
        return list
            .inner()
            .iter()
            .map(|item| show(item.as_ref(), locale))
            .collect::<Vec<_>>()
            .join(", ");
    }
    "—".to_owned()
}

fn digits(digits: &str, locale: Locale) -> String {
    let (group, point) = locale.marks();
    grouped(digits, group, point)
}

pub fn passed(locale: Locale) -> String {
    match locale {
        Locale::En => "The rule holds.",
        Locale::Ru => "Правило выполнено.",
        Locale::Kk => "Ереже орындалды.",
    }
    .to_owned()
}

pub fn failed(locale: Locale, expression: &str) -> String {
    match locale {
        Locale::En => format!("The rule does not hold: {expression}"),
        Locale::Ru => format!("Правило не выполнено: {expression}"),
        Locale::Kk => format!("Ереже орындалмады: {expression}"),
    }
}

pub fn missing(locale: Locale, path: &str) -> String {
    match locale {
        Locale::En => format!("Cannot be decided: {path} is missing."),
        Locale::Ru => format!("Нельзя решить: нет значения {path}."),
        Locale::Kk => format!("Шешу мүмкін емес: {path} мәні жоқ."),
    }
}

pub fn unsure(locale: Locale, path: &str, confidence: f32) -> String {
    match locale {
        Locale::En => format!("Cannot be decided: {path} is unsure (confidence {confidence})."),
        Locale::Ru => format!("Нельзя решить: значение {path} ненадёжно (уверенность {confidence})."),
        Locale::Kk => format!("Шешу мүмкін емес: {path} мәні сенімсіз (сенімділік {confidence})."),
    }
}

pub fn stuck(locale: Locale, why: &str) -> String {
    match locale {
        Locale::En => format!("Cannot be decided: {why}."),
        Locale::Ru => format!("Нельзя решить: {why}."),
        Locale::Kk => format!("Шешу мүмкін емес: {why}."),
    }
}
