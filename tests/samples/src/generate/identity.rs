//! Numbers that carry check digits: BIN and IIN (Kazakhstan), INN and account numbers (Russia), IBAN.

use super::random::Random;
use super::words::Date;

/// Business identification number: year and month of registration, kind, serial number, check digit.
pub fn bin(random: &mut Random) -> String {
    loop {
        let year = random.between(3, 21);
        let month = random.between(1, 12);
        let body = format!("{year:02}{month:02}40{}", random.digits(5));
        if let Some(check) = kz_check(&body) {
            return format!("{body}{check}");
        }
    }
}

/// Individual identification number: date of birth, century and sex, serial number, check digit.
pub fn iin(random: &mut Random, born: Date, female: bool) -> String {
    let century = match (born.year >= 2000, female) {
        (false, false) => 3,
        (false, true) => 4,
        (true, false) => 5,
        (true, true) => 6,
    };
    loop {
        let body = format!(
            "{:02}{:02}{:02}{century}{}",
            born.year % 100,
            born.month,
            born.day,
            random.digits(4)
        );
        if let Some(check) = kz_check(&body) {
            return format!("{body}{check}");
        }
    }
}

/// The check digit of eleven digits; some bodies have none, and no such number is ever issued.
pub fn kz_check(body: &str) -> Option<u32> {
    let digits = digits(body);
    let weighted = |shift: usize| -> u32 {
        digits
            .iter()
            .enumerate()
            .map(|(at, digit)| digit * (((at + shift) % 11) as u32 + 1))
            .sum::<u32>()
            % 11
    };
    [0, 2].into_iter().map(weighted).find(|check| *check < 10)
}

/// Taxpayer's number of a Russian company, ten digits.
pub fn inn(random: &mut Random) -> String {
    let body = format!("77{}", random.digits(7));
    let check = inn_check(&body, &[2, 4, 10, 3, 5, 9, 4, 6, 8]);
    format!("{body}{check}")
}

/// Taxpayer's number of a Russian sole proprietor, twelve digits.
pub fn inn_person(random: &mut Random) -> String {
    let mut number = format!("50{}", random.digits(8));
    number += &inn_check(&number, &[7, 2, 4, 10, 3, 5, 9, 4, 6, 8]).to_string();
    number += &inn_check(&number, &[3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8]).to_string();
    number
}

pub fn inn_check(body: &str, weights: &[u32]) -> u32 {
    digits(body)
        .iter()
        .zip(weights)
        .map(|(digit, weight)| digit * weight)
        .sum::<u32>()
        % 11
        % 10
}

/// A Russian current account of the bank `bik`: twenty digits, the ninth of which is the key.
pub fn account(random: &mut Random, bik: &str) -> String {
    let serial = random.digits(11);
    for key in 0..10 {
        let number = format!("40702810{key}{serial}");
        if account_sum(bik, &number) == 0 {
            return number;
        }
    }
    unreachable!("a key exists for every serial number, because its weight is prime to ten")
}

/// Zero if the account belongs to the bank.
pub fn account_sum(bik: &str, account: &str) -> u32 {
    let tail = bik.get(bik.len().saturating_sub(3)..).unwrap_or(bik);
    digits(&format!("{tail}{account}"))
        .iter()
        .zip([7, 1, 3].into_iter().cycle())
        .map(|(d, w)| d * w)
        .sum::<u32>()
        % 10
}

/// A Kazakh IBAN: `KZ`, two check digits, the bank's three digits, thirteen places of the account.
pub fn iban(random: &mut Random) -> String {
    let bank = random.pick(&["125", "722", "826", "914", "998"]);
    let account = format!("{bank}{}{}", random.pick(&["KZT", "C", "A"]), random.digits(13));
    let account: String = account.chars().take(16).collect();
    let check = 98 - mod97(&format!("{account}KZ00"));
    format!("KZ{check:02}{account}")
}

/// The remainder of an IBAN whose country and check digits were moved to its end; one for a good IBAN.
pub fn mod97(rearranged: &str) -> u32 {
    rearranged
        .chars()
        .filter_map(|letter| letter.to_digit(36))
        .fold(0, |rest, value| {
            if value > 9 {
                (rest * 100 + value) % 97
            } else {
                (rest * 10 + value) % 97
            }
        })
}

fn digits(text: &str) -> Vec<u32> {
    text.chars().filter_map(|letter| letter.to_digit(10)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_are_published_are_good() {
        // Numbers of well-known companies as the registers publish them, and IBANs from ISO 13616's own examples.
        assert_eq!(kz_check("97124000131"), Some(5));
        assert_eq!(kz_check("94014000038"), Some(5));
        assert_eq!(inn_check("770708389", &[2, 4, 10, 3, 5, 9, 4, 6, 8]), 3);
        assert_eq!(mod97("WEST12345698765432GB82"), 1);
        assert_eq!(mod97("125KZT5004100100KZ86"), 1);
    }

    #[test]
    fn made_numbers_are_good_and_broken_ones_are_not() {
        let mut random = Random::new(7);
        for _ in 0..200 {
            let bin = bin(&mut random);
            let (body, check) = bin.split_at(11);
            assert_eq!(
                kz_check(body).map(|digit| digit.to_string()).as_deref(),
                Some(check)
            );

            let inn = inn_person(&mut random);
            assert_eq!(
                inn_check(&inn, &[3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8]).to_string(),
                inn[11..]
            );

            let account = account(&mut random, "044525225");
            assert_eq!((account.len(), account_sum("044525225", &account)), (20, 0));

            let iban = iban(&mut random);
            assert_eq!(
                (iban.len(), mod97(&format!("{}{}", &iban[4..], &iban[..4]))),
                (20, 1)
            );
            let wrong = format!("{}{}", &iban[..19], if iban.ends_with('0') { '1' } else { '0' });
            assert_ne!(mod97(&format!("{}{}", &wrong[4..], &wrong[..4])), 1);
        }
    }
}
