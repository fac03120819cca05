//! What the headers of a request say of the run that it asks for.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderName};
use docmill_model::access::Clearance;
use docmill_model::duration::Span;
use docmill_runs::queue::Later;
use docmill_runs::queue::accept::{LONGEST_DELAY, PRIORITIES};

use crate::problem::Problem;

const TIER: HeaderName = HeaderName::from_static("docmill-tier");
const SUBJECT: HeaderName = HeaderName::from_static("docmill-subject");
const KEY: HeaderName = HeaderName::from_static("idempotency-key");
const PRIORITY: HeaderName = HeaderName::from_static("docmill-priority");
const DELAY: HeaderName = HeaderName::from_static("docmill-delay");
const PREFER: HeaderName = HeaderName::from_static("prefer");
/// Longest key of a client, in bytes. The database holds it, too.
const MAX_KEY: usize = 255;
/// Longest time that an answer waits for a run.
pub(crate) const MAX_WAIT: Duration = Duration::from_secs(60);
/// Longest name of an end user, in bytes. The database holds it, too.
const MAX_SUBJECT: usize = 200;

/// What is asked of a run beside its inputs.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    /// The tier that it is to have at least.
    pub tier: Option<Clearance>,
    /// On whose behalf it is.
    pub subject: Option<String>,
    /// Under which it may be sent again.
    pub key: Option<String>,
    /// Whether it is to be worked on later.
    pub later: Option<Later>,
    /// How long the answer may wait for a run that is worked on later.
    pub wait: Duration,
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
        let key = one(headers, &KEY)?.map(|text| {
            let fits = (1..=MAX_KEY).contains(&text.len()) && text.bytes().all(|b| matches!(b, b' '..=b'~'));
            fits.then(|| text.to_owned()).ok_or_else(|| {
                Problem::malformed(format!(
                    "the header Idempotency-Key holds 1 to {MAX_KEY} characters of ASCII; a UUID does well"
                ))
            })
        });
        let preferred = Preferred::of(headers)?;
        let later = later(headers)?;
        if later != Later::default() && !preferred.async_ {
            return Err(Problem::malformed(
                "Docmill-Priority and Docmill-Delay are for runs that wait for a worker: add `Prefer: respond-async`",
            ));
        }
        Ok(Self {
            tier: tier.transpose()?,
            subject: subject.transpose()?,
            key: key.transpose()?,
            later: preferred.async_.then_some(later),
            wait: preferred.wait.unwrap_or_default(),
        })
    }
}

/// What a client prefers (RFC 7240). Preferences that nobody knows are passed over, as the RFC says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Preferred {
    /// `respond-async`
    pub async_: bool,
    /// `wait=N`: seconds.
    pub wait: Option<Duration>,
}

impl Preferred {
    /// Reads the header, which may stand several times.
    pub fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        let mut preferred = Self::default();
        for value in headers.get_all(&PREFER) {
            let Ok(text) = value.to_str() else {
                return Err(Problem::malformed("the header Prefer is not ASCII"));
            };
            for preference in text.split(',') {
                let preference = preference.split(';').next().unwrap_or_default().trim();
                let (name, value) = preference.split_once('=').unwrap_or((preference, ""));
                match name.trim().to_ascii_lowercase().as_str() {
                    "respond-async" => preferred.async_ = true,
                    "wait" => preferred.wait = Some(seconds(value.trim().trim_matches('"'))?),
                    _ => {}
                }
            }
        }
        Ok(preferred)
    }
}

/// How long to wait, no longer than an answer may.
pub(crate) fn seconds(text: &str) -> Result<Duration, Problem> {
    let digits = (1..=9).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    let seconds = digits.then(|| text.parse().ok()).flatten();
    let seconds = seconds
        .ok_or_else(|| Problem::malformed("`wait` is a whole number of seconds, as in `Prefer: wait=10`"))?;
    Ok(Duration::from_secs(seconds).min(MAX_WAIT))
}

