//! Pages for people: what this is, and what each code means.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use axum::response::{Html, IntoResponse, Response};
use docmill_model::failure::Code;
use serde_json::json;

use crate::answer::json as body_of;
use crate::codes::words;
use crate::language::Language;
use crate::problem::Problem;
use crate::routes;
use crate::state::ApiState;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:3rem auto;padding:0 1rem;color:#222}\
code,pre{font:14px/1.5 ui-monospace,monospace;background:#f4f4f2}pre{padding:1rem;overflow:auto}\
code{overflow-wrap:anywhere}td,th{text-align:left;vertical-align:top;padding:.2rem 1rem .2rem 0}a{color:#0b57a4}";

const TRY: &str =
    "curl -H 'Authorization: Bearer YOUR_KEY' -F file=@invoice.pdf http://HOST/v1/pipelines/invoice/runs";

/// What this is and how to post a document.
#[utoipa::path(get, path = "/", tag = "operation", responses((status = 200, description = "This page, as HTML or text")))]
pub async fn landing(headers: HeaderMap) -> Response {
    let host = headers
        .get(header::HOST)
        .and_then(|value| value.to_str().ok())
        .filter(|host| {
            host.bytes()
                .all(|b| b.is_ascii_alphanumeric() || b".:-[]".contains(&b))
        })
        .unwrap_or("localhost");
    let command = TRY.replace("HOST", host);
    let routes = routes::summary();
    if !wants(&headers, "text/html") {
        let mut text = format!(
            "docmill {} runs document pipelines made of sandboxed plugins and shows where every value came from.\n\n\
             Look around in a browser:\n  http://{host}/console\n\n\
             Post a document:\n  {command}\n\nRoutes (GET /v1/openapi.json describes them in full):\n",
            env!("CARGO_PKG_VERSION")
        );
        for (method, path, said) in routes {
            text.push_str(&format!("  {method:<6} {path:<58} {said}\n"));
        }
        return text.into_response();
    }
    let rows: String = routes
        .iter()
        .map(|(method, path, said)| {
            format!(
                "<tr><td>{method}<td><code>{}</code><td>{}",
                escape(path),
                escape(said)
            )
        })
        .collect();
    page(
        Language::English,
        "docmill",
        &format!(
            "<h1>docmill {}</h1><p>Runs document pipelines made of sandboxed plugins, and shows where every value came \
             from.</p><p><a href=/console>Look around in the console</a></p><h2>Post a document</h2><pre>{}</pre><p><a href=/v1/openapi.json>OpenAPI document</a> · \
             <a href=/errors>Error codes</a> · <a href=/readyz>Readiness</a> · <a href=/metrics>Figures</a></p>\
             <h2>Routes</h2><table>{rows}</table>",
            env!("CARGO_PKG_VERSION"),
            escape(&command),
        ),
    )
}

/// The codes of problems.
#[utoipa::path(get, path = "/errors", tag = "operation", responses((status = 200, description = "All codes")))]
pub async fn errors(headers: HeaderMap) -> Result<Response, Problem> {
    let language = Language::asked(&headers).unwrap_or_default();
    if wants(&headers, "application/json") && !wants(&headers, "text/html") {
        let all: Vec<_> = Code::ALL.iter().map(|code| described(*code, language)).collect();
        return body_of(&json!({ "items": all }));
    }
    let rows: String = Code::ALL
        .iter()
        .map(|code| {
            let title = escape(words(*code, language).title);
            format!(
                "<tr><td><a href=/errors/{code}><code>{code}</code></a><td>{}<td>{title}",
                code.status()
            )
        })
        .collect();
    let body = format!("<h1>docmill: errors</h1><table>{rows}</table>");
    Ok(page(language, "docmill: errors", &body))
}

/// What a code means, why it happens and how to put it right.
#[utoipa::path(
    get, path = "/errors/{code}", tag = "operation",
    params(("code" = String, Path, description = "The `code` of a problem")),
    responses((status = 200, description = "As HTML, or as JSON for `Accept: application/json`; in the language of `Accept-Language`"))
)]
pub async fn error(headers: HeaderMap, Path(code): Path<String>) -> Result<Response, Problem> {
    let language = Language::asked(&headers).unwrap_or_default();
    let code: Code = code
        .parse()
        .map_err(|_| Problem::new(Code::NotFound, "there is no such code; GET /errors lists them"))?;
    if wants(&headers, "application/json") && !wants(&headers, "text/html") {
        return body_of(&described(code, language));
    }
    let said = words(code, language);
    let [cause, fix] = match language {
        Language::English => ["Why it happens", "What to do"],
        Language::Russian => ["Почему это случается", "Что делать"],
        Language::Kazakh => ["Неге болады", "Не істеу керек"],
    };
    let body = format!(
        "<p><a href=/errors>docmill: errors</a></p><h1>{}</h1><p><code>{code}</code> · HTTP {}</p>\
         <h2>{cause}</h2><p>{}</p><h2>{fix}</h2><p>{}</p>",
        escape(said.title),
        code.status(),
        prose(said.cause),
        prose(said.fix),
    );
    Ok(page(language, said.title, &body))
}

/// The OpenAPI document.
#[utoipa::path(get, path = "/v1/openapi.json", tag = "operation", responses((status = 200, description = "OpenAPI 3.1")))]
pub async fn openapi(State(_): State<ApiState>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], routes::openapi()).into_response()
}

fn described(code: Code, language: Language) -> serde_json::Value {
    let said = words(code, language);
    json!({
        "type": format!("/errors/{code}"), "code": code, "status": code.status(), "title": said.title,
        "cause": said.cause, "fix": said.fix, "retry": code.transient(), "language": language.tag(),
    })
}

fn wants(headers: &HeaderMap, media_type: &str) -> bool {
    let accepts = headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok());
    accepts.flat_map(|value| value.split(',')).any(|entry| {
        entry
            .split(';')
            .next()
            .is_some_and(|t| t.trim().eq_ignore_ascii_case(media_type))
    })
}

fn page(language: Language, title: &str, body: &str) -> Response {
    let html = format!(
        "<!doctype html><html lang={}><meta charset=utf-8><meta name=viewport content='width=device-width'>\
         <title>{}</title><style>{STYLE}</style>{body}</html>",
        language.tag(),
        escape(title),
    );
    let mut response = Html(html).into_response();
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_LANGUAGE, language.tag()),
        (header::VARY, "Accept, Accept-Language"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'",
        ),
    ] {
        if let Ok(value) = value.parse() {
            headers.insert(name, value);
        }
    }
    response
}

/// Text for people: what stands between backticks is code.
fn prose(text: &str) -> String {
    let mut html = String::new();
    for (n, part) in escape(text).split('`').enumerate() {
        let code = n % 2 == 1;
        html.push_str(if code { "<code>" } else { "" });
        html.push_str(part);
        html.push_str(if code { "</code>" } else { "" });
    }
    html
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backticks_mark_code_and_markup_is_text() {
        assert_eq!(
            prose("set `body_max` <now>"),
            "set <code>body_max</code> &lt;now&gt;"
        );
    }
}
