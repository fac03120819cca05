use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

use super::*;

const SECRET: &str = "s3cr3t/+ \"quoted\" & <b>'x'\\";

fn secrets() -> Secrets {
    let granted = [HeaderSecret {
        header: "authorization".into(),
        secret: "key".into(),
    }];
    let known = Secret {
        name: "key".into(),
        hosts: vec!["api.example.org".parse().unwrap()],
        value: SecretValue::new(SECRET.into()).unwrap(),
    };
    Secrets::new(&granted, vec![known])
}

fn headers(name: &'static str, value: &str) -> HeaderMap {
    HeaderMap::from_iter([(
        HeaderName::from_static(name),
        HeaderValue::from_str(value).unwrap(),
    )])
}

#[test]
fn a_placeholder_is_filled_where_the_grant_says_and_nowhere_else() {
    let (secrets, host) = (secrets(), Host::Domain("api.example.org"));
    let mut fine = headers("authorization", "Bearer {{secret:key}}, {{secret:key}}");
    assert_eq!(secrets.fill(&mut fine, &host), Ok(vec!["key".to_owned()]));
    let value = &fine["authorization"];
    assert_eq!(value.as_bytes(), format!("Bearer {SECRET}, {SECRET}").as_bytes());
    assert!(value.is_sensitive() && !format!("{fine:?}").contains("s3cr3t"));
    for (name, value, why) in [
        (
            "x-other",
            "{{secret:key}}",
            Placeholder::Misplaced("a header that the grant does not name for it"),
        ),
        (
            "authorization",
            "{{secret:other}}",
            Placeholder::Misplaced("a header that the grant does not name for it"),
        ),
        ("authorization", "{{secret:key}", Placeholder::Malformed),
        ("authorization", "{{secret:}}", Placeholder::Malformed),
        (
            "authorization",
            "{{secret:{{secret:key}}}}",
            Placeholder::Malformed,
        ),
        (
            "authorization",
            "{{secret:key}} {{secret:",
            Placeholder::Malformed,
        ),
    ] {
        assert_eq!(
            secrets.fill(&mut headers(name, value), &host),
            Err(why),
            "{name}: {value}"
        );
    }
    let elsewhere = Host::Domain("evil.example.org");
    let refused = secrets.fill(&mut headers("authorization", "{{secret:key}}"), &elsewhere);
    assert_eq!(refused, Err(Placeholder::Destination("key".into())));
    // Without a placeholder nothing is touched, wherever it goes.
    assert_eq!(
        secrets.fill(&mut headers("authorization", "{{other:key}}"), &elsewhere),
        Ok(vec![])
    );
}

#[test]
fn a_secret_that_the_grant_names_may_be_missing() {
    let granted = [HeaderSecret {
        header: "a".into(),
        secret: "gone".into(),
    }];
    let none = Secrets::new(&granted, Vec::new());
    let refused = none.fill(
        &mut headers("a", "{{secret:gone}}"),
        &Host::Domain("api.example.org"),
    );
    assert_eq!(refused, Err(Placeholder::Missing("gone".into())));
    assert!(none.redactor().is_none());
}

#[test]
fn values_that_would_end_a_header_are_refused_and_none_is_shown() {
    for bad in [
        "short",
        "with\nnewline",
        "with\r\nX: y",
        "with\0zero",
        "tab\tinside",
        "ключ-ключ",
        " leading-blank",
        "trailing-blank ",
    ] {
        assert!(SecretValue::new(bad.into()).is_err(), "{bad:?}");
    }
    assert!(
        SecretValue::new(vec![b'x'; 8 << 10]).is_ok() && SecretValue::new(vec![b'x'; (8 << 10) + 1]).is_err()
    );
    let value = SecretValue::new(SECRET.into()).unwrap();
    assert!(!format!("{value:?}{:?}", secrets()).contains("s3cr3t"));
}

