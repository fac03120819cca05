//! The formats that a document can take.

pub mod csv;
pub mod docx;
pub mod html;
pub mod markdown;
pub mod pdf;
pub mod text;
pub mod xlsx;

use super::page::{Block, Document, Table};

/// A document in its format.
pub struct Rendered {
    pub bytes: Vec<u8>,
    /// What stands on each page, so that the truth knows where a field is. Formats without pages have one.
    pub pages: Vec<String>,
}

impl Rendered {
    fn one_page(bytes: Vec<u8>, document: &Document) -> Self {
        Self {
            bytes,
            pages: vec![plain(document)],
        }
    }
}

/// All texts of the document in their order.
fn plain(document: &Document) -> String {
    let mut lines: Vec<String> = Vec::new();
    for block in &document.blocks {
        match block {
            Block::Title(text) | Block::Heading(text) | Block::Paragraph(text) | Block::Right(text) => {
                lines.push(text.clone());
            }
            Block::Pairs { rows, .. } | Block::Totals(rows) => {
                lines.extend(rows.iter().map(|pair| format!("{} {}", pair.label, pair.value)));
            }
            Block::Columns { left, right } => lines.extend(left.iter().chain(right).cloned()),
            Block::Table(Table { rows, .. }) => lines.extend(rows.iter().map(|row| row.join(" "))),
            Block::Boxes(boxes) => lines.extend(
                boxes
                    .iter()
                    .map(|(ticked, text)| format!("{} {text}", super::form::mark(*ticked))),
            ),
            Block::Signature { role, name } => lines.push(format!("{role} {name}")),
            Block::Watermark(_) => {}
        }
    }
    lines.join("\n")
}

/// Text for XML and HTML.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// Breaks a text into lines that `fits` accepts; with `hyphenate`, long words may be broken. A word that fits nowhere
/// stands on a line of its own.
fn wrap(text: &str, hyphenate: bool, fits: &dyn Fn(&str) -> bool) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split(' ') {
        let longer = if line.is_empty() {
            word.to_owned()
        } else {
            format!("{line} {word}")
        };
        if fits(&longer) {
            line = longer;
            continue;
        }
        let broken = if hyphenate {
            break_word(&line, word, fits)
        } else {
            None
        };
        match broken {
            Some((head, tail)) => {
                lines.push(if line.is_empty() {
                    head
                } else {
                    format!("{line} {head}")
                });
                line = tail;
            }
            None => {
                if !line.is_empty() {
                    lines.push(std::mem::take(&mut line));
                }
                line = word.to_owned();
            }
        }
    }
    lines.push(line);
    lines
}

/// The longest head of a word, with its hyphen, that still fits the line. Only long words in small letters are broken:
/// names, numbers and dates stay whole, as typists do it.
fn break_word(line: &str, word: &str, fits: &dyn Fn(&str) -> bool) -> Option<(String, String)> {
    const VOWELS: &str = "аеёиоуыэюяәіөұү";
    let letters: Vec<char> = word.chars().collect();
    if letters.len() < 9 || !letters.iter().take(9).all(|letter| letter.is_lowercase()) {
        return None;
    }
    let vowel = |at: usize| VOWELS.contains(letters[at]);
    (3..letters.len() - 3)
        .rev()
        .filter(|at| vowel(at - 1) && !vowel(*at) && vowel(at + 1) && letters[*at] != 'й')
        .map(|at| {
            (
                letters[..at].iter().collect::<String>() + "-",
                letters[at..].iter().collect::<String>(),
            )
        })
        .find(|(head, _)| {
            fits(&if line.is_empty() {
                head.clone()
            } else {
                format!("{line} {head}")
            })
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_words_are_broken_after_a_vowel_and_names_are_not() {
        let fits = |line: &str| line.chars().count() <= 16;
        assert_eq!(
            wrap("она действительно работает", true, &fits),
            ["она действи-", "тельно работает"]
        );
        assert_eq!(
            wrap("она действительно работает", false, &fits),
            ["она", "действительно", "работает"]
        );
        assert_eq!(
            wrap("пришла Константинопольская", true, &fits),
            ["пришла", "Константинопольская"]
        );
    }
}
