//! Keys: the list, a new one, the end of one.

use axum::extract::{Path, Request, State};
use axum::response::Response;
use docmill_model::access::{Clearance, Role, Scope};
use docmill_model::id::KeyId;
use docmill_runs::now;
use docmill_store::who::KeyRow;
use maud::{Markup, html};

use super::door::Visitor;
use super::form::{Form, signed};
use super::layout::{Section, see_other};
use super::shown::{cut, further, input, select, time, time_or};
use super::words;
use crate::answer::{id_of, limit};
use crate::keys::{NewKey, ended, made};
use crate::permission::{ReadKeys, WriteKeys};
use crate::problem::Problem;
use crate::query::Query;
use crate::state::ApiState;

/// The keys, without their secrets.
pub async fn list(
    State(state): State<ApiState>,
    visitor: Visitor<ReadKeys>,
    mut query: Query,
) -> Result<Response, Problem> {
    let limit = limit(&mut query)?;
    let cursor: Option<KeyId> = query.parsed("cursor", "the `next` of the page before")?;
    query.finish()?;
    let page = state
        .store()
        .list_keys(visitor.tenant(), cursor, limit)
        .await
        .map_err(|e| e.failure())?;
    let next = page.next.map(|id| id.to_string());
    let may_write = visitor.may(Scope::KeysWrite);
    let body = html! {
        ul.rows {
            @for key in &page.items { (row(key, &visitor, may_write)) }
        }
        (further(next.as_deref(), "/console/keys", ""))
        @if may_write { (asked(&visitor)) }
    };
    Ok(visitor.page(Section::Keys, "Keys", body))
}

fn row(key: &KeyRow, visitor: &Visitor<ReadKeys>, may_write: bool) -> Markup {
    let zone = visitor.zone();
    let own = visitor.who().key == Some(key.id);
    let over = key.revoked_at.is_some() || key.expires_at.is_some_and(|end| end <= now());
    let session = key.name.starts_with("console:");
    html! {
        li.row.over[over] {
            div.what {
                span.title { @if session { "Session of the console" } @else { (cut(&key.name, 100)) } @if own { " " span.badge { "yours" } } }
                span.facts {
                    span { code { (key.prefix) "…" } } span { (key.role) @if key.scopes.is_some() { ", narrowed" } } span { "cleared for " (key.clearance) }
                    @if key.user.is_some() { span { "a person's" } }
                }
                @if let Some(scopes) = key.known_scopes() { span.facts { @for scope in scopes.iter() { span { code { (scope) } } } } }
                span.id { (key.id) }
            }
            div.state {
                @if let Some(at) = key.revoked_at { span.badge { "✕ revoked" } " " (time(at, zone)) }
                @else if over { span.badge { "expired" } }
                @else {
                    span.badge.good { "✓ works" }
                    @if let Some(end) = key.expires_at { " " span.dim { "until " } (time(end, zone)) }
                    @if may_write { " " a.button.quiet href=(format!("/console/keys/{}/revoke", key.id)) aria-label=(format!("Revoke {}", key.name)) { "Revoke…" } }
                }
            }
            div.when { span.dim { "made " } (time(key.created_at, zone)) span.dim { "last used " } (time_or(key.last_used_at, zone, "never")) }
        }
    }
}

