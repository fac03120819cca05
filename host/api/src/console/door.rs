//! The door of the console: every request comes through it, and every answer.

use std::ops::Deref;
use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use docmill_model::digest::Digest;
use docmill_model::failure::Code;
use docmill_store::who;
use maud::Markup;

use super::layout::{self, Section};
use super::session;
use crate::caller::Caller;
use crate::observe::{Context, problem_of};
use crate::permission::{May, Permission};
use crate::probes::Answered;
use crate::problem::Problem;
use crate::state::ApiState;

/// Nothing but this server's own stylesheet and icon; no script, no frame, and forms go nowhere else.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; \
    frame-ancestors 'none'";
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// What forms of this session carry. Made from the session's secret, which no page and no other site knows.
#[derive(Debug, Clone, Default)]
pub struct Token(String);

impl Token {
    fn of(secret: &str) -> Self {
        Self(Digest::of(format!("docmill console form {secret}").as_bytes()).to_string())
    }

    /// As it stands in a form.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Refuses a form that does not carry it.
    ///
    /// # Errors
    /// [`Code::Forbidden`]
    pub fn check(&self, given: &str) -> Result<(), Problem> {
        // By digests: how long it takes tells nothing of where they differ.
        if !self.0.is_empty() && Digest::of(given.as_bytes()) == Digest::of(self.0.as_bytes()) {
            return Ok(());
        }
        Err(Self::foreign())
    }

    /// What is said of a form that does not carry it.
    pub fn foreign() -> Problem {
        let said = "the form is not of this session: it may be older than your last sign-in; load the page again and repeat";
        Problem::new(Code::Forbidden, said)
    }
}

impl FromRequestParts<ApiState> for Token {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &ApiState) -> Result<Self, Problem> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_default())
    }
}

/// Somebody who looks at a page and may.
pub struct Visitor<P> {
    caller: May<P>,
    token: Token,
}

impl<P> Deref for Visitor<P> {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.caller
    }
}

impl<P> Visitor<P> {
    /// Whoever it is, with the permission.
    pub fn caller(&self) -> &May<P> {
        &self.caller
    }

    /// What forms of this session carry.
    pub fn token(&self) -> &Token {
        &self.token
    }

    /// The tenant's time zone.
    pub fn zone(&self) -> &str {
        &self.who().timezone
    }

    /// The answer: a page of this section.
    pub fn page(&self, section: Section, title: &str, body: Markup) -> Response {
        layout::page(Some(self.who()), &self.token, Some(section), title, body).into_response()
    }
}

impl<P: Permission> FromRequestParts<ApiState> for Visitor<P> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Problem> {
        Ok(Self {
            token: Token::from_request_parts(parts, state).await?,
            caller: May::from_request_parts(parts, state).await?,
        })
    }
}

/// From the cookie to the caller, and from problems to pages.
pub async fn door(State(_): State<ApiState>, mut request: Request, next: Next) -> Response {
    let asked = request.uri().clone();
    let (safe, context) = (
        request.method().is_safe(),
        request.extensions().get::<Context>().cloned(),
    );
    // Pages know people by their cookie alone; handlers and their permissions are those of the API.
    request.headers_mut().remove(header::AUTHORIZATION);
    let mut token = Token::default();
    if let Some(secret) = session::cookie(request.headers()) {
        token = Token::of(&secret);
        if let Ok(value) = HeaderValue::from_str(&format!("Bearer {secret}")) {
            request.headers_mut().insert(header::AUTHORIZATION, value);
        }
    }
    request.extensions_mut().insert(token.clone());
    let refused = if safe {
        Ok(())
    } else {
        of_this_site(request.headers(), request.uri())
    };
    let answer = match refused {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    };
    let who = context.as_ref().and_then(Context::caller);
    let told = match problem_of(&answer) {
        Some(problem) if answer.extensions().get::<Answered>().is_none() => {
            told(&problem, &answer, who, &token, safe.then_some(&asked))
        }
        _ => None,
    };
    let mut answer = told.unwrap_or(answer);
    dress(answer.headers_mut());
    answer
}

