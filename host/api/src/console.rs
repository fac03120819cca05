//! The console: what people look at in a browser. Pages are written on the server and need no script; each asks the store what
//! the API's own handlers ask, for the same caller, with the same permissions.
//!
//! - [`door`]: every request comes through it: from the cookie to the caller, where a form may come from, the headers, and
//!   problems as pages.
//! - [`session`]: signing in and out. [`form`]: small forms, with the token that only this session's own pages have.
//! - [`layout`], [`shown`], [`words`]: what all pages share.
//! - the others: a page, or the pages of a noun, each.

mod audit;
mod documents;
mod door;
mod form;
mod keys;
mod layout;
mod marks;
mod picture;
mod pipelines;
mod plugins;
mod run;
mod runs;
mod session;
mod shown;
mod upload;
mod usage;
mod words;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, get, post};
use docmill_model::access::Scope;

use crate::state::ApiState;

pub(crate) use door::Token;
pub(crate) use form::TOKEN;

/// What a request for a page asks of the visitor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Nothing: it shows nothing of anybody.
    Nothing,
    /// To be signed in.
    Session,
    /// To be signed in, and to have the scope.
    Scope(Scope),
}

struct Page {
    method: &'static str,
    path: &'static str,
    needs: Needs,
    handler: MethodRouter<ApiState>,
}

/// Every page, on one page. They are no operations of the API and not in the OpenAPI document; a test in `tests/it` calls each
/// with and without what stands here.
fn pages() -> Vec<Page> {
    use Needs::{Nothing, Session};
    let page = |method, path, needs, handler| Page {
        method,
        path,
        needs,
        handler,
    };
    let get_page = |path, needs, handler| page("GET", path, needs, handler);
    let post_page = |path, needs, handler| page("POST", path, needs, handler);
    let scope = Needs::Scope;
    vec![
        get_page("/console", Session, get(layout::home)),
        get_page("/console/sign-in", Nothing, get(session::ask)),
        post_page("/console/sign-in", Nothing, post(session::begin)),
        post_page("/console/sign-out", Session, post(session::end)),
        get_page("/console/style.css", Nothing, get(layout::style)),
        get_page("/console/icon.svg", Nothing, get(layout::icon)),
        get_page(
            "/console/pipelines",
            scope(Scope::PipelinesRead),
            get(pipelines::list),
        ),
        get_page(
            "/console/pipelines/{name}",
            scope(Scope::PipelinesRead),
            get(pipelines::show),
        ),
        get_page(
            "/console/pipelines/{name}/run",
            scope(Scope::RunsInvoke),
            get(upload::ask),
        ),
        post_page(
            "/console/pipelines/{name}/runs",
            scope(Scope::RunsInvoke),
            post(upload::run),
        ),
        get_page("/console/runs", scope(Scope::RunsRead), get(runs::list)),
        get_page("/console/runs/{id}", scope(Scope::RunsRead), get(run::show)),
        get_page(
            "/console/runs/{id}/artifacts/{artifact}",
            scope(Scope::RunsRead),
            get(crate::runs::artifact),
        ),
        get_page(
            "/console/documents",
            scope(Scope::DocumentsRead),
            get(documents::list),
        ),
        get_page(
            "/console/documents/{id}",
            scope(Scope::DocumentsRead),
            get(documents::show),
        ),
        get_page(
            "/console/documents/{id}/source",
            scope(Scope::DocumentsRead),
            get(crate::documents::source),
        ),
        get_page("/console/plugins", scope(Scope::PluginsRead), get(plugins::list)),
        post_page(
            "/console/plugins",
            scope(Scope::PluginsWrite),
            post(plugins::upload),
        ),
        get_page(
            "/console/plugins/{namespace}/{name}",
            scope(Scope::PluginsRead),
            get(plugins::show),
        ),
        post_page(
            "/console/plugins/{namespace}/{name}/channels",
            scope(Scope::PluginsWrite),
            post(plugins::channel),
        ),
        get_page(
            "/console/plugins/{namespace}/{name}/versions/{version}",
            scope(Scope::PluginsRead),
            get(plugins::version),
        ),
        get_page(
            "/console/plugins/{namespace}/{name}/versions/{version}/{file}",
            scope(Scope::PluginsRead),
            get(crate::plugins::versions::file),
        ),
        post_page(
            "/console/plugins/{namespace}/{name}/versions/{version}/state",
            scope(Scope::PluginsWrite),
            post(plugins::state),
        ),
        get_page("/console/usage", scope(Scope::UsageRead), get(usage::show)),
        get_page("/console/keys", scope(Scope::KeysRead), get(keys::list)),
        post_page("/console/keys", scope(Scope::KeysWrite), post(keys::create)),
        get_page(
            "/console/keys/{id}/revoke",
            scope(Scope::KeysWrite),
            get(keys::confirm),
        ),
        post_page(
            "/console/keys/{id}/revoke",
            scope(Scope::KeysWrite),
            post(keys::revoke),
        ),
        get_page("/console/audit", scope(Scope::AuditRead), get(audit::list)),
        get_page(
            "/console/audit/verify",
            scope(Scope::AuditRead),
            get(audit::verify),
        ),
        get_page("/console/{*rest}", Nothing, get(layout::nowhere)),
    ]
}

/// Method, path and need of every page.
pub fn routes() -> Vec<(&'static str, &'static str, Needs)> {
    let pages = pages().into_iter();
    pages.map(|page| (page.method, page.path, page.needs)).collect()
}

/// The pages behind their door.
pub fn router(state: &ApiState) -> Router<ApiState> {
    let routed = |router: Router<ApiState>, page: Page| router.route(page.path, page.handler);
    let router = pages().into_iter().fold(Router::new(), routed);
    router.layer(from_fn_with_state(state.clone(), door::door))
}
