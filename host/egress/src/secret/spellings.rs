//! In how many ways the same bytes are written.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// Every spelling in which a server might give back what it was sent: as it is, as hexadecimal, as base64 at each of its
/// three alignments, percent-encoded, and inside JSON and HTML.
pub(super) fn spellings(secret: &[u8]) -> BTreeSet<Vec<u8>> {
    let mut all = BTreeSet::new();
    all.insert(secret.to_vec());
    all.insert(hex::encode(secret).into_bytes());
    all.insert(hex::encode_upper(secret).into_bytes());
    for before in 0..3 {
        all.extend(base64_at(secret, before));
    }
    let unreserved = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    let form = |b: u8| b.is_ascii_alphanumeric() || b"*-._".contains(&b);
    let component = |b: u8| b.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&b);
    let path = |b: u8| b.is_ascii_alphanumeric() || b"-_.!~*'()/:@&=+$,;".contains(&b);
    let nothing = |_: u8| false;
    for (upper, blank) in [(true, false), (false, false), (true, true), (false, true)] {
        all.insert(percent(secret, unreserved, upper, blank));
        all.insert(percent(secret, form, upper, blank));
        all.insert(percent(secret, component, upper, blank));
        all.insert(percent(secret, path, upper, blank));
        all.insert(percent(secret, nothing, upper, false));
    }
    all.extend(in_json(secret));
    all.extend(in_html(secret));
    all
}

/// Its base64 when `before` bytes of something else stand before it, without the characters that depend on those or on what
/// follows; and with the last one, as it is when nothing follows.
fn base64_at(secret: &[u8], before: usize) -> Vec<Vec<u8>> {
    let mut shifted = vec![0; before];
    shifted.extend_from_slice(secret);
    let foreign = (before * 8).div_ceil(6);
    let mut found = Vec::new();
    for text in [STANDARD_NO_PAD.encode(&shifted), URL_SAFE_NO_PAD.encode(&shifted)] {
        let own = text.as_bytes().get(foreign..).unwrap_or_default();
        found.push(own.to_vec());
        if !shifted.len().is_multiple_of(3) {
            found.push(
                own.get(..own.len().saturating_sub(1))
                    .unwrap_or_default()
                    .to_vec(),
            );
        }
    }
    found
}

fn percent(secret: &[u8], plain: impl Fn(u8) -> bool, upper: bool, blank_as_plus: bool) -> Vec<u8> {
    let mut text = String::new();
    for byte in secret {
        match byte {
            b' ' if blank_as_plus => text.push('+'),
            byte if plain(*byte) => text.push(char::from(*byte)),
            byte if upper => text.push_str(&format!("%{byte:02X}")),
            byte => text.push_str(&format!("%{byte:02x}")),
        }
    }
    text.into_bytes()
}

/// Secrets are ASCII: only quotes and backslashes must be escaped, slashes and `<>&'` often are, everything can be.
fn in_json(secret: &[u8]) -> Vec<Vec<u8>> {
    let escape = |must: &dyn Fn(u8) -> Option<String>| {
        let text: String = secret
            .iter()
            .map(|b| must(*b).unwrap_or_else(|| char::from(*b).to_string()))
            .collect();
        text.into_bytes()
    };
    let short = |b: u8| matches!(b, b'"' | b'\\').then(|| format!("\\{}", char::from(b)));
    let slashes = |b: u8| matches!(b, b'"' | b'\\' | b'/').then(|| format!("\\{}", char::from(b)));
    let html = |b: u8| b"<>&'".contains(&b);
    vec![
        escape(&short),
        escape(&slashes),
        escape(&|b| {
            if html(b) {
                Some(format!("\\u{b:04x}"))
            } else {
                short(b)
            }
        }),
        escape(&|b| {
            if html(b) {
                Some(format!("\\u{b:04X}"))
            } else {
                short(b)
            }
        }),
        escape(&|b| Some(format!("\\u{b:04x}"))),
        escape(&|b| Some(format!("\\u{b:04X}"))),
        // A JSON text inside a JSON text.
        escape(&|b| match b {
            b'"' => Some("\\\\\\\"".to_owned()),
            b'\\' => Some("\\\\\\\\".to_owned()),
            _ => None,
        }),
    ]
}

fn in_html(secret: &[u8]) -> Vec<Vec<u8>> {
    let named = |apostrophe: &str, quote: &str| {
        let text: String = secret
            .iter()
            .map(|b| match b {
                b'&' => "&amp;".to_owned(),
                b'<' => "&lt;".to_owned(),
                b'>' => "&gt;".to_owned(),
                b'\'' => apostrophe.to_owned(),
                b'"' => quote.to_owned(),
                b => char::from(*b).to_string(),
            })
            .collect();
        text.into_bytes()
    };
    vec![
        named("'", "\""),
        named("'", "&quot;"),
        named("&#39;", "&#34;"),
        named("&#39;", "&quot;"),
        named("&#x27;", "&quot;"),
        named("&apos;", "&quot;"),
    ]
}
