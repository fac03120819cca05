//! The frame of every page: head, navigation, foot; the stylesheet; problems as pages.

use std::sync::LazyLock;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse as _, Response};
use docmill_model::access::Scope;
use docmill_model::digest::Digest;
use docmill_model::failure::Code;
use docmill_store::who;
use maud::{DOCTYPE, Markup, html};

use super::door::Token;
use super::form::signed;
use super::shown::prose;
use super::words;
use crate::caller::Caller;
use crate::codes;
use crate::language::Language;
use crate::problem::Problem;

const STYLE: &str = include_str!("style.css");
const ICON: &str = include_str!("icon.svg");

/// The address names the content, so that a browser may keep it for ever.
static STYLE_ADDRESS: LazyLock<String> = LazyLock::new(|| {
    let digest = Digest::of(STYLE.as_bytes()).to_string();
    let short: String = digest
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .take(16)
        .collect();
    format!("/console/style.css?{short}")
});

/// A part of the console, as the navigation has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    Pipelines,
    Runs,
    Documents,
    Plugins,
    Usage,
    Keys,
    Audit,
}

impl Section {
    const ALL: [Self; 7] = [
        Self::Pipelines,
        Self::Runs,
        Self::Documents,
        Self::Plugins,
        Self::Usage,
        Self::Keys,
        Self::Audit,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Pipelines => "Pipelines",
            Self::Runs => "Runs",
            Self::Documents => "Documents",
            Self::Plugins => "Plugins",
            Self::Usage => "Usage",
            Self::Keys => "Keys",
            Self::Audit => "Audit",
        }
    }

    const fn address(self) -> &'static str {
        match self {
            Self::Pipelines => "/console/pipelines",
            Self::Runs => "/console/runs",
            Self::Documents => "/console/documents",
            Self::Plugins => "/console/plugins",
            Self::Usage => "/console/usage",
            Self::Keys => "/console/keys",
            Self::Audit => "/console/audit",
        }
    }

    /// What its first page takes; who does not have it does not find it in the navigation.
    const fn scope(self) -> Scope {
        match self {
            Self::Pipelines => Scope::PipelinesRead,
            Self::Runs => Scope::RunsRead,
            Self::Documents => Scope::DocumentsRead,
            Self::Plugins => Scope::PluginsRead,
            Self::Usage => Scope::UsageRead,
            Self::Keys => Scope::KeysRead,
            Self::Audit => Scope::AuditRead,
        }
    }
}

/// The first page that the caller may see.
pub async fn home(caller: Caller) -> Result<Response, Problem> {
    let first = Section::ALL
        .into_iter()
        .find(|section| caller.may(section.scope()));
    first.map(|section| see_other(section.address())).ok_or_else(|| {
        Problem::new(
            Code::Forbidden,
            "your key has none of the scopes that the console shows something of",
        )
    })
}

/// Whatever is not there. Who is signed in keeps the navigation.
pub async fn nowhere(_: Result<Caller, Problem>) -> Problem {
    Problem::new(Code::NotFound, "the console has no such page")
}

/// The stylesheet.
pub async fn style() -> Response {
    kept_for_ever("text/css; charset=utf-8", STYLE)
}

/// The icon.
pub async fn icon() -> Response {
    kept_for_ever("image/svg+xml", ICON)
}

fn kept_for_ever(media_type: &'static str, text: &'static str) -> Response {
    let head = [
        (header::CONTENT_TYPE, media_type),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
    ];
    (head, text).into_response()
}

/// Go on there.
pub fn see_other(address: &str) -> Response {
    let mut answer = StatusCode::SEE_OTHER.into_response();
    if let Ok(address) = HeaderValue::from_str(address) {
        answer.headers_mut().insert(header::LOCATION, address);
    }
    answer
}

/// A page, with the navigation if somebody is signed in.
pub fn page(
    who: Option<&who::Caller>,
    token: &Token,
    section: Option<Section>,
    title: &str,
    body: Markup,
) -> Html<String> {
    let bar = html! {
        header.bar {
            a.brand href="/console" { (mark()) "docmill" }
            @if let Some(who) = who {
                nav aria-label="Main" {
                    ul {
                        @for one in Section::ALL {
                            @if who.scopes.has(one.scope()) {
                                li { a href=(one.address()) aria-current=[(section == Some(one)).then_some("page")] { (one.name()) } }
                            }
                        }
                    }
                }
                div.me {
                    span.who { span.tenant { (who.tenant_name) } span.name { (who.name) " · " (who.role) } }
                    form method="post" action="/console/sign-out" {
                        (signed(token))
                        button.quiet type="submit" { (words::SIGN_OUT) }
                    }
                }
            }
        }
    };
    let main = html! { main id="main" tabindex="-1" { h1 { (title) } (body) } };
    Html(whole(title, html! { (bar) (main) }).into_string())
}

/// A page of its own, without navigation.
pub fn alone(title: &str, body: Markup) -> Markup {
    let inside = html! {
        main.alone id="main" tabindex="-1" {
            div.brand { (mark()) "docmill" }
            h1 { (title) }
            (body)
        }
    };
    whole(title, inside)
}

fn whole(title: &str, inside: Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="robots" content="noindex";
                title { (title) " · docmill" }
                link rel="icon" type="image/svg+xml" href="/console/icon.svg";
                link rel="stylesheet" href=(*STYLE_ADDRESS);
            }
            body {
                a.skip href="#main" { (words::SKIP) }
                (inside)
                footer { p { "docmill " (env!("CARGO_PKG_VERSION")) " · " a href="/errors" { "error codes" } " · " a href="/v1/openapi.json" { "API" } } }
            }
        }
    }
}

/// The mark before the name: a sheet that goes through a mill.
fn mark() -> Markup {
    html! {
        svg.mark viewBox="0 0 24 24" width="22" height="22" aria-hidden="true" {
            path d="M5 2h9l5 5v5H5z" class="sheet" {}
            path d="M3 14h18v3H3z" class="mill" {}
            path d="M6 19h3v3H6zM10.5 19h3v3h-3zM15 19h3v3h-3z" class="grain" {}
        }
    }
}

/// A problem, told as a page.
pub fn problem(problem: &Problem, who: Option<&who::Caller>, token: &Token) -> Response {
    let code = problem.failure.code;
    let said = codes::words(code, Language::English);
    let body = html! {
        p.lead { (problem.failure.message) }
        @if !problem.problems.is_empty() {
            ul { @for one in problem.problems.iter().take(50) { li { (one) } } }
        }
        section.card {
            h2 { "What to do" }
            p { (prose(said.fix)) }
            @if let Some(run) = problem.run { p { a href=(format!("/console/runs/{run}")) { "The run that failed" } } }
            p.hint { code { (code) } " · HTTP " (code.status()) " · " a href=(format!("/errors/{code}")) { "why it happens" } }
        }
        @if who.is_none() { p { a href="/console/sign-in" { (words::SIGN_IN) } } }
    };
    page(who, token, None, said.title, body).into_response()
}
