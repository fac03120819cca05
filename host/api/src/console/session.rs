//! Signing in and out of the console.
//!
//! Who signs in shows a key once. What the browser keeps afterwards is the secret of a session that is made at that moment: of a
//! person's key a session as `POST /v1/sessions` makes it, of a service's key one that acts in its name. It may what the key
//! may and ends with it.

use std::time::Duration;

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Uri, header};
use axum::response::{Html, IntoResponse as _, Response};
use docmill_model::failure::Code;
use docmill_store::who::{NewSession, Secret};
use maud::html;
use serde_json::json;

use super::door::Token;
use super::form::Form;
use super::shown::prose;
use super::{layout, words};
use crate::caller::{self, Caller};
use crate::observe::Context;
use crate::probes::Answered;
use crate::problem::Problem;
use crate::query::Query;
use crate::state::ApiState;

/// How long somebody stays signed in.
const LASTS: Duration = Duration::from_hours(24);
/// The cookie over TLS, which plain HTTP can neither read nor set: browsers heed what the name begins with.
const OVER_TLS: &str = "__Secure-docmill";
/// The same without.
const PLAIN: &str = "docmill";
/// Longest secret that is looked at.
const MAX_SECRET: usize = 200;
/// Longest address to go on to.
const MAX_NEXT: usize = 2_000;

/// The secret of the session, if there is one and one only: which of two was set by somebody else is not to be told.
pub fn cookie(headers: &HeaderMap) -> Option<String> {
    let pairs: Vec<(&str, &str)> = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .collect();
    let name = [OVER_TLS, PLAIN]
        .into_iter()
        .find(|name| pairs.iter().any(|(n, _)| n == name))?;
    let mut found = pairs
        .iter()
        .filter(|(n, _)| *n == name)
        .map(|(_, secret)| *secret);
    let secret = found.next().filter(|_| found.next().is_none())?;
    let fits = (1..=MAX_SECRET).contains(&secret.len()) && secret.bytes().all(|b| b.is_ascii_graphic());
    fits.then(|| secret.to_owned())
}

/// The form.
pub async fn ask(mut query: Query) -> Result<Response, Problem> {
    let next = query.take("next")?;
    query.finish()?;
    Ok(asking(next.as_deref(), None).into_response())
}

fn asking(next: Option<&str>, wrong: Option<&str>) -> Html<String> {
    let next = next.and_then(own_address);
    let page = layout::alone(
        words::SIGN_IN,
        html! {
            p.lead { (words::WHAT_DOCMILL_IS) }
            @if let Some(wrong) = wrong {
                p.notice.bad role="alert" id="wrong" { strong { "Not signed in. " } (wrong) }
            }
            form.card.stack method="post" action="/console/sign-in" {
                @if let Some(next) = next { input type="hidden" name="next" value=(next); }
                div.field {
                    label for="key" { "Key" }
                    input id="key" name="key" type="password" autocomplete="current-password" required autofocus
                        maxlength=(MAX_SECRET) spellcheck="false" autocapitalize="none" placeholder="dm_…"
                        aria-describedby=(if wrong.is_some() { "wrong where" } else { "where" });
                    p.hint id="where" { (prose(words::WHERE_A_KEY_IS)) }
                }
                button.primary type="submit" { (words::SIGN_IN) }
            }
            p.hint { (words::HOW_LONG) }
        },
    );
    Html(page.into_string())
}

/// Signs in.
pub async fn begin(
    State(state): State<ApiState>,
    Extension(context): Extension<Context>,
    request: Request,
) -> Result<Response, Problem> {
    let (headers, secure) = (request.headers().clone(), over_tls(request.headers()));
    let mut form = Form::unsigned(&state, request).await?;
    let given = form.take("key")?.unwrap_or_default();
    let next = form.take("next")?;
    form.finish()?;
    let wrong = |problem: Problem| {
        let mut page = asking(next.as_deref(), Some(&problem.failure.message)).into_response();
        *page.status_mut() = crate::problem::status(problem.failure.code);
        page.extensions_mut().insert(Answered);
        page.extensions_mut().insert(std::sync::Arc::new(problem));
        page
    };
    let caller = match caller::of_secret(&state, &context, given.trim()).await {
        Ok(caller) => caller,
        Err(problem) if problem.failure.code == Code::Unauthenticated => return Ok(wrong(problem)),
        Err(problem) => return Err(problem),
    };
    let who = caller.who();
    let (Some(key), None, None) = (who.key, who.session, who.console) else {
        let problem = Problem::new(Code::Forbidden, words::A_SESSION_BEGINS_NO_OTHER);
        return Ok(wrong(problem));
    };
    let (id, secret, detail) = match who.user.clone() {
        Some((user, _)) => {
            let agent = headers.get(header::USER_AGENT);
            let new = NewSession {
                user,
                key,
                client_ip: context.client_ip(),
                user_agent: agent.and_then(|value| value.to_str().ok()),
                lasts: LASTS,
            };
            let made = state.store().create_session(caller.tenant(), &new).await;
            let (id, secret, _) = made.map_err(|e| e.failure())?;
            (id.to_string(), secret, json!({ "user": user, "console": true }))
        }
        None => {
            let made = state
                .store()
                .create_console_key(caller.tenant(), key, LASTS)
                .await;
            let (id, secret, _) = made.map_err(|e| e.failure())?;
            (id.to_string(), secret, json!({ "console": true }))
        }
    };
    caller.note(&state, "session.begin", &id, detail).await;
    // Whatever session the browser had before is left behind, and ended.
    if let Some(before) = cookie(&headers)
        && let Ok(before) = caller::of_secret(&state, &context, &before).await
    {
        over(&state, &before).await?;
    }
    let mut answer = layout::see_other(next.as_deref().and_then(own_address).unwrap_or("/console"));
    kept(answer.headers_mut(), secure, &secret);
    Ok(answer)
}