fn asked<P>(visitor: &Visitor<P>) -> Markup {
    let who = visitor.who();
    let roles = Role::ALL.iter().filter(|role| who.scopes.covers(role.scopes()));
    let roles: Vec<(&str, &str)> = [("", "like your own")]
        .into_iter()
        .chain(roles.map(|role| (role.as_str(), role.as_str())))
        .collect();
    let clearances = Clearance::ALL.iter().filter(|one| who.clearance.sees(**one));
    let clearances: Vec<(&str, &str)> = [("", "like your own")]
        .into_iter()
        .chain(clearances.map(|one| (one.as_str(), one.as_str())))
        .collect();
    html! {
        section aria-labelledby="new" {
            h2 id="new" { "A new key" }
            form.card.stack method="post" action="/console/keys" {
                (signed(visitor.token()))
                div.field {
                    label for="name" { "Name" }
                    input id="name" name="name" type="text" required maxlength="100" autocomplete="off" aria-describedby="name-hint";
                    p.hint id="name-hint" { "What will use it: a program, a machine, a person." }
                }
                (select("role", "Role", None, &roles))
                (select("clearance", "Cleared for", None, &clearances))
                (input("expires_at", "Stops working on (may be left out)", "date", None))
                details {
                    summary { "Fewer scopes than the role has" }
                    fieldset {
                        legend { "Only these" }
                        @for scope in Scope::ALL {
                            @if who.scopes.has(*scope) { label.tick { input type="checkbox" name=(format!("scope.{scope}")) value="1"; " " code { (scope) } } }
                        }
                    }
                }
                p { button.primary type="submit" { "Make the key" } }
            }
        }
    }
}

/// Makes a key, and shows it this once.
pub async fn create(
    State(state): State<ApiState>,
    visitor: Visitor<WriteKeys>,
    request: Request,
) -> Result<Response, Problem> {
    let mut form = Form::read(&state, visitor.token(), request).await?;
    let scopes = form
        .prefixed("scope.")
        .iter()
        .map(|scope| word(scope))
        .collect::<Result<Vec<Scope>, _>>()?;
    let new = NewKey {
        name: form.take("name")?.unwrap_or_default(),
        role: form.take("role")?.as_deref().map(word).transpose()?,
        scopes: Some(scopes).filter(|scopes| !scopes.is_empty()),
        clearance: form.take("clearance")?.as_deref().map(word).transpose()?,
        user: None,
        expires_at: form.take("expires_at")?,
    };
    form.finish()?;
    let (id, secret) = made(&state, visitor.caller(), &new).await?;
    let body = html! {
        section.card {
            p.lead { (words::SHOWN_ONCE) }
            p { label for="secret" { "Key " strong { (cut(&new.name, 100)) } } }
            input.secret id="secret" type="text" readonly value=(secret.expose()) autocomplete="off" spellcheck="false";
            p.id { (id) }
        }
        p { a.button href="/console/keys" { "I have it" } }
    };
    Ok(visitor.page(Section::Keys, "The new key", body))
}

fn word<T: std::str::FromStr>(text: &str) -> Result<T, Problem>
where
    T::Err: std::fmt::Display,
{
    text.parse()
        .map_err(|error: T::Err| Problem::malformed(error.to_string()))
}

/// Asks whether it is meant.
pub async fn confirm(
    State(state): State<ApiState>,
    visitor: Visitor<WriteKeys>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let key = state
        .store()
        .get_key(visitor.tenant(), id_of(&id)?)
        .await
        .map_err(|e| e.failure())?;
    let body = html! {
        section.card {
            p.lead { "Revoke " strong { (cut(&key.name, 100)) } " (" code { (key.prefix) "…" } ")?" }
            p { (words::REVOKING) }
            @if visitor.who().key == Some(key.id) { p.notice.bad { "You are signed in with this key: you will be signed out." } }
            form.inline method="post" action=(format!("/console/keys/{}/revoke", key.id)) {
                (signed(visitor.token()))
                button.danger type="submit" { "Revoke the key" }
                " " a.button href="/console/keys" { "Keep it" }
            }
        }
    };
    Ok(visitor.page(Section::Keys, "Revoke a key", body))
}

/// Ends it.
pub async fn revoke(
    State(state): State<ApiState>,
    visitor: Visitor<WriteKeys>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    Form::read(&state, visitor.token(), request).await?.finish()?;
    ended(&state, visitor.caller(), id_of(&id)?).await?;
    Ok(see_other("/console/keys"))
}
