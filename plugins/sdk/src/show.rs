//! Numbers as people read them.

/// Decimal digits with a mark between groups of three: `1234567.5` → `1,234,567.5`, or `1 234 567,5`.
pub fn grouped(digits: &str, group: char, point: char) -> String {
    let (sign, unsigned) = digits.strip_prefix('-').map_or(("", digits), |rest| ("-", rest));
    let (whole, fraction) = unsigned
        .split_once('.')
        .map_or((unsigned, None), |(whole, rest)| (whole, Some(rest)));
    let mut shown = sign.to_owned();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            shown.push(group);
        }
        shown.push(digit);
    }
    if let Some(fraction) = fraction {
        shown.push(point);
        shown.push_str(fraction);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::grouped;

    #[test]
    fn groups_of_three() {
        for (digits, shown) in [
            ("-1234567.8901", "-1 234 567,8901"),
            ("123", "123"),
            ("1000", "1 000"),
            ("0.5", "0,5"),
        ] {
            assert_eq!(grouped(digits, ' ', ','), shown);
        }
    }
}
