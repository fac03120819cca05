//! What servers refuse.

use docmill_plugin::ErrorKind;

use super::*;

fn refused(status: u16, headers: &[(&'static str, &str)], body: &str) -> Error {
    answered(recorded(status, headers, body, 1_000)).unwrap_err()
}

fn error(code: &str) -> String {
    json!({"error": {"message": "Incorrect API key provided: sk-canary.", "type": "some_error", "param": null, "code": code}})
        .to_string()
}

#[test]
fn refusals_are_told_by_kind_and_code() {
    use ErrorKind::*;
    for (status, body, kind, code) in [
        (400, error("invalid_value"), InvalidInput, "rejected"),
        (400, error("context_length_exceeded"), Exhausted, "too-large"),
        (401, error("invalid_api_key"), Denied, "refused"),
        (402, String::new(), Exhausted, "quota"),
        (403, error("unsupported_country"), Denied, "refused"),
        (404, error("model_not_found"), InvalidInput, "unknown-model"),
        (408, String::new(), Unavailable, "server"),
        (413, String::new(), Exhausted, "too-large"),
        (429, error("rate_limit_exceeded"), Exhausted, "rate-limit"),
        (429, error("insufficient_quota"), Exhausted, "quota"),
        (418, "no json".to_owned(), InvalidInput, "rejected"),
        (500, "<html>".to_owned(), Unavailable, "server"),
        (503, error("overloaded"), Unavailable, "server"),
        (301, String::new(), InvalidConfig, "redirect"),
    ] {
        let it = refused(status, &[], &body);
        assert_eq!((it.kind, it.code.as_str()), (kind, code), "{status} {body}");
        // Its words may quote the prompt or a key.
        assert!(!it.message.contains("canary"), "{it:?}");
        assert!(it.message.contains(&status.to_string()), "{it:?}");
        // Only a quota that is filled again says when.
        assert_eq!(
            it.retry_after_ms.is_some(),
            code == "rate-limit" || code == "quota",
            "{it:?}"
        );
    }
}

#[test]
fn when_to_come_back_is_read_as_servers_write_it() {
    let wait = |headers: &[(&'static str, &str)]| {
        refused(429, headers, &error("rate_limit_exceeded")).retry_after_ms
    };
    assert_eq!(wait(&[("retry-after", "7")]), Some(7_000));
    assert_eq!(wait(&[("retry-after", " 0.25 ")]), Some(250));
    assert_eq!(
        wait(&[("retry-after-ms", "1234"), ("retry-after", "7")]),
        Some(1_234)
    );
    let (date, later) = ("Sat, 28 Nov 2026 16:00:00 GMT", "Sat, 28 Nov 2026 16:00:30 GMT");
    assert_eq!(wait(&[("date", date), ("retry-after", later)]), Some(30_000));
    assert_eq!(wait(&[("date", later), ("retry-after", date)]), Some(0));
    // What is no time, or cannot be held against the server's clock, counts as nothing said.
    for nonsense in ["", "soon", "-5", "NaN", "inf", later] {
        assert_eq!(wait(&[("retry-after", nonsense)]), Some(5_000), "{nonsense}");
    }
    assert_eq!(wait(&[("retry-after", "99999999999999999999")]), Some(86_400_000));
    assert_eq!(
        refused(503, &[("retry-after", "2")], "").retry_after_ms,
        Some(2_000)
    );
    assert_eq!(refused(503, &[], "").retry_after_ms, None);
}

#[test]
fn a_refusal_without_end_is_read_as_far_as_it_matters() {
    let endless = "x".repeat(1 << 20);
    assert_eq!(refused(500, &[], &endless).code, "server");
    // A code is a word; what is none is not handed on.
    let odd = error("sk-canary quoted {\"a\": 1}");
    assert!(refused(400, &[], &odd).message.contains("some_error"));
}

#[test]
fn an_error_under_200_is_one() {
    let body = json!({"error": {"message": "upstream", "code": "rate_limit_exceeded"}}).to_string();
    let it = refused(200, &[], &body);
    assert_eq!((it.kind, it.code.as_str()), (ErrorKind::Exhausted, "rate-limit"));
}