/// Signs out: the session ends here, not only in the browser.
pub async fn end(
    State(state): State<ApiState>,
    caller: Caller,
    token: Token,
    request: Request,
) -> Result<Response, Problem> {
    Form::read(&state, &token, request).await?.finish()?;
    over(&state, &caller).await?;
    let mut answer = layout::see_other("/console/sign-in");
    forgotten(answer.headers_mut());
    Ok(answer)
}

/// Ends the session that the caller came with.
async fn over(state: &ApiState, caller: &Caller) -> Result<(), Problem> {
    let (tenant, who, store) = (caller.tenant(), caller.who(), state.store());
    let ended = match (who.session, who.console) {
        (Some(session), _) => {
            let user = who.user.as_ref().map(|(id, _)| *id);
            let ended = store.revoke_session(tenant, session, user).await;
            ended.map(|ended| ended.then(|| session.to_string()))
        }
        (None, Some(session)) => {
            let ended = store.revoke_key(tenant, session).await;
            ended.map(|ended| ended.then(|| session.to_string()))
        }
        // A key that somebody put into the cookie is no session, and goes on.
        (None, None) => Ok(None),
    };
    if let Some(id) = ended.map_err(|e| e.failure())? {
        state.doubt_callers_of(tenant);
        caller
            .note(state, "session.end", &id, json!({ "console": true }))
            .await;
    }
    Ok(())
}

/// To the form, and back to where the visitor wanted to go.
pub fn asked_to_sign_in(asked: Option<&Uri>, token: &Token) -> Response {
    let next = asked
        .and_then(Uri::path_and_query)
        .and_then(|address| own_address(address.as_str()))
        .filter(|address| *address != "/console");
    let mut answer = match next {
        Some(next) => {
            let next: String = form_urlencoded::byte_serialize(next.as_bytes()).collect();
            layout::see_other(&format!("/console/sign-in?next={next}"))
        }
        None => layout::see_other("/console/sign-in"),
    };
    // A cookie that names nobody any more.
    if !token.as_str().is_empty() {
        forgotten(answer.headers_mut());
    }
    answer
}

/// An address of this console: nobody is sent anywhere else after signing in.
fn own_address(address: &str) -> Option<&str> {
    let plain = address.len() <= MAX_NEXT
        && address.bytes().all(|b| b.is_ascii_graphic() && b != b'\\')
        && !address.contains("//");
    let own = address == "/console" || address.starts_with("/console/") || address.starts_with("/console?");
    (plain && own && !address.starts_with("/console/sign-")).then_some(address)
}

/// Whether the browser speaks TLS, to this host or to a proxy before it. Who lies about it harms nobody but himself.
fn over_tls(headers: &HeaderMap) -> bool {
    let says = |name: &str, beginning: &str| {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        value.is_some_and(|value| value.starts_with(beginning))
    };
    says("origin", "https://") || says("x-forwarded-proto", "https")
}

/// `Lax`, not `Strict`: a link to a run in a letter or a chat would otherwise lead to the form of who is signed in; a GET
/// changes nothing, and a form that does is looked at beside its cookie.
fn kept(headers: &mut HeaderMap, secure: bool, secret: &Secret) {
    let (name, more) = if secure {
        (OVER_TLS, "; Secure")
    } else {
        (PLAIN, "")
    };
    let seconds = LASTS.as_secs();
    let text = format!(
        "{name}={}; Path=/console; Max-Age={seconds}; HttpOnly; SameSite=Lax{more}",
        secret.expose()
    );
    if let Ok(mut value) = HeaderValue::from_str(&text) {
        value.set_sensitive(true);
        headers.append(header::SET_COOKIE, value);
    }
}

fn forgotten(headers: &mut HeaderMap) {
    for text in [
        "__Secure-docmill=; Path=/console; Max-Age=0; HttpOnly; SameSite=Lax; Secure",
        "docmill=; Path=/console; Max-Age=0; HttpOnly; SameSite=Lax",
    ] {
        headers.append(header::SET_COOKIE, HeaderValue::from_static(text));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(values: &[&'static str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::COOKIE, HeaderValue::from_static(value));
        }
        cookie(&headers)
    }

    #[test]
    fn a_cookie_counts_if_there_is_one_only() {
        assert_eq!(with(&["a=b; docmill=dms_1; c=d"]).as_deref(), Some("dms_1"));
        assert_eq!(
            with(&["docmill=dms_1; __Secure-docmill=dms_2"]).as_deref(),
            Some("dms_2")
        );
        for bad in [
            &["docmill=dms_1; docmill=dms_2"][..],
            &["docmill=dms_1", "docmill=dms_1"],
            &["docmill="],
            &["docmill=a b"],
            &["xdocmill=dms_1"],
            &[],
        ] {
            assert_eq!(with(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn nobody_is_sent_elsewhere() {
        for own in ["/console", "/console/runs?status=failed", "/console/runs/run_1"] {
            assert_eq!(own_address(own), Some(own));
        }
        for other in [
            "https://evil.example/console",
            "//evil.example/console",
            "/console//evil.example",
            "/console\\evil",
            "/consoles",
            "/v1/runs",
            "/console/sign-out",
            "/console/a b",
            "/console/\r\nSet-Cookie: x",
            "javascript:alert(1)",
            "",
        ] {
            assert_eq!(own_address(other), None, "{other}");
        }
    }
}
