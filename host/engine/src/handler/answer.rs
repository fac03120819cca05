//! What a plain `wasi:http` component answers, as the output or the failure of a transformer.

use docmill_model::failure::{Code, Failure};
use docmill_model::limits::Limits;
use docmill_model::plugin::essence;
use docmill_model::size::ByteSize;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, HeaderName, RETRY_AFTER};
use http::{Response, StatusCode};
use http_body_util::BodyExt as _;
use percent_encoding::percent_decode_str;
use serde_json::Value as Json;
use tokio::sync::oneshot;
use wasmtime_wasi_http::p2::bindings::http::types::ErrorCode;
use wasmtime_wasi_http::p2::body::HyperOutgoingBody;

use crate::bindings::{Transformed, types};
use crate::call::Output;
use crate::classify::output_limit;
use crate::convert::{self, shown};
use crate::output;

/// What the guest gave its `response-outparam`.
pub(super) type Sent = Result<Response<HyperOutgoingBody>, ErrorCode>;

/// Bytes of a body of which an error's message is made.
const TOLD_BYTES: usize = 16 << 10;
/// Characters of the message.
const TOLD: usize = 1_000;
/// Longest name of a file, in bytes.
const NAME_BYTES: usize = 200;

/// A complete answer.
pub(super) struct Answer(Response<Vec<u8>>);

impl Answer {
    pub(super) fn bytes(&self) -> usize {
        self.0.body().len()
    }

    fn header(&self, name: HeaderName) -> Option<String> {
        let value = self.0.headers().get(name)?;
        Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
    }
}

fn invalid(why: impl Into<String>) -> Failure {
    Failure::new(Code::InvalidOutput, why)
}

/// Waits for the answer and takes its body as it comes; trailers are dropped.
///
/// # Errors
/// When there is none, it is an error, its body breaks off or is longer than `most`.
pub(super) async fn collect(sent: oneshot::Receiver<Sent>, most: ByteSize) -> Result<Answer, Failure> {
    let (head, mut body) = match sent.await {
        Ok(Ok(response)) => response.into_parts(),
        Ok(Err(code)) => return Err(convert::reported(&of_code(code))),
        Err(_) => {
            return Err(invalid(
                "the handler dropped its `response-outparam` without setting it: answer every request",
            ));
        }
    };
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| {
            invalid(
                "the body of the handler's answer is not whole: it was dropped before `outgoing-body.finish`, or is not as long as \
                 its `content-length` says",
            )
        })?;
        if let Ok(data) = frame.into_data() {
            if bytes.len().saturating_add(data.len()) as u64 > most.0 {
                return Err(output_limit(most.0));
            }
            bytes.extend_from_slice(&data);
        }
    }
    Ok(Answer(Response::from_parts(head, bytes)))
}

/// What an error of `wasi:http` that the handler answers with means for the step. Mostly it is what became of a request of its
/// own, handed on.
fn of_code(code: ErrorCode) -> types::Error {
    use types::ErrorKind as Kind;
    let kind = match &code {
        ErrorCode::HttpRequestDenied | ErrorCode::DestinationIpProhibited => Kind::Denied,
        ErrorCode::DnsTimeout
        | ErrorCode::DnsError(_)
        | ErrorCode::DestinationNotFound
        | ErrorCode::DestinationUnavailable
        | ErrorCode::DestinationIpUnroutable
        | ErrorCode::ConnectionRefused
        | ErrorCode::ConnectionTerminated
        | ErrorCode::ConnectionTimeout
        | ErrorCode::ConnectionReadTimeout
        | ErrorCode::ConnectionWriteTimeout
        | ErrorCode::ConnectionLimitReached
        | ErrorCode::HttpResponseTimeout => Kind::Unavailable,
        _ => Kind::Failed,
    };
    let said = match code {
        ErrorCode::InternalError(Some(said)) => shown(&said, TOLD),
        code => shown(&format!("{code:?}"), 200),
    };
    types::Error {
        kind,
        code: "http-error".to_owned(),
        message: format!("the handler answered with an error of wasi:http: {said}"),
        retry_after_ms: None,
    }
}

