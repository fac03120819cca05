//! `sharedStrings.xml`: texts that cells refer to by number.

use docmill_plugin::Error;

use crate::limits::MAX_SHARED_STRING_BYTES;
use crate::xml::{Token, Xml};

/// All texts, one behind the other.
#[derive(Debug, Default)]
pub struct SharedStrings {
    text: String,
    ends: Vec<usize>,
}

impl SharedStrings {
    /// A text by its number.
    pub fn get(&self, number: usize) -> Option<&str> {
        let end = *self.ends.get(number)?;
        let start = number
            .checked_sub(1)
            .and_then(|before| self.ends.get(before))
            .copied()
            .unwrap_or(0);
        self.text.get(start..end)
    }
}

/// Reads the part; how many texts it announces does not matter.
///
/// # Errors
/// `damaged`, `too-large`.
pub fn read(part: Option<Xml<'_>>) -> Result<SharedStrings, Error> {
    let mut strings = SharedStrings::default();
    let Some(mut xml) = part else { return Ok(strings) };
    loop {
        match xml.next()? {
            Token::Start(tag) if tag.name() == "si" => {}
            Token::Eof => return Ok(strings),
            _ => continue,
        }
        let text = rich_text(&mut xml)?;
        strings.text.push_str(&text);
        strings.ends.push(strings.text.len());
        // An end costs eight bytes even without text.
        if strings.text.len() + strings.ends.len() * 8 > MAX_SHARED_STRING_BYTES {
            return Err(Error::exhausted(
                "too-large",
                "The workbook has too many different texts; split it.",
            ));
        }
    }
}

/// The text of the element whose start was just read: runs joined, readings for pronunciation (`rPh`) left out.
///
/// # Errors
/// `damaged`, limits.
pub fn rich_text(xml: &mut Xml<'_>) -> Result<String, Error> {
    let inside = xml.depth();
    let mut out = String::new();
    let mut in_text = None;
    while xml.depth() >= inside {
        let depth = xml.depth();
        match xml.next()? {
            Token::Start(tag) if tag.name() == "rPh" => xml.skip()?,
            Token::Start(tag) if tag.name() == "t" => in_text = Some(depth + 1),
            Token::Text(text) if in_text == Some(depth) => out.push_str(&text),
            Token::End if in_text == Some(depth) => in_text = None,
            Token::Eof => break,
            _ => {}
        }
    }
    Ok(unescape(out))
}

/// `_x000D_` stands for a character that XML cannot hold.
fn unescape(text: String) -> String {
    if !text.contains("_x") {
        return text;
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(at) = rest.find("_x") {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let code = from
            .get(2..6)
            .filter(|_| from.get(6..7) == Some("_"))
            .and_then(|hex| u32::from_str_radix(hex, 16).ok());
        match code.and_then(char::from_u32) {
            Some(character) => {
                out.push(character);
                rest = from.get(7..).unwrap_or_default();
            }
            None => {
                out.push_str("_x");
                rest = from.get(2..).unwrap_or_default();
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::unescape;

    #[test]
    fn escaped_characters_come_back() {
        for (written, expected) in [
            ("a_x000A_b", "a\nb"),
            ("_x005F_x000A_", "_x000A_"),
            ("file_xyz", "file_xyz"),
            ("_x00", "_x00"),
            ("_xЖЖЖЖ_", "_xЖЖЖЖ_"),
        ] {
            assert_eq!(unescape(written.to_owned()), expected, "{written}");
        }
    }
}
