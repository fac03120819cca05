//! Simhash: 64 bits that differ little for texts that differ little (Charikar 2002), over word triples.

/// The simhash of `text`; 0 for a text without words. The same on every host and in every release: it is kept.
pub fn simhash(text: &str) -> u64 {
    let mut sums = Sums {
        digits: [0; 40],
        added: 0,
    };
    // The hashes of the triples that began with this word, the one before and the one before that.
    let mut open = [OFFSET; 3];
    let mut folded = String::new();
    let mut words = 0_usize;
    for word in text.split(|c| !is_word(c)).filter(|word| !word.is_empty()) {
        if let Some(begun) = open.get_mut(words % 3) {
            *begun = OFFSET;
        }
        fold(word, &mut folded);
        for byte in folded.bytes().chain([0]) {
            // Three chains at once: each multiplication waits only for its own.
            open = open.map(|hash| (hash ^ u64::from(byte)).wrapping_mul(PRIME));
        }
        words += 1;
        if let (3.., Some(whole)) = (words, open.get(words % 3)) {
            sums.add(mixed(*whole));
        }
    }
    match (words, open) {
        (0, _) => 0,
        (1 | 2, [all, ..]) => mixed(all),
        _ => sums.majority(),
    }
}

/// FNV-1a, 64 bits: `std`'s hasher is another one in each process.
const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;

/// A final mix: FNV's high bits change little with the last bytes.
const fn mixed(hash: u64) -> u64 {
    let hash = hash ^ hash >> 33;
    let hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^ hash >> 33
}

/// How often each of 64 bits was set, as columns of binary digits: adding a hash touches about two words, not 64 counters.
struct Sums {
    /// Bit `b` of `digits[d]` is the binary digit `d` of the count of bit `b`.
    digits: [u64; 40],
    added: u64,
}

impl Sums {
    fn add(&mut self, hash: u64) {
        self.added += 1;
        let mut carry = hash;
        for digit in &mut self.digits {
            (*digit, carry) = (*digit ^ carry, *digit & carry);
            if carry == 0 {
                return;
            }
        }
    }

    /// The bits that were set in more than half of what was added.
    fn majority(&self) -> u64 {
        (0..64_u32).fold(0, |hash, bit| {
            let digits = self.digits.iter().enumerate();
            let count: u64 = digits.map(|(place, digit)| (digit >> bit & 1) << place).sum();
            if count * 2 > self.added {
                hash | 1 << bit
            } else {
                hash
            }
        })
    }
}

/// [`char::is_alphanumeric`], which searches its tables for everything beyond ASCII.
fn is_word(c: char) -> bool {
    match c {
        '\0'..='\u{7f}' => c.is_ascii_alphanumeric(),
        // Cyrillic, but for its number sign and its marks.
        '\u{400}'..='\u{481}' | '\u{48a}'..='\u{52f}' => true,
        _ => c.is_alphanumeric(),
    }
}

/// [`str::to_lowercase`] into a buffer that is used again.
fn fold(word: &str, folded: &mut String) {
    folded.clear();
    for c in word.chars() {
        match c {
            '\0'..='\u{7f}' => folded.push(c.to_ascii_lowercase()),
            'А'..='Я' => folded.push(char::from_u32(c as u32 + 0x20).unwrap_or(c)),
            'а'..='я' => folded.push(c),
            // What it becomes depends on what stands around it.
            'Σ' => {
                *folded = word.to_lowercase();
                return;
            }
            _ => folded.extend(c.to_lowercase()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As it is defined, word by word and bit by bit.
    fn defined(text: &str) -> u64 {
        let words: Vec<String> = text
            .split(|c: char| !c.is_alphanumeric())
            .filter(|word| !word.is_empty())
            .map(str::to_lowercase)
            .collect();
        let hash = |words: &[String]| {
            let bytes = words.iter().flat_map(|word| word.bytes().chain([0]));
            mixed(bytes.fold(OFFSET, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME)))
        };
        let hashes: Vec<u64> = match words.len() {
            0 => return 0,
            1 | 2 => vec![hash(&words)],
            _ => words.windows(3).map(hash).collect(),
        };
        let ones = |bit: u32| hashes.iter().filter(|hash| **hash >> bit & 1 == 1).count();
        (0..64)
            .filter(|bit| ones(*bit) * 2 > hashes.len())
            .fold(0, |hash, bit| hash | 1 << bit)
    }

    #[test]
    fn it_is_what_it_is_defined_as() {
        let mixed = "Счёт № 000123 от 12.03.2024\nПоставщик: ТОО «Пример»; ӘЛІБЕК Ңұрлан Ёлка ѣ ҂ А҃ Ὀδυσσεύς ΣΑΣ ẞ İ ﬁ 汉字 ٣٤ a_b";
        let mut texts: Vec<String> = ["", " ", "one", "one two", "One TWO three", mixed]
            .map(str::to_owned)
            .into();
        texts.push(mixed.repeat(50));
        // Every character that is near a border of what is told apart.
        texts.extend(
            (0..0x600)
                .filter_map(char::from_u32)
                .map(|c| format!("x{c}y z{c} {c} w")),
        );
        for text in texts {
            assert_eq!(simhash(&text), defined(&text), "{text:?}");
        }
    }

    #[test]
    fn near_texts_are_near_and_others_are_not() {
        let text: String = (0..200).map(|n| format!("word{n} ")).collect();
        let near = text.replace("word100", "changed");
        let other: String = (1000..1200).map(|n| format!("word{n} ")).collect();
        let distance = |a: &str, b: &str| (simhash(a) ^ simhash(b)).count_ones();
        assert_eq!(distance(&text, &text), 0);
        assert!(distance(&text, &near) <= 8, "{}", distance(&text, &near));
        assert!(distance(&text, &other) >= 16, "{}", distance(&text, &other));
        assert_eq!(simhash(""), 0);
        assert_ne!(simhash("one"), 0);
    }
}
