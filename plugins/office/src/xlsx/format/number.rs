//! Numbers by their digits. Excel keeps fifteen of them and rounds halves away from zero, in decimal.

use super::code::{Piece, Section};
use super::{Format, general as write_general};

const DIGITS: usize = 15;

/// A positive number as decimal digits: `0.digits × 10^exponent`.
struct Decimal {
    digits: Vec<u8>,
    exponent: i32,
}

impl Decimal {
    fn of(value: f64) -> Self {
        let written = format!("{:.*e}", DIGITS - 1, value.abs());
        let (mantissa, exponent) = written.split_once('e').unwrap_or((&written, "0"));
        let digits: Vec<u8> = mantissa
            .bytes()
            .filter(u8::is_ascii_digit)
            .map(|digit| digit - b'0')
            .collect();
        let zero = digits.iter().all(|digit| *digit == 0);
        Self {
            digits: if zero { Vec::new() } else { digits },
            exponent: exponent.parse::<i32>().unwrap_or(0) + 1,
        }
    }

    fn shift(mut self, places: i32) -> Self {
        self.exponent = self.exponent.saturating_add(places);
        self
    }

    /// Rounds to so many places behind the point and gives what stands before and behind it.
    fn round(mut self, places: usize) -> (String, String) {
        let keep = self
            .exponent
            .saturating_add(i32::try_from(places).unwrap_or(i32::MAX));
        let kept = usize::try_from(keep).unwrap_or(0);
        let up = keep >= 0 && self.digits.get(kept).is_some_and(|next| *next >= 5);
        self.digits.truncate(kept);
        if up {
            self.increment(kept);
        }
        let digit = |at: i32| {
            usize::try_from(at)
                .ok()
                .and_then(|at| self.digits.get(at))
                .copied()
                .unwrap_or(0)
        };
        let text = |from: i32, to: i32| {
            (from..to)
                .map(|at| char::from(b'0' + digit(at)))
                .collect::<String>()
        };
        let places = i32::try_from(places).unwrap_or(i32::MAX);
        (
            text(0, self.exponent.max(0)),
            text(self.exponent, self.exponent.saturating_add(places)),
        )
    }

    fn increment(&mut self, kept: usize) {
        self.digits.resize(kept, 0);
        for digit in self.digits.iter_mut().rev() {
            *digit += 1;
            if *digit < 10 {
                return;
            }
            *digit = 0;
        }
        self.digits.insert(0, 1);
        self.exponent += 1;
    }

    fn is_zero(&self) -> bool {
        self.digits.is_empty()
    }
}

/// A number without a format: up to fifteen digits, in full while that is shorter than a power of ten.
pub fn general(value: f64, point: char) -> String {
    let decimal = Decimal::of(value);
    if decimal.is_zero() {
        return "0".to_owned();
    }
    let sign = if value < 0.0 { "-" } else { "" };
    let significant = decimal
        .digits
        .iter()
        .rposition(|digit| *digit != 0)
        .map_or(1, |last| last + 1);
    let join = |whole: &str, fraction: &str| {
        let whole = whole.trim_start_matches('0');
        let whole = if whole.is_empty() { "0" } else { whole };
        let fraction = fraction.trim_end_matches('0');
        if fraction.is_empty() {
            format!("{sign}{whole}")
        } else {
            format!("{sign}{whole}{point}{fraction}")
        }
    };
    if (-8..=20).contains(&decimal.exponent) {
        let places = usize::try_from(i32::try_from(significant).unwrap_or(0) - decimal.exponent).unwrap_or(0);
        let (whole, fraction) = decimal.round(places);
        return join(&whole, &fraction);
    }
    let exponent = decimal.exponent - 1;
    let (whole, fraction) = decimal.shift(-exponent).round(significant - 1);
    format!("{}E{exponent:+03}", join(&whole, &fraction))
}

/// Writes a value by a section; `bare`: the section's literals show the sign.
pub fn write(section: &Section, value: f64, bare: bool, format: &Format) -> String {
    let pieces = section.pieces.as_slice();
    let percents = pieces.iter().filter(|piece| **piece == Piece::Percent).count();
    let shift = i32::try_from(2 * percents).unwrap_or(0) - 3 * i32::try_from(section.thousands).unwrap_or(0);
    let number = Decimal::of(value).shift(shift);
    let (written, zero) = if pieces.contains(&Piece::Fraction) {
        (fraction(pieces, value, format), value == 0.0)
    } else if let Some(at) = pieces
        .iter()
        .position(|piece| matches!(piece, Piece::Exponent(_)))
    {
        scientific(pieces, at, number, format)
    } else {
        let places = places(pieces);
        let (whole, behind) = number.round(places);
        let zero = whole.bytes().chain(behind.bytes()).all(|digit| digit == b'0');
        (fill(pieces, &whole, &behind, section.grouped, format), zero)
    };
    if value < 0.0 && !bare && !zero {
        format!("-{written}")
    } else {
        written
    }
}

fn places(pieces: &[Piece]) -> usize {
    let behind = pieces.iter().skip_while(|piece| **piece != Piece::Point);
    behind.filter(|piece| matches!(piece, Piece::Digit(_))).count()
}