#[test]
fn placeholders_are_seen_in_urls_and_in_bodies_in_pieces() {
    for url in [
        "https://a.org/{{secret:key}}",
        "https://a.org/%7B%7Bsecret%3Akey%7D%7D",
        "https://a.org/?a=%7b%7bsecret:key}}",
        "https://a.org/?a=%257B%257Bsecret%253Akey",
    ] {
        assert!(is_mentioned_in_url(url), "{url}");
    }
    assert!(!is_mentioned_in_url("https://a.org/%7Bsecret:key%"));
    let body = b"before {{secret:key}} after";
    for piece in 1..body.len() {
        let mut watch = Watch::new();
        assert!(
            body.chunks(piece).any(|piece| watch.sees(piece)),
            "in pieces of {piece}"
        );
        let mut watch = Watch::new();
        assert!(
            !b"before {{secre t:key}} {secret: {{{{secret"
                .chunks(piece)
                .any(|piece| watch.sees(piece))
        );
    }
}

/// Spellings of other hands than `spellings`.
fn echoes() -> Vec<String> {
    let header = format!("Bearer {SECRET}");
    let json = serde_json::to_string(&serde_json::json!({"authorization": header})).unwrap();
    let mut all = vec![
        header.clone(),
        json.clone(),
        json.replace('/', "\\/"),
        serde_json::to_string(&json).unwrap(),
        hex::encode(&header),
        hex::encode_upper(&header),
        url::form_urlencoded::byte_serialize(header.as_bytes()).collect(),
        header.bytes().map(|b| format!("%{b:02X}")).collect(),
        header.bytes().map(|b| format!("\\u{b:04x}")).collect(),
        header
            .replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;")
            .replace('"', "&quot;")
            .replace('\'', "&#39;"),
    ];
    for before in ["", "a", "ab", "user:"] {
        for after in ["", "z", "zz", "zzz"] {
            all.push(STANDARD.encode(format!("{before}{SECRET}{after}")));
            all.push(URL_SAFE.encode(format!("{before}{SECRET}{after}")));
        }
    }
    all
}

/// What could be read of the secret: six characters of it in a row, in any encoding that the echo used.
fn leaks(redacted: &[u8], echo: &str) -> bool {
    let bare = echo.as_bytes();
    let stars = redacted.iter().filter(|b| **b == b'*').count();
    stars + 16 < SECRET.len().min(bare.len())
}

#[test]
fn an_echoed_secret_is_masked_in_every_encoding_and_in_any_pieces() {
    let secrets = secrets();
    let redactor = secrets.redactor().unwrap();
    for echo in echoes() {
        let text = format!("before {echo} after");
        let mut whole = None;
        for piece in [1, 2, 3, 7, 64, 10_000] {
            let mut redaction = Redaction::new(Arc::clone(redactor));
            let mut out = Vec::new();
            for piece in text.as_bytes().chunks(piece) {
                out.extend_from_slice(&redaction.push(piece));
            }
            out.extend_from_slice(&redaction.end());
            assert_eq!(out.len(), text.len());
            assert!(!leaks(&out, &echo), "{echo} -> {}", String::from_utf8_lossy(&out));
            assert!(out.starts_with(b"before ") && out.ends_with(b" after"));
            // In whatever pieces it comes, the same is left.
            assert_eq!(
                *whole.get_or_insert_with(|| out.clone()),
                out,
                "in pieces of {piece}"
            );
        }
    }
}

#[test]
fn headers_that_echo_are_masked_and_others_are_left() {
    let secrets = secrets();
    let mut answer = headers("location", &format!("https://a.org/?k={SECRET}"));
    answer.insert("x-fine", HeaderValue::from_static("fine"));
    answer.insert(
        HeaderName::from_bytes(hex::encode(SECRET).as_bytes()).unwrap(),
        HeaderValue::from_static("x"),
    );
    secrets.redactor().unwrap().headers(&mut answer);
    assert_eq!(answer.len(), 2);
    assert_eq!(answer["x-fine"], "fine");
    assert!(
        !answer["location"].to_str().unwrap().contains("s3cr3t"),
        "{answer:?}"
    );
}
