//! Times as clients see them: RFC 3339 in UTC.

use docmill_model::run::Millis;
use jiff::Timestamp;

use crate::problem::Problem;

/// `2026-11-21T02:53:11.123Z`
pub fn rfc3339(at: Millis) -> String {
    Timestamp::from_millisecond(at).map_or_else(|_| String::new(), |time| format!("{time:.3}"))
}

/// Reads a time, or a date, which means its midnight in UTC.
///
/// # Errors
/// When it is neither.
pub fn parse(name: &str, text: &str) -> Result<Millis, Problem> {
    let midnight = || format!("{text}T00:00:00Z").parse::<Timestamp>();
    text.parse::<Timestamp>()
        .or_else(|_| midnight())
        .map(Timestamp::as_millisecond)
        .map_err(|_| {
            Problem::malformed(format!(
                "'{name}' is a time such as 2026-11-21T10:00:00Z or a date"
            ))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        assert_eq!(rfc3339(1_795_229_591_120), "2026-11-21T02:53:11.120Z");
        assert_eq!(
            parse("since", "2026-11-21T02:53:11.120Z").unwrap(),
            1_795_229_591_120
        );
        assert_eq!(
            parse("since", "2026-11-21T05:00:00+05:00").unwrap(),
            parse("since", "2026-11-21").unwrap()
        );
        for bad in ["", "yesterday", "2026-13-01", "\u{7f}"] {
            assert!(parse("since", bad).is_err());
        }
    }
}
