//! Simhash: 64 bits that differ little for texts that differ little (Charikar 2002), over word triples.

/// The simhash of `text`; 0 for a text without words.
pub fn simhash(text: &str) -> u64 {
    let words: Vec<String> = text
        .split(|c: char| !c.is_alphanumeric())
        .filter(|w| !w.is_empty())
        .map(str::to_lowercase)
        .collect();
    if words.is_empty() {
        return 0;
    }
    let mut weights = [0_i32; 64];
    let mut add = |hash: u64| {
        for (bit, weight) in weights.iter_mut().enumerate() {
            *weight += if hash >> bit & 1 == 1 { 1 } else { -1 };
        }
    };
    if words.len() < 3 {
        add(fnv1a(words.iter().map(String::as_str)));
    }
    for triple in words.windows(3) {
        add(fnv1a(triple.iter().map(String::as_str)));
    }
    weights.iter().enumerate().fold(
        0,
        |hash, (bit, weight)| if *weight > 0 { hash | 1 << bit } else { hash },
    )
}

/// FNV-1a (64 bits) with a final mix: stable across hosts and releases, which `std`'s hasher is not.
fn fnv1a<'a>(words: impl Iterator<Item = &'a str>) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for word in words {
        for byte in word.bytes().chain([0]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^ hash >> 33
}

#[cfg(test)]
mod tests {
    use super::*;

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
