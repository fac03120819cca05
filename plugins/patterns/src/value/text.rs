//! Text as it stands, without the blanks, lines of underscores and commas around it.

use super::Scan;
use docmill_plugin::Value;

/// At most `max_length` characters, cut at a word.
pub fn scan(text: &str, max_length: usize) -> Option<Scan> {
    let blank = |char: char| char.is_whitespace() || char == '_';
    let from = text.len() - text.trim_start_matches(blank).len();
    let kept = text
        .trim_matches(blank)
        .trim_end_matches([';', ','])
        .trim_end_matches(blank);
    let kept = cut(kept, max_length);
    if !kept.chars().any(char::is_alphanumeric) {
        return None;
    }
    Some(Scan::sure(
        from,
        from + kept.len(),
        Value::Text(kept.split_whitespace().collect::<Vec<_>>().join(" ")),
    ))
}

fn cut(text: &str, max_length: usize) -> &str {
    let Some((end, _)) = text.char_indices().nth(max_length) else {
        return text;
    };
    let kept = text.get(..end).unwrap_or(text);
    let at_word = text
        .get(end..)
        .is_some_and(|rest| rest.starts_with(char::is_whitespace));
    match kept.rfind(char::is_whitespace) {
        Some(blank) if !at_word => kept.get(..blank).unwrap_or(kept).trim_end(),
        _ => kept.trim_end(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trimmed_and_cut_at_words() {
        let value = |text, max| {
            scan(text, max).map(|scan| (scan.value, text.get(scan.start..scan.end).map(str::to_owned)))
        };
        let expect = |value: &str, raw: &str| Some((Value::Text(value.to_owned()), Some(raw.to_owned())));
        assert_eq!(
            value("  ТОО «Альфа  Плюс», ", 99),
            expect("ТОО «Альфа Плюс»", "ТОО «Альфа  Плюс»")
        );
        assert_eq!(value("один два три", 8), expect("один два", "один два"));
        assert_eq!(value("один два три", 7), expect("один", "один"));
        assert_eq!(value("____ , __", 9), None);
    }
}