fn later(headers: &HeaderMap) -> Result<Later, Problem> {
    let priority = one(headers, &PRIORITY)?.map(|text| {
        let number = text.parse().ok().filter(|number| PRIORITIES.contains(number));
        number.ok_or_else(|| {
            Problem::malformed(format!(
                "the header Docmill-Priority is a whole number from {} to {}; higher comes first",
                PRIORITIES.start(),
                PRIORITIES.end()
            ))
        })
    });
    let delay = one(headers, &DELAY)?.map(|text| {
        let span = text.parse::<Span>().map(|span| span.0);
        span.map_err(|error| Problem::malformed(format!("the header Docmill-Delay: {error}")))
    });
    let delay = delay.transpose()?.unwrap_or_default();
    if delay > LONGEST_DELAY {
        return Err(Problem::malformed(
            "the header Docmill-Delay puts a start off by 366 days at most",
        ));
    }
    Ok(Later {
        priority: priority.transpose()?.unwrap_or_default(),
        delay,
    })
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
        assert_eq!(asked(&[]), Some(Asked::default()));
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
        for name in [&TIER, &SUBJECT, &KEY] {
            assert_eq!(asked(&[(name, b"A"), (name, b"A")]), None, "{name} twice");
        }
    }

    #[test]
    fn preferences_are_read_as_the_rfc_says() {
        let prefer =
            |text: &'static [u8]| asked(&[(&PREFER, text)]).map(|asked| (asked.later, asked.wait.as_secs()));
        let now = Later::default();
        assert_eq!(prefer(b"respond-async"), Some((Some(now), 0)));
        assert_eq!(prefer(b"Respond-Async, wait=10"), Some((Some(now), 10)));
        assert_eq!(prefer(b"wait = \"5\"; x=y, return=minimal"), Some((None, 5)));
        assert_eq!(
            prefer(b"wait=999999999"),
            Some((None, 60)),
            "no longer than an answer waits"
        );
        for bad in [
            b"wait".as_slice(),
            b"wait=",
            b"wait=-1",
            b"wait=1.5",
            b"wait=99999999999",
            b"\xff",
        ] {
            assert_eq!(asked(&[(&PREFER, bad)]), None, "{bad:?}");
        }
        let both = [(&PREFER, b"respond-async".as_slice()), (&PREFER, b"wait=3")];
        assert_eq!(
            asked(&both).map(|a| (a.later, a.wait.as_secs())),
            Some((Some(now), 3))
        );
    }

    #[test]
    fn what_is_for_queued_runs_is_refused_for_others() {
        let (priority, delay) = (PRIORITY, DELAY);
        let queued = |name: &HeaderName, text: &'static [u8]| {
            asked(&[(&PREFER, b"respond-async".as_slice()), (name, text)]).and_then(|asked| asked.later)
        };
        assert_eq!(queued(&priority, b"-100").map(|later| later.priority), Some(-100));
        assert_eq!(
            queued(&delay, b"90s").map(|later| later.delay.as_secs()),
            Some(90)
        );
        for bad in [b"101".as_slice(), b"1.5", b"high", b""] {
            assert_eq!(
                asked(&[(&PREFER, b"respond-async"), (&PRIORITY, bad)]),
                None,
                "{bad:?}"
            );
        }
        for bad in [b"5".as_slice(), b"-1s", b"9999999h", b"367000h"] {
            assert_eq!(
                asked(&[(&PREFER, b"respond-async"), (&DELAY, bad)]),
                None,
                "{bad:?}"
            );
        }
        assert_eq!(asked(&[(&PRIORITY, b"1")]), None, "nobody waits");
    }

    #[test]
    fn keys_are_printable() {
        let key = |text: &[u8]| asked(&[(&KEY, text)]).and_then(|asked| asked.key);
        assert_eq!(
            key(b"8e03978e-40d5-43dd-bc93-6894a57f9324").map(|k| k.len()),
            Some(36)
        );
        let long = [b'x'; 256];
        for bad in [b"".as_slice(), &long, b"a\tb", b"\xd0\xb0"] {
            assert_eq!(asked(&[(&KEY, bad)]), None, "{bad:?}");
        }
    }
}