/// A form that changes something must come from a page of this very site: cookies come along from others, too.
fn of_this_site(headers: &HeaderMap, uri: &Uri) -> Result<(), Problem> {
    let text = |name: HeaderName| {
        let values = headers.get_all(name);
        let mut values = values.iter().map(|value| value.to_str().unwrap_or("?"));
        (values.next(), values.next().is_none())
    };
    let own = uri.authority().map(|authority| authority.as_str());
    let own = own.or(text(header::HOST).0).unwrap_or_default();
    let (origin, one_origin) = text(header::ORIGIN);
    let (site, one_site) = text(FETCH_SITE);
    let from_here = |origin: &str| {
        let host = origin
            .strip_prefix("https://")
            .or_else(|| origin.strip_prefix("http://"));
        host.is_some_and(|host| !host.is_empty() && host.eq_ignore_ascii_case(own))
    };
    let fine = one_origin
        && one_site
        && (origin.is_some() || site.is_some())
        && origin.is_none_or(from_here)
        && site.is_none_or(|site| site == "same-origin");
    if fine {
        return Ok(());
    }
    let said = "this form did not come from a page of this console (see the headers Origin and Sec-Fetch-Site; a proxy in \
        between has to pass Host on)";
    Err(Problem::new(Code::Forbidden, said))
}

/// The problem as a page; who is not signed in is asked to. None leaves the answer as it is.
fn told(
    problem: &Arc<Problem>,
    answer: &Response,
    who: Option<&who::Caller>,
    token: &Token,
    asked: Option<&Uri>,
) -> Option<Response> {
    if problem.failure.code == Code::Unauthenticated {
        return Some(session::asked_to_sign_in(asked, token));
    }
    let mut page = layout::problem(problem, who, token);
    *page.status_mut() = crate::problem::status(problem.failure.code);
    page.extensions_mut().insert(Arc::clone(problem));
    page.extensions_mut().insert(Answered);
    if let Some(allow) = answer.headers().get(header::ALLOW) {
        page.headers_mut().insert(header::ALLOW, allow.clone());
    }
    Some(page)
}

/// What stands on every answer; a file that is downloaded has a stricter policy of its own.
fn dress(headers: &mut HeaderMap) {
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_FRAME_OPTIONS, "DENY"),
        // With `no-referrer`, browsers would say `Origin: null` in forms.
        (header::REFERRER_POLICY, "same-origin"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(headers: &[(HeaderName, &'static str)]) -> bool {
        let mut map = HeaderMap::new();
        map.append(header::HOST, HeaderValue::from_static("docmill.example:7410"));
        for (name, value) in headers {
            map.append(name.clone(), HeaderValue::from_static(value));
        }
        of_this_site(&map, &Uri::from_static("/console/keys")).is_ok()
    }

    #[test]
    fn forms_come_from_this_site_alone() {
        let here = "https://docmill.example:7410";
        assert!(judged(&[(header::ORIGIN, here)]));
        assert!(judged(&[(header::ORIGIN, "http://DOCMILL.example:7410")]));
        assert!(judged(&[(FETCH_SITE, "same-origin")]));
        assert!(judged(&[(header::ORIGIN, here), (FETCH_SITE, "same-origin")]));
        for foreign in [
            &[][..],
            &[(header::ORIGIN, "null")],
            &[(header::ORIGIN, "https://docmill.example")],
            &[(header::ORIGIN, "https://evil.example")],
            &[(header::ORIGIN, "docmill.example:7410")],
            &[(header::ORIGIN, "")],
            &[(header::ORIGIN, here), (header::ORIGIN, here)],
            &[(header::ORIGIN, here), (FETCH_SITE, "cross-site")],
            &[
                (header::ORIGIN, "https://evil.example"),
                (FETCH_SITE, "same-origin"),
            ],
            &[(FETCH_SITE, "same-site")],
            &[(FETCH_SITE, "none")],
        ] {
            assert!(!judged(foreign), "{foreign:?}");
        }
    }

    #[test]
    fn a_token_is_of_one_session() {
        let (mine, other) = (Token::of("dm_a"), Token::of("dm_b"));
        assert!(mine.check(mine.as_str()).is_ok());
        assert!(mine.check(other.as_str()).is_err() && mine.check("").is_err());
        // Nobody is signed in: no form is theirs.
        assert!(Token::default().check("").is_err());
        assert!(!mine.as_str().contains("dm_a"));
    }
}