/// The step's output, or its failure.
///
/// # Errors
/// What the status says; `invalid-output` if the output breaks a rule.
pub(super) async fn settle(answer: Answer, limits: &Limits) -> Result<Output, Failure> {
    let status = answer.0.status();
    if !status.is_success() {
        return Err(convert::reported(&of_status(&answer)));
    }
    let media_type = answer.header(CONTENT_TYPE);
    let is_empty = answer.bytes() == 0;
    if status == StatusCode::NO_CONTENT || (is_empty && media_type.is_none()) {
        return Ok(Output::Json(Json::Null));
    }
    let media_type = media_type.unwrap_or_else(|| "application/octet-stream".to_owned());
    let made = if essence(&media_type).eq_ignore_ascii_case("application/json") {
        let text = String::from_utf8(answer.0.into_body()).map_err(|_| {
            invalid("the handler's answer says that it is JSON, and is no UTF-8 (rule `json`)")
        })?;
        Transformed::Json(text)
    } else {
        let disposition = answer.header(CONTENT_DISPOSITION);
        let name = disposition.and_then(|text| file_name(&text));
        Transformed::Artifact(types::Artifact {
            name: name.unwrap_or_else(|| format!("output.{}", extension(&media_type))),
            media_type,
            content: answer.0.into_body(),
        })
    };
    output::transformed(made, limits).await
}

/// What an answer without success means.
fn of_status(answer: &Answer) -> types::Error {
    use types::ErrorKind as Kind;
    let status = answer.0.status();
    let (kind, may_wait) = match status.as_u16() {
        415 => (Kind::Unsupported, false),
        429 => (Kind::Exhausted, true),
        400..=499 => (Kind::InvalidInput, false),
        503 => (Kind::Unavailable, true),
        _ => (Kind::Failed, false),
    };
    let said = said(answer);
    let means = if status.is_client_error() || status.is_server_error() {
        ""
    } else {
        ", which means nothing for a step: answer 2xx, 4xx or 5xx"
    };
    let message = match said.is_empty() {
        true => format!("the handler answered {status}{means}, and said no more"),
        false => format!("the handler answered {status}{means}: {said}"),
    };
    types::Error {
        kind,
        code: format!("http-{}", status.as_u16()),
        message,
        retry_after_ms: answer
            .header(RETRY_AFTER)
            .filter(|_| may_wait)
            .and_then(|text| seconds(&text)),
    }
}

/// Whole seconds, in milliseconds. A date would have to be compared with a clock, and the guest has none that is right.
fn seconds(text: &str) -> Option<u32> {
    let text = text.trim();
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    // So many digits that no number holds them is a long time, too.
    let seconds = digits.then(|| text.parse::<u32>().unwrap_or(u32::MAX))?;
    Some(seconds.saturating_mul(1_000))
}

/// What the body says: the detail of a problem (RFC 9457), or its text.
fn said(answer: &Answer) -> String {
    let body = answer.0.body();
    let body = body.get(..body.len().min(TOLD_BYTES)).unwrap_or_default();
    let media_type = answer.header(CONTENT_TYPE).unwrap_or_default();
    if essence(&media_type).eq_ignore_ascii_case("application/problem+json")
        && let Ok(problem) = serde_json::from_slice::<Json>(body)
    {
        let member = |name: &str| problem.get(name).and_then(Json::as_str);
        if let Some(detail) = member("detail").or_else(|| member("title")) {
            return shown(detail.trim(), TOLD);
        }
    }
    shown(String::from_utf8_lossy(body).trim(), TOLD)
}

/// The file's name of a `content-disposition` (RFC 6266), without directories and control characters. None: there is none that can be
/// used.
fn file_name(disposition: &str) -> Option<String> {
    let mut plain = None;
    for (name, value) in parameters(disposition) {
        match name.as_str() {
            "filename" => plain = plain.or(Some(value)),
            // RFC 8187: `UTF-8'en'%e2%82%ac.txt`
            "filename*" => {
                let mut parts = value.splitn(3, '\'');
                let is_utf8 = parts.next().is_some_and(|set| set.eq_ignore_ascii_case("utf-8"));
                if let (true, Some(text)) = (is_utf8, parts.nth(1))
                    && let Ok(decoded) = percent_decode_str(text).decode_utf8()
                    && let Some(cleaned) = clean(&decoded)
                {
                    return Some(cleaned);
                }
            }
            _ => {}
        }
    }
    plain.and_then(|name| clean(&name))
}

