//! Money: exact, in millionths of a currency's unit.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Usage;

/// Millionths in one.
const MICRO: u64 = 1_000_000;
/// The largest amount, in units: beyond it somebody slipped.
const MOST: u64 = 1_000_000;

/// An amount in millionths of a unit; as text decimal digits with at most six behind the point: `0.25`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Amount(u64);

impl Amount {
    /// So many millionths.
    pub const fn micros(micros: u64) -> Self {
        Self(micros)
    }

    /// In millionths.
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// Both together.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// What is left; none: it is not enough.
    pub const fn minus(self, other: Self) -> Option<Self> {
        match self.0.checked_sub(other.0) {
            Some(left) => Some(Self(left)),
            None => None,
        }
    }
}

impl FromStr for Amount {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |part: &str, most: usize| {
            (1..=most).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit())
        };
        let read = || {
            if !digits(whole, 7) || !digits(fraction, 6) {
                return None;
            }
            let whole: u64 = whole.parse().ok().filter(|whole| *whole <= MOST)?;
            let micros: u64 = format!("{fraction:0<6}").parse().ok()?;
            Some(Self(whole * MICRO + micros))
        };
        read().ok_or_else(|| {
            let shown: String = text.chars().filter(|c| !c.is_control()).take(40).collect();
            format!(
                "'{shown}' is no amount: write 0.25, with at most six digits behind the point, up to {MOST}"
            )
        })
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, micros) = (self.0 / MICRO, self.0 % MICRO);
        let fraction = format!("{micros:06}");
        match fraction.trim_end_matches('0') {
            "" => write!(f, "{whole}"),
            fraction => write!(f, "{whole}.{fraction}"),
        }
    }
}

/// Three capital letters of ISO 4217, kept as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency([u8; 3]);

impl Currency {
    /// As ISO 4217 writes it.
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl FromStr for Currency {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let letters: Option<[u8; 3]> = text.as_bytes().try_into().ok();
        letters
            .filter(|letters| letters.iter().all(u8::is_ascii_uppercase))
            .map(Self)
            .ok_or_else(|| {
                let shown: String = text.chars().filter(|c| !c.is_control()).take(40).collect();
                format!("'{shown}' is no currency: write three capital letters of ISO 4217, as in USD")
            })
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An amount with its currency: `0.25 USD`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Cost {
    /// How much.
    pub amount: Amount,
    /// Of what.
    pub currency: Currency,
}

impl FromStr for Cost {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some((amount, currency)) = text.split_once(' ') else {
            let shown: String = text.chars().filter(|c| !c.is_control()).take(40).collect();
            return Err(format!(
                "'{shown}' is no cost: write amount and currency, as in 0.25 USD"
            ));
        };
        Ok(Self {
            amount: amount.parse()?,
            currency: currency.parse()?,
        })
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.amount, self.currency)
    }
}

macro_rules! as_text {
    ($($name:ident),*) => {$(
        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

as_text!(Amount, Currency, Cost);

/// What a model costs, for a million tokens each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prices {
    /// In which currency.
    pub currency: Currency,
    /// Tokens of questions.
    pub input: Amount,
    /// Those that the provider had cached; none: as others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_input: Option<Amount>,
    /// Tokens of answers, thinking included.
    pub output: Amount,
}

impl Prices {
    /// What it costs, rounded up to a millionth.
    pub fn of(&self, usage: &Usage) -> Amount {
        let cached = usage.cached_input.min(usage.input);
        let fresh = u64::from(usage.input.saturating_sub(cached));
        let cached_price = self.cached_input.unwrap_or(self.input);
        self.sum(&[
            (fresh, self.input),
            (u64::from(cached), cached_price),
            (u64::from(usage.output), self.output),
        ])
    }

    /// What a question of so many tokens and its answer can cost at most.
    pub fn at_most(&self, input: u64, output: u64) -> Amount {
        let dearest = self
            .cached_input
            .map_or(self.input, |cached| cached.max(self.input));
        self.sum(&[(input, dearest), (output, self.output)])
    }

    fn sum(&self, terms: &[(u64, Amount)]) -> Amount {
        let terms = terms.iter();
        let millionths: u128 = terms
            .map(|(tokens, price)| u128::from(*tokens) * u128::from(price.0))
            .sum();
        Amount(u64::try_from(millionths.div_ceil(u128::from(MICRO))).unwrap_or(u64::MAX))
    }
}
