//! What the headers of a request say of the run that it asks for.

use axum::http::{HeaderMap, HeaderName};
use docmill_model::access::Clearance;

use crate::problem::Problem;

const TIER: HeaderName = HeaderName::from_static("docmill-tier");
const SUBJECT: HeaderName = HeaderName::from_static("docmill-subject");
/// Longest name of an end user, in bytes. The database holds it, too.
const MAX_SUBJECT: usize = 200;

/// What is asked of a run beside its inputs.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    /// The tier that it is to have at least.
    pub tier: Option<Clearance>,
    /// On whose behalf it is.
    pub subject: Option<String>,
}

impl Asked {
    /// Reads the headers.
    pub fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        let tier = one(headers, &TIER)?.map(|text| {
            text.parse().map_err(|error| {
                Problem::malformed(format!(
                    "the header Docmill-Tier holds the tier of the run: {error}"
                ))
            })
        });
        let subject = one(headers, &SUBJECT)?.map(|text| {
            let fits = (1..=MAX_SUBJECT).contains(&text.len()) && text.chars().all(is_visible);
            fits.then(|| text.to_owned()).ok_or_else(|| {
                Problem::malformed(format!(
                    "the header Docmill-Subject holds the name that you have for an end user: 1 to {MAX_SUBJECT} bytes of \
                     visible characters, without blanks"
                ))
            })
        });
        Ok(Self {
            tier: tier.transpose()?,
            subject: subject.transpose()?,
        })
    }
}

/// The value of a header that may stand once.
fn one<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Problem> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(Problem::malformed(format!(
            "the header {name} stands twice; send it once"
        )));
    }
    // Headers have bytes; those of this one are UTF-8.
    let text = std::str::from_utf8(value.as_bytes());
    text.map(Some)
        .map_err(|_| Problem::malformed(format!("the header {name} is not UTF-8")))
}

/// Not a blank, a control character, or one that is never shown: two names that look the same should be the same.
fn is_visible(c: char) -> bool {
    let hidden = matches!(c,
        '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}' | '\u{180B}'..='\u{180F}'
        | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{3164}' | '\u{FE00}'..='\u{FE0F}'
        | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFFB}' | '\u{1BCA0}'..='\u{1BCA3}' | '\u{1D173}'..='\u{1D17A}'
        | '\u{E0000}'..='\u{E0FFF}');
    !hidden && !c.is_control() && !c.is_whitespace()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn asked(pairs: &[(&HeaderName, &[u8])]) -> Option<Asked> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_bytes(value).unwrap());
        }
        Asked::of(&headers).ok()
    }

    #[test]
    fn tiers_and_subjects_are_judged_by_their_form() {
        let none = Asked {
            tier: None,
            subject: None,
        };
        assert_eq!(asked(&[]), Some(none));
        let tier = |text: &[u8]| asked(&[(&TIER, text)]).and_then(|asked| asked.tier);
        assert_eq!(tier(b"B"), Some(Clearance::B));
        for bad in [b"b".as_slice(), b"", b"E", b"A,B", b"SA", b"\xff"] {
            assert_eq!(asked(&[(&TIER, bad)]), None, "{bad:?}");
        }
        let subject = |text: &[u8]| asked(&[(&SUBJECT, text)]).and_then(|asked| asked.subject);
        for good in ["anna", "user-17", "анна@пример.рф", "a", &"x".repeat(200)] {
            assert_eq!(subject(good.as_bytes()).as_deref(), Some(good));
        }
        let long = "x".repeat(201);
        for bad in [
            "",
            "a b",
            "a\tb",
            "a\u{200B}b",
            "\u{202E}anna",
            "a\u{A0}b",
            "a\u{85}b",
            &long,
        ] {
            assert_eq!(asked(&[(&SUBJECT, bad.as_bytes())]), None, "{bad:?}");
        }
        assert_eq!(asked(&[(&SUBJECT, b"\xff\xfe")]), None);
        for name in [&TIER, &SUBJECT] {
            assert_eq!(asked(&[(name, b"A"), (name, b"A")]), None, "{name} twice");
        }
    }
}