/// The parameters behind the first semicolon, by lower-case name, without quotes.
fn parameters(header: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let (mut name, mut value) = (String::new(), None::<String>);
    let (mut quoted, mut escaped) = (false, false);
    let mut behind_type = false;
    for c in header.chars().chain([';']) {
        match (c, &mut value) {
            (_, Some(value)) if escaped => {
                value.push(c);
                escaped = false;
            }
            ('\\', Some(_)) if quoted => escaped = true,
            ('"', Some(_)) => quoted = !quoted,
            (';', _) if !quoted => {
                if let Some(value) = value.take().filter(|_| behind_type) {
                    found.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
                }
                behind_type = true;
                name.clear();
            }
            ('=', slot @ None) => *slot = Some(String::new()),
            (_, Some(value)) => value.push(c),
            (_, None) => name.push(c),
        }
    }
    found
}

fn clean(name: &str) -> Option<String> {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let mut cleaned = String::new();
    for c in last.chars().filter(|c| !c.is_control()) {
        if cleaned.len() + c.len_utf8() > NAME_BYTES {
            break;
        }
        cleaned.push(c);
    }
    let cleaned = cleaned.trim();
    (!cleaned.is_empty() && cleaned != "." && cleaned != "..").then(|| cleaned.to_owned())
}

