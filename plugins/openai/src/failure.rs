//! What a server refuses, as the contract's errors. The server's own words may quote the prompt or a key: they go to the
//! step's log, and only its code goes on.

use std::time::SystemTime;

use docmill_plugin::Error;
use serde_json::Value as Json;

use crate::transport::{Reply, whole};

/// Of a refusal.
const MAX_BYTES: usize = 64 << 10;
/// What of its words is logged.
const MAX_LOGGED_CHARS: usize = 500;
/// When a server that is asked too much does not say when to come back.
const DEFAULT_WAIT_MS: u32 = 5_000;
/// An account without money is not filled again within a run.
const QUOTA_WAIT_MS: u32 = 3_600_000;
/// Nobody waits longer than a day.
const MAX_WAIT_MS: u64 = 86_400_000;

/// An answer that is not that of this API.
pub fn unreadable(why: &str) -> Error {
    Error::failed(
        "bad-answer",
        format!("The server's answer cannot be read: {why}."),
    )
}

/// An answer that nobody wants to read to its end.
pub fn oversized() -> Error {
    Error::failed(
        "oversized-answer",
        "The server's answer is larger than this plugin reads, or its grant for http allows.",
    )
}

/// A reply whose status is no success.
pub fn of_reply(reply: &mut impl Reply) -> Error {
    let status = reply.status();
    let wait = wait(reply);
    let body = whole(reply, MAX_BYTES).unwrap_or_default();
    let error = serde_json::from_slice::<Json>(&body).unwrap_or_default();
    let code = logged(Some(status), &error);
    let said = match &code {
        Some(code) => format!("The server answered {status} ({code})."),
        None => format!("The server answered {status}."),
    };
    let quota = matches!(
        code.as_deref(),
        Some("insufficient_quota" | "billing_hard_limit_reached")
    );
    match status {
        429 | 402 if quota || status == 402 => exhausted("quota", said, Some(wait.unwrap_or(QUOTA_WAIT_MS))),
        429 => exhausted("rate-limit", said, Some(wait.unwrap_or(DEFAULT_WAIT_MS))),
        401 | 403 | 407 => Error::denied("refused", format!("{said} Check the key and its grant.")),
        404 => Error::invalid_input("unknown-model", format!("{said} Check model and base_url.")),
        413 => exhausted("too-large", said, None),
        400 | 422 if code.as_deref() == Some("context_length_exceeded") => exhausted("too-large", said, None),
        408 | 409 | 425 | 500..=599 => Error::unavailable("server", said, wait),
        300..=399 => Error::invalid_config(
            "redirect",
            format!("{said} Write base_url as it is after the redirect."),
        ),
        _ => Error::invalid_input("rejected", said),
    }
}

/// An error where an answer, or more of it, should be: the server gave up.
pub fn in_stream(error: &Json) -> Error {
    let wrapped = serde_json::json!({ "error": error });
    let code = logged(None, &wrapped).unwrap_or_else(|| "unknown".to_owned());
    let said = format!("The server gave its answer up ({code}).");
    match code.as_str() {
        "rate_limit_exceeded" => exhausted("rate-limit", said, Some(DEFAULT_WAIT_MS)),
        _ => Error::unavailable("server", said, None),
    }
}

fn exhausted(code: &str, message: String, retry_after_ms: Option<u32>) -> Error {
    Error {
        retry_after_ms,
        ..Error::exhausted(code, message)
    }
}

/// Logs what the server said; gives its code, if it is a word.
fn logged(status: Option<u16>, body: &Json) -> Option<String> {
    let error = body.get("error").unwrap_or(body);
    let message = error
        .get("message")
        .or(Some(error))
        .and_then(Json::as_str)
        .unwrap_or_default();
    let shown: String = message.chars().take(MAX_LOGGED_CHARS).collect();
    if !shown.is_empty() {
        let status = status.map(|status| format!(" {status}")).unwrap_or_default();
        eprintln!("the server answered{status}: {shown}");
    }
    let words = ["code", "type"]
        .into_iter()
        .filter_map(|name| error.get(name)?.as_str());
    let mut words = words.filter(|word| {
        (1..=60).contains(&word.len())
            && word
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
    });
    words.next().map(str::to_owned)
}

/// Milliseconds until it may be asked again, if the server says so: in milliseconds, in seconds, or as a time, which is held
/// against the server's own clock, for there is no other here.
fn wait(reply: &impl Reply) -> Option<u32> {
    let header = |name: &str| reply.header(name).map(|value| value.trim().to_owned());
    let in_ms = header("retry-after-ms").and_then(|value| value.parse::<f64>().ok());
    let after = || header("retry-after");
    let in_seconds = || {
        after()
            .and_then(|value| value.parse::<f64>().ok())
            .map(|seconds| seconds * 1_000.0)
    };
    let by_clock = || {
        let at = httpdate::parse_http_date(&after()?).ok()?;
        let now: SystemTime = httpdate::parse_http_date(&header("date")?).ok()?;
        Some(at.duration_since(now).map_or(0.0, |span| span.as_millis() as f64))
    };
    let ms = in_ms.or_else(in_seconds).or_else(by_clock)?;
    (ms.is_finite() && ms >= 0.0).then(|| (ms.ceil() as u64).min(MAX_WAIT_MS) as u32)
}
