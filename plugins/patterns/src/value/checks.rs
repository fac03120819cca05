//! Check digits. All take digits (or for IBAN letters and digits) without blanks.

use super::Check;

/// Whether `text` has the right length and its check digit holds.
pub fn holds(check: Check, text: &str) -> bool {
    match check {
        Check::Iin | Check::Bin => kazakh(check, text),
        Check::Inn => inn(text),
        Check::Iban => iban(text),
    }
}

fn digits(text: &str) -> Option<Vec<u32>> {
    text.chars().map(|char| char.to_digit(10)).collect()
}

fn weighted(digits: &[u32], weights: &[u32]) -> u32 {
    digits
        .iter()
        .zip(weights)
        .map(|(digit, weight)| digit * weight)
        .sum()
}

/// Kazakhstan's 12 digits: the last one is a weighted sum modulo 11, with a second set of weights if that gives 10.
/// A person's number begins with the date of birth, a company's with year and month and a 4, 5 or 6.
fn kazakh(check: Check, text: &str) -> bool {
    let Some(digits) = digits(text).filter(|digits| digits.len() == 12) else {
        return false;
    };
    let Some((last, body)) = digits.split_last() else {
        return false;
    };
    let mut rest = weighted(body, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]) % 11;
    if rest == 10 {
        rest = weighted(body, &[3, 4, 5, 6, 7, 8, 9, 10, 11, 1, 2]) % 11;
    }
    let month = weighted(body.get(2..4).unwrap_or_default(), &[10, 1]);
    let fifth = body.get(4).copied().unwrap_or(0);
    let shaped = (1..=12).contains(&month) && (fifth < 4) == (check == Check::Iin) && fifth <= 6;
    rest == *last && shaped
}

/// Russia: 10 digits for companies, 12 for people.
fn inn(text: &str) -> bool {
    let Some(digits) = digits(text) else { return false };
    let digit_is = |at: usize, weights: &[u32]| {
        digits.get(at) == Some(&(weighted(digits.get(..at).unwrap_or_default(), weights) % 11 % 10))
    };
    match digits.len() {
        10 => digit_is(9, &[2, 4, 10, 3, 5, 9, 4, 6, 8]),
        12 => {
            digit_is(10, &[7, 2, 4, 10, 3, 5, 9, 4, 6, 8])
                && digit_is(11, &[3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8])
        }
        _ => false,
    }
}

/// ISO 13616: the first four characters behind the others, letters as 10 to 35, modulo 97 is 1.
fn iban(text: &str) -> bool {
    if !(15..=34).contains(&text.len()) || !text.is_ascii() {
        return false;
    }
    let (head, tail) = text.split_at(4);
    let rest = tail.chars().chain(head.chars()).try_fold(0_u32, |rest, char| {
        let value = char.to_digit(36)?;
        Some(
            if value < 10 {
                rest * 10 + value
            } else {
                rest * 100 + value
            } % 97,
        )
    });
    rest == Some(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_numbers_hold_and_their_neighbours_do_not() {
        for (check, good) in [
            (Check::Inn, "7707083893"),
            (Check::Inn, "500100732259"),
            (Check::Iban, "DE89370400440532013000"),
            (Check::Iban, "KZ86125KZT5004100100"),
            (Check::Bin, "980540000397"),
        ] {
            assert!(holds(check, good), "{check:?} {good}");
            let last = good
                .chars()
                .next_back()
                .and_then(|char| char.to_digit(10))
                .unwrap_or(0);
            let wrong = format!("{}{}", good.get(..good.len() - 1).unwrap_or(""), (last + 1) % 10);
            assert!(!holds(check, &wrong), "{check:?} {wrong}");
        }
        assert!(
            !holds(Check::Iin, "980540000397"),
            "a company's number is no person's"
        );
        assert!(
            !holds(Check::Inn, "77070838") && !holds(Check::Iban, "") && !holds(Check::Iin, "ЖЖЖЖЖЖЖЖЖЖЖЖ")
        );
    }
}