/// Puts digits into their places. Surplus ones before the point go to the first place.
fn fill(pieces: &[Piece], whole: &str, fraction: &str, grouped: bool, format: &Format) -> String {
    let point = pieces
        .iter()
        .position(|piece| *piece == Piece::Point)
        .unwrap_or(pieces.len());
    let slots = pieces
        .iter()
        .take(point)
        .filter(|piece| matches!(piece, Piece::Digit(_)))
        .count();
    let whole: Vec<char> = whole.trim_start_matches('0').chars().collect();
    let shown = fraction_shown(pieces, point, fraction);

    let mut out = String::new();
    let mut slot = 0;
    let mut places = fraction.chars();
    let mut place = 0;
    // Writes the digit that stands `right` places before the point.
    let digit = |out: &mut String, right: usize, pad: char| {
        let index = whole.len().checked_sub(right);
        match index.and_then(|index| whole.get(index)) {
            Some(digit) => out.push(*digit),
            None if pad == '#' => return,
            None => out.push(if pad == '0' { '0' } else { ' ' }),
        }
        if grouped && right > 1 && (right - 1).is_multiple_of(3) {
            out.push(format.group_separator());
        }
    };
    for (at, piece) in pieces.iter().enumerate() {
        match piece {
            Piece::Literal(text) => out.push_str(text),
            Piece::Percent => out.push('%'),
            Piece::Digit(pad) if at < point => {
                let right = slots - slot;
                if slot == 0 {
                    (right + 1..=whole.len())
                        .rev()
                        .for_each(|right| digit(&mut out, right, '0'));
                }
                digit(&mut out, right, *pad);
                slot += 1;
            }
            Piece::Point if at == point => {
                if slots == 0 {
                    out.extend(&whole);
                }
                if shown > 0 {
                    out.push(format.decimal_point());
                }
            }
            Piece::Digit(_) => {
                let next = places.next().unwrap_or('0');
                if place < shown {
                    out.push(next);
                }
                place += 1;
            }
            _ => {}
        }
    }
    out
}

/// How many places behind the point are shown: `#` and `?` do not show zeros at the end.
fn fraction_shown(pieces: &[Piece], point: usize, fraction: &str) -> usize {
    let pads = pieces.iter().skip(point).filter_map(|piece| match piece {
        Piece::Digit(pad) => Some(*pad),
        _ => None,
    });
    let needed = pads
        .zip(fraction.chars())
        .enumerate()
        .filter(|(_, (pad, digit))| *pad == '0' || *digit != '0');
    needed.last().map_or(0, |(place, _)| place + 1)
}

fn scientific(pieces: &[Piece], at: usize, number: Decimal, format: &Format) -> (String, bool) {
    let (mantissa, behind) = pieces.split_at(at);
    let whole_slots = mantissa
        .iter()
        .take_while(|piece| **piece != Piece::Point)
        .filter(|piece| matches!(piece, Piece::Digit(_)))
        .count();
    let whole_slots = i32::try_from(whole_slots).unwrap_or(1).max(1);
    let zero = number.is_zero();
    // With several places before the point, the power of ten is a multiple of their number.
    let exponent = if zero {
        0
    } else {
        (number.exponent - 1).div_euclid(whole_slots) * whole_slots
    };
    let (whole, fraction) = number.shift(-exponent).round(places(mantissa));
    let mut out = fill(mantissa, &whole, &fraction, false, format);
    let digits = behind
        .iter()
        .filter(|piece| matches!(piece, Piece::Digit(_)))
        .count();
    let sign = match behind.first() {
        _ if exponent < 0 => "-",
        Some(Piece::Exponent(true)) => "+",
        _ => "",
    };
    out.push_str(&format!("E{sign}{:0digits$}", exponent.unsigned_abs()));
    for piece in behind {
        if let Piece::Literal(text) = piece {
            out.push_str(text);
        }
    }
    (out, zero)
}

/// `# ?/?`: the nearest fraction whose denominator has as many digits as the format gives it.
fn fraction(pieces: &[Piece], value: f64, format: &Format) -> String {
    let at = pieces
        .iter()
        .position(|piece| *piece == Piece::Fraction)
        .unwrap_or(0);
    let digits = pieces
        .iter()
        .skip(at)
        .filter(|piece| matches!(piece, Piece::Digit(_)))
        .count()
        .clamp(1, 3);
    let largest = 10_u32.pow(u32::try_from(digits).unwrap_or(1)) - 1;
    let value = value.abs();
    if value > 1e9 {
        return write_general(value, format.decimal_point());
    }
    let mixed = pieces
        .iter()
        .take(at)
        .any(|piece| matches!(piece, Piece::Literal(text) if text.contains(' ')));
    let whole = if mixed { value.trunc() } else { 0.0 };
    let rest = value - whole;
    let error = |denominator: u32| {
        let scaled = rest * f64::from(denominator);
        ((scaled.round() - scaled) / f64::from(denominator)).abs()
    };
    let best = (1..=largest)
        .reduce(|best, next| {
            if error(next) < error(best) - 1e-12 {
                next
            } else {
                best
            }
        })
        .unwrap_or(1);
    let numerator = (rest * f64::from(best)).round();
    if numerator == 0.0 {
        format!("{whole}")
    } else if best == 1 {
        format!("{}", whole + numerator)
    } else if whole == 0.0 {
        format!("{numerator}/{best}")
    } else {
        format!("{whole} {numerator}/{best}")
    }
}
