//! Text as it goes into blocks.

/// Without control characters and zero-width marks that only steer layout, without blanks at the ends of lines and
/// without empty lines; tabs and line breaks stay.
pub fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.split(['\n', '\r', '\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}']) {
        let start = out.len();
        if start > 0 {
            out.push('\n');
        }
        let from = out.len();
        out.extend(line.trim_matches(is_blank).chars().filter(|c| !is_noise(*c)));
        if out
            .get(from..)
            .is_none_or(|kept| kept.trim_matches(is_blank).is_empty())
        {
            out.truncate(start);
        }
    }
    out
}

fn is_blank(c: char) -> bool {
    c.is_whitespace() || c == '\u{200b}' || c == '\u{feff}'
}

fn is_noise(c: char) -> bool {
    (c.is_control() && c != '\t') || matches!(c, '\u{ad}' | '\u{200b}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

/// The same on one line: line breaks and tabs become blanks.
pub fn one_line(text: &str) -> String {
    clean(text).replace(['\n', '\t'], " ")
}

/// A language tag that the host takes: its primary part, in lower case.
pub fn primary_language(tag: &str) -> Option<String> {
    let primary = tag
        .split(['-', '_'])
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    ((2..=3).contains(&primary.len()) && primary.bytes().all(|b| b.is_ascii_lowercase())).then_some(primary)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_goes_and_structure_stays() {
        assert_eq!(
            clean(" \u{feff}Label:\tva\u{ad}lue\u{200b} \r\n\n \u{7} \nnext\u{a0}line "),
            "Label:\tvalue\nnext\u{a0}line"
        );
        assert_eq!(clean("\n\t \u{200b}"), "");
        assert_eq!(one_line("a\n b\tc"), "a b c");
        assert_eq!(clean("👨\u{200d}👩"), "👨\u{200d}👩");
    }

    #[test]
    fn languages_are_primary_tags() {
        assert_eq!(primary_language("ru-RU").as_deref(), Some("ru"));
        assert_eq!(primary_language("x-none"), None);
        assert_eq!(primary_language(""), None);
    }
}
