//! Yes and no in words and boxes.

use super::Scan;
use crate::fold::fold;
use docmill_plugin::Value;

const YES: [&str; 14] = [
    "да", "иә", "ия", "yes", "true", "есть", "бар", "+", "✓", "✔", "☑", "☒", "[x]", "[х]",
];
const NO: [&str; 8] = ["нет", "жоқ", "no", "false", "-", "☐", "□", "[ ]"];

pub fn scan(text: &str) -> Option<Scan> {
    let lead = text.len() - text.trim_start().len();
    let rest = text.trim_start();
    if rest.starts_with("[ ]") {
        return Some(Scan::sure(lead, lead + 3, Value::Boolean(false)));
    }
    let mut from = 0;
    for word in rest.split_inclusive(char::is_whitespace) {
        let bare = word.trim().trim_end_matches(['.', ',', ';']);
        let folded = fold(bare);
        let says = if YES.contains(&folded.as_str()) {
            Some(true)
        } else if NO.contains(&folded.as_str()) {
            Some(false)
        } else {
            None
        };
        if let Some(says) = says {
            return Some(Scan::sure(
                lead + from,
                lead + from + bare.len(),
                Value::Boolean(says),
            ));
        }
        from += word.len();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_boxes() {
        for (text, value) in [
            ("Да.", true),
            (" ЖОҚ", false),
            ("☒ согласен", true),
            ("[ ] agree", false),
            ("пока нет", false),
        ] {
            assert_eq!(
                scan(text).map(|scan| scan.value),
                Some(Value::Boolean(value)),
                "{text}"
            );
        }
        assert_eq!(scan("может быть"), None);
    }
}