/// How a file of a media type is usually called in the end.
fn extension(media_type: &str) -> &'static str {
    match essence(media_type).to_ascii_lowercase().as_str() {
        "text/plain" => "txt",
        "text/html" => "html",
        "text/csv" => "csv",
        "text/markdown" => "md",
        "text/xml" | "application/xml" => "xml",
        "application/pdf" => "pdf",
        "application/zip" => "zip",
        "image/png" => "png",
        "image/jpeg" => "jpg",
        "image/svg+xml" => "svg",
        other if other.ends_with("+json") => "json",
        other if other.ends_with("+xml") => "xml",
        _ => "bin",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut response = Response::builder().status(status);
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        Answer(response.body(body.to_vec()).unwrap())
    }

    async fn failure(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Failure {
        settle(answer(status, headers, body), &Limits::default())
            .await
            .unwrap_err()
    }

    #[tokio::test]
    async fn a_status_without_success_is_the_failure_that_it_means() {
        for (status, headers, code, retry_after_ms) in [
            (400, &[][..], Code::InvalidInput, None),
            (422, &[("retry-after", "3")], Code::InvalidInput, None),
            (415, &[], Code::Unsupported, None),
            (429, &[], Code::PluginBound, None),
            (429, &[("retry-after", "3")], Code::Exhausted, Some(3_000)),
            (
                429,
                &[("retry-after", "99999999999999999999")],
                Code::Exhausted,
                Some(u32::MAX),
            ),
            (
                429,
                &[("retry-after", "Fri, 31 Dec 2027 23:59:59 GMT")],
                Code::PluginBound,
                None,
            ),
            (429, &[("retry-after", "-3")], Code::PluginBound, None),
            (503, &[], Code::PluginUnavailable, None),
            (
                503,
                &[("retry-after", " 2 ")],
                Code::PluginUnavailable,
                Some(2_000),
            ),
            (500, &[], Code::PluginFailed, None),
            (302, &[("location", "/")], Code::PluginFailed, None),
            (100, &[], Code::PluginFailed, None),
            (777, &[], Code::PluginFailed, None),
        ] {
            let failure = failure(status, headers, b"").await;
            assert_eq!(
                (failure.code, failure.retry_after_ms),
                (code, retry_after_ms),
                "{status} {headers:?}"
            );
            assert_eq!(failure.reason, Some(format!("http-{status}")));
        }
    }

    #[tokio::test]
    async fn what_an_error_says_is_bounded_and_cleaned() {
        let said = |headers: &'static [(&str, &str)], body: &'static [u8]| async move {
            failure(422, headers, body).await.message
        };
        let plain = said(&[], b" no\x1b[31m date\xff\n").await;
        assert!(plain.ends_with(": no\u{fffd}[31m date\u{fffd}"), "{plain}");
        assert!(said(&[], b"").await.ends_with("and said no more"));
        const PROBLEM: &[(&str, &str)] = &[("content-type", "application/problem+json; charset=utf-8")];
        assert!(
            said(PROBLEM, br#"{"title":"T","detail":"the date is missing"}"#)
                .await
                .ends_with(": the date is missing")
        );
        assert!(said(PROBLEM, br#"{"title":"T"}"#).await.ends_with(": T"));
        assert!(said(PROBLEM, b"[[").await.ends_with(": [["));
        let long = failure(500, &[], &vec![b'x'; 1 << 20]).await.message;
        assert!(long.len() < 1_200, "{}", long.len());
    }

    #[tokio::test]
    async fn success_is_json_a_file_or_nothing() {
        let settled = |status, headers: &'static [(&str, &str)], body: &'static [u8]| async move {
            settle(answer(status, headers, body), &Limits::default()).await
        };
        const JSON: &[(&str, &str)] = &[("content-type", "Application/JSON; charset=utf-8")];
        let json = |output: Result<Output, Failure>| match output.unwrap() {
            Output::Json(json) => Some(json),
            _ => None,
        };
        assert_eq!(
            json(settled(200, JSON, b"{\"a\":1}").await),
            Some(serde_json::json!({"a": 1}))
        );
        assert_eq!(json(settled(204, JSON, b"").await), Some(Json::Null));
        assert_eq!(json(settled(200, &[], b"").await), Some(Json::Null));
        for bad in [&b"{"[..], b"", b"\"\xff\"", b"1 2"] {
            let refused = settle(answer(200, JSON, bad), &Limits::default())
                .await
                .unwrap_err();
            assert_eq!(refused.code, Code::InvalidOutput, "{refused}");
        }
        let file = |output: Result<Output, Failure>| match output.unwrap() {
            Output::Artifact(file) => Some((file.name, file.media_type, file.content.len())),
            _ => None,
        };
        let html = &[
            ("content-type", "text/html; charset=utf-8"),
            ("content-disposition", "attachment; filename=\"a.html\""),
        ];
        let whole = Some(("a.html".to_owned(), "text/html; charset=utf-8".to_owned(), 3));
        assert_eq!(file(settled(201, html, b"<p>").await), whole);
        let nameless = Some(("output.json".to_owned(), "application/ld+json".to_owned(), 2));
        assert_eq!(
            file(settled(200, &[("content-type", "application/ld+json")], b"{}").await),
            nameless
        );
        let bare = Some(("output.bin".to_owned(), "application/octet-stream".to_owned(), 1));
        assert_eq!(file(settled(200, &[], b"x").await), bare);
        let refused = settled(200, &[("content-type", "no media type")], b"x")
            .await
            .unwrap_err();
        assert_eq!(refused.code, Code::InvalidOutput);
    }

    #[test]
    fn names_of_files_are_cleaned() {
        for (header, name) in [
            ("attachment; filename=a.txt", Some("a.txt")),
            (
                "attachment;filename = \"a; b=\\\"c\\\".txt\" ; x=y",
                Some("a; b=\"c\".txt"),
            ),
            ("attachment; filename=\"../../etc/passwd\"", Some("passwd")),
            ("attachment; filename=\"C:\\\\Windows\\\\a.txt\"", Some("a.txt")),
            (
                "attachment; filename=fallback.txt; filename*=UTF-8'kk'%D2%9B%D0%B0%D1%82.txt",
                Some("қат.txt"),
            ),
            ("attachment; filename*=UTF-8''a%2Fb%00c.txt", Some("bc.txt")),
            (
                "attachment; filename*=ISO-8859-1''%E4.txt; filename=b.txt",
                Some("b.txt"),
            ),
            ("attachment; filename*=UTF-8''%FF; filename=b.txt", Some("b.txt")),
            ("attachment; filename=\"\u{7}\"", None),
            ("attachment; filename=..", None),
            ("attachment; filename=\"a/\"", None),
            ("filename=a.txt", None),
            ("", None),
            ("attachment; filename=\"open", None),
            (";;;=;=\"", None),
        ] {
            assert_eq!(file_name(header).as_deref(), name, "{header}");
        }
        let long = file_name(&format!("attachment; filename={}", "қ".repeat(500))).unwrap();
        assert_eq!(long.len(), 200);
    }
}
