//! Which candidate is the field, and how sure that is.

use crate::find::Candidate;
use docmill_plugin::Value;

/// Candidates this close to the best put it in doubt.
const CLOSE: f32 = 0.05;
/// What each other value takes, and how many count.
const DOUBT: f32 = 0.1;
const DOUBTS_MAX: usize = 3;

/// One candidate for each place, in the document's order; of those that overlap the more confident one.
pub fn distinct(mut candidates: Vec<Candidate>) -> Vec<Candidate> {
    candidates.sort_by(|a, b| {
        b.confidence
            .total_cmp(&a.confidence)
            .then(a.page.cmp(&b.page))
            .then(a.start.cmp(&b.start))
    });
    let mut kept: Vec<Candidate> = Vec::new();
    for candidate in candidates {
        let overlaps = |other: &Candidate| {
            other.page == candidate.page && other.start < candidate.end && candidate.start < other.end
        };
        if !kept.iter().any(overlaps) {
            kept.push(candidate);
        }
    }
    kept.sort_by_key(|candidate| (candidate.page, candidate.start));
    kept
}

/// The number of the best of distinct candidates, and it with its confidence moved by what the others say.
pub fn one(candidates: &[Candidate]) -> Option<(usize, Candidate)> {
    let (number, best) = candidates.iter().enumerate().reduce(|best, next| {
        if next.1.confidence > best.1.confidence {
            next
        } else {
            best
        }
    })?;
    let same = |other: &Candidate| same_value(&other.value, &best.value);
    let again = candidates.iter().filter(|other| same(other)).count() > 1;
    let mut others: Vec<&Candidate> = Vec::new();
    for other in candidates
        .iter()
        .filter(|other| !same(other) && other.confidence >= best.confidence - CLOSE)
    {
        if others.len() < DOUBTS_MAX && !others.iter().any(|known| same_value(&known.value, &other.value)) {
            others.push(other);
        }
    }
    let mut chosen = settled(best.clone());
    if again {
        chosen.confidence = nearer_to_one(chosen.confidence);
    }
    chosen.confidence *= (1.0 - DOUBT).powi(others.len() as i32);
    Some((number, chosen))
}

/// A candidate by itself: a check that holds makes it surer.
pub fn settled(mut candidate: Candidate) -> Candidate {
    if candidate.verified {
        candidate.confidence = nearer_to_one(candidate.confidence);
    }
    candidate
}

fn nearer_to_one(confidence: f32) -> f32 {
    (1.0 + confidence) / 2.0
}

/// Three places are more than the components deserve.
pub fn rounded(confidence: f32) -> f32 {
    (confidence.clamp(0.0, 1.0) * 1000.0).round() / 1000.0
}

/// Amounts are equal without their currency if one of them has none; texts but for case.
fn same_value(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Money(a), Value::Money(b)) => {
            number(&a.amount) == number(&b.amount)
                && (a.currency == b.currency || a.currency.is_none() || b.currency.is_none())
        }
        (Value::Decimal(a), Value::Decimal(b)) => number(a) == number(b),
        (Value::Text(a), Value::Text(b)) => crate::fold::fold(a) == crate::fold::fold(b),
        _ => a == b,
    }
}

/// Without zeros at the end of a fraction.
fn number(decimal: &str) -> &str {
    if decimal.contains('.') {
        decimal.trim_end_matches('0').trim_end_matches('.')
    } else {
        decimal
    }
}
