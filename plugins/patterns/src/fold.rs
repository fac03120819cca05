//! Text in which differences that do not matter are gone, and the way back to the bytes that it came from.

/// Small letters, ё as е, one kind of quote and dash, runs of blanks as one space.
#[derive(Debug, Default)]
pub struct Folded {
    pub text: String,
    /// For every byte of `text`, where the character that it came from begins and ends.
    places: Vec<(u32, u32)>,
}

impl Folded {
    pub fn new(original: &str) -> Self {
        let mut folded = Self {
            text: String::with_capacity(original.len()),
            places: Vec::with_capacity(original.len()),
        };
        for (start, char) in original.char_indices() {
            let place = (start as u32, (start + char.len_utf8()) as u32);
            if char == '\u{AD}' {
                continue;
            }
            if char.is_whitespace() {
                if folded.text.ends_with(' ') {
                    if let Some(last) = folded.places.last_mut() {
                        last.1 = place.1;
                    }
                } else {
                    folded.push(' ', place);
                }
                continue;
            }
            for small in char.to_lowercase() {
                folded.push(same(small), place);
            }
        }
        folded
    }

    fn push(&mut self, char: char, place: (u32, u32)) {
        self.text.push(char);
        self.places.resize(self.text.len(), place);
    }

    /// Where in the original bytes `label` (folded) stands as whole words.
    pub fn find<'a>(&'a self, label: &'a str) -> impl Iterator<Item = (usize, usize)> + 'a {
        self.text.match_indices(label).filter_map(move |(start, _)| {
            let end = start + label.len();
            let apart = |inside: Option<char>, outside: Option<char>| {
                !(inside.is_some_and(char::is_alphanumeric) && outside.is_some_and(char::is_alphanumeric))
            };
            let before = self.text.get(..start)?.chars().next_back();
            let after = self.text.get(end..)?.chars().next();
            if !apart(label.chars().next(), before) || !apart(label.chars().next_back(), after) {
                return None;
            }
            Some((
                self.places.get(start)?.0 as usize,
                self.places.get(end.checked_sub(1)?)?.1 as usize,
            ))
        })
    }
}

fn same(char: char) -> char {
    match char {
        'ё' => 'е',
        '«' | '»' | '“' | '”' | '„' | '‟' => '"',
        '‘' | '’' | '‚' | 'ʼ' => '\'',
        '–' | '—' | '−' | '‐' | '‑' => '-',
        other => other,
    }
}

/// Folded alone, without the way back; blanks at the ends are gone.
pub fn fold(text: &str) -> String {
    Folded::new(text).text.trim().to_owned()
}

/// Whether `text` begins with one of `labels` (folded) as whole words.
pub fn begins(text: &str, labels: &[String]) -> bool {
    let folded = fold(text);
    labels.iter().any(|label| {
        folded
            .strip_prefix(label.as_str())
            .is_some_and(|rest| !rest.starts_with(char::is_alphanumeric))
    })
}

#[cfg(test)]
mod tests {
    use super::Folded;

    #[test]
    fn hits_lead_back_to_the_original() {
        let original = "СЧЁТ\u{A0} на  оплату №5, пересчет на оплату";
        let folded = Folded::new(original);
        let hits: Vec<_> = folded
            .find("счет на оплату")
            .filter_map(|(start, end)| original.get(start..end))
            .collect();
        assert_eq!(hits, ["СЧЁТ\u{A0} на  оплату"], "whole words only");
    }

    #[test]
    fn letters_that_change_their_length() {
        let original = "İİ Total: 5";
        let folded = Folded::new(original);
        let hits: Vec<_> = folded
            .find("total")
            .filter_map(|(start, end)| original.get(start..end))
            .collect();
        assert_eq!(hits, ["Total"]);
    }
}
