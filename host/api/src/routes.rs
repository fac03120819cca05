//! Every route, on one page. The OpenAPI document is made from these lines.

use std::sync::LazyLock;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use docmill_model::failure::Code;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{InfoBuilder, OpenApi, OpenApiBuilder};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::observe::observe;
use crate::problem::Problem;
use crate::state::ApiState;
use crate::{
    audit, console, documents, grants, keys, me, models, pages, pipelines, plugins, presets, probes, queue,
    quotas, runs, secrets, sessions, signing, tenant, usage, users, values,
};

fn all() -> OpenApiRouter<ApiState> {
    OpenApiRouter::with_openapi(head())
        // Run a pipeline; find what was run.
        .routes(routes!(runs::invoke))
        .routes(routes!(runs::list))
        .routes(routes!(runs::show))
        .routes(routes!(runs::artifact))
        .routes(routes!(runs::later::cancel))
        .routes(routes!(runs::later::redrive))
        .routes(routes!(queue::show))
        .routes(routes!(queue::pause))
        .routes(routes!(queue::resume))
        // What the tenant keeps.
        .routes(routes!(documents::list))
        .routes(routes!(documents::show, documents::change))
        .routes(routes!(documents::source))
        // What is run.
        .routes(routes!(pipelines::list))
        .routes(routes!(pipelines::show, pipelines::save))
        .routes(routes!(pipelines::versions))
        .routes(routes!(queue::pause_pipeline))
        .routes(routes!(queue::resume_pipeline))
        .routes(routes!(pipelines::validate))
        .routes(routes!(presets::list))
        .routes(routes!(presets::show, presets::save, presets::change))
        .routes(routes!(presets::versions))
        // What pipelines are made of.
        .routes(routes!(plugins::list))
        .routes(routes!(plugins::show))
        .routes(routes!(plugins::publish::publish, plugins::versions::change))
        .routes(routes!(plugins::versions::report))
        .routes(routes!(plugins::versions::file))
        .routes(routes!(plugins::channels::list))
        .routes(routes!(plugins::channels::set, plugins::channels::close))
        .routes(routes!(plugins::publish::check))
        .routes(routes!(grants::list))
        .routes(routes!(grants::grant, grants::withdraw))
        .routes(routes!(values::show, values::clear))
        .routes(routes!(models::list))
        .routes(routes!(models::show, models::set, models::remove))
        .routes(routes!(secrets::list))
        .routes(routes!(secrets::put, secrets::remove))
        .routes(routes!(signing::list, signing::create))
        .routes(routes!(signing::revoke))
        .routes(routes!(signing::identities::list, signing::identities::create))
        .routes(routes!(signing::identities::revoke))
        // Who may.
        .routes(routes!(keys::list, keys::create))
        .routes(routes!(keys::revoke))
        .routes(routes!(keys::rotate))
        .routes(routes!(users::list, users::create))
        .routes(routes!(users::show, users::change, users::remove))
        .routes(routes!(sessions::list, sessions::create))
        .routes(routes!(sessions::revoke))
        .routes(routes!(me::show, me::change))
        .routes(routes!(tenant::show, tenant::change))
        .routes(routes!(quotas::show))
        // Who did what.
        .routes(routes!(audit::list))
        .routes(routes!(audit::verify))
        // What it came to.
        .routes(routes!(usage::show))
        // For operators, and for people who look around. No key is needed.
        .routes(routes!(probes::healthz))
        .routes(routes!(probes::readyz))
        .routes(routes!(probes::metrics))
        .routes(routes!(pages::landing))
        .routes(routes!(pages::errors))
        .routes(routes!(pages::error))
        .routes(routes!(pages::openapi))
}

/// The whole HTTP side.
pub fn router(state: ApiState) -> Router {
    let (router, _) = all().split_for_parts();
    router
        // For people, in a browser: pages are no operations and have a list of their own.
        .merge(console::router(&state))
        .fallback(|| async { Problem::new(Code::NotFound, "there is no such path; GET / lists the routes") })
        .layer(from_fn_with_state(state.clone(), of_the_role))
        .layer(from_fn_with_state(state.clone(), observe))
        .with_state(state)
}

/// A host that only works on queued runs answers probes alone.
async fn of_the_role(State(state): State<ApiState>, request: Request, next: Next) -> Response {
    const PROBES: [&str; 3] = ["/healthz", "/readyz", "/metrics"];
    if state.settings().serves || PROBES.contains(&request.uri().path()) {
        return next.run(request).await;
    }
    let said = "this host works on queued runs and answers no requests (setting: roles); ask another one";
    Problem::new(Code::NotFound, said).into_response()
}

static DESCRIBED: LazyLock<OpenApi> = LazyLock::new(|| {
    let (_, mut described) = all().split_for_parts();
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("An API key (dm_…) or a session (dms_…)"))
        .build();
    described
        .components
        .get_or_insert_default()
        .add_security_scheme("key", SecurityScheme::Http(bearer));
    for (path, item) in &mut described.paths.paths {
        if path.starts_with("/v1/") && path != "/v1/openapi.json" || path.contains(':') {
            let operations = [
                &mut item.get,
                &mut item.put,
                &mut item.post,
                &mut item.patch,
                &mut item.delete,
            ];
            for operation in operations.into_iter().flatten() {
                // Those that stand already name a scope.
                operation
                    .security
                    .get_or_insert_with(|| vec![SecurityRequirement::new::<_, _, String>("key", [])]);
            }
        }
    }
    described
});

fn head() -> OpenApi {
    let info = InfoBuilder::new()
        .title("docmill")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "Runs document pipelines made of sandboxed plugins. Errors are problems (RFC 9457) with stable codes; \
             `GET /errors` lists them.",
        ));
    OpenApiBuilder::new().info(info.build()).build()
}

/// The OpenAPI document, as JSON.
pub fn openapi() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| DESCRIBED.to_pretty_json().unwrap_or_default());
    &TEXT
}

/// Method, path and what it does, by path.
pub fn summary() -> Vec<(&'static str, &'static str, &'static str)> {
    let paths = DESCRIBED.paths.paths.iter();
    paths
        .flat_map(|(path, item)| {
            let operations = [
                ("GET", &item.get),
                ("PUT", &item.put),
                ("POST", &item.post),
                ("PATCH", &item.patch),
                ("DELETE", &item.delete),
            ];
            operations.into_iter().filter_map(move |(method, operation)| {
                let said = operation.as_ref()?.summary.as_deref().unwrap_or_default();
                Some((method, path.as_str(), said.trim_end_matches('.')))
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_is_described() {
        let summary = summary();
        for (method, path) in [
            ("POST", "/v1/pipelines/{name}/runs"),
            ("PUT", "/v1/pipelines/{name}"),
            ("POST", "/v1/pipelines:validate"),
            ("PUT", "/v1/plugins/{namespace}/{name}/versions/{version}"),
            ("DELETE", "/v1/keys/{id}"),
            ("PATCH", "/v1/tenant"),
            ("GET", "/v1/usage"),
            ("GET", "/healthz"),
        ] {
            assert!(
                summary.iter().any(|(m, p, _)| (*m, *p) == (method, path)),
                "{method} {path}"
            );
        }
        assert!(summary.iter().all(|(_, _, said)| !said.is_empty()), "{summary:?}");
        let document: serde_json::Value = serde_json::from_str(openapi()).unwrap();
        let post = &document["paths"]["/v1/pipelines/{name}/runs"]["post"];
        assert!(
            post["responses"]["200"].is_object() && post["security"].is_array(),
            "{post}"
        );
        for path in [
            "/v1/plugins",
            "/v1/pipelines",
            "/v1/keys",
            "/v1/runs",
            "/v1/documents",
            "/v1/audit",
        ] {
            let list = &document["paths"][path]["get"]["parameters"];
            let names = list.as_array().into_iter().flatten().map(|p| &p["name"]);
            let paged = names.filter(|name| *name == "limit" || *name == "cursor");
            assert_eq!(paged.count(), 2, "{path}");
        }
        assert!(document["paths"]["/v1/tenant"]["patch"]["security"].is_array());
        assert!(document["components"]["schemas"]["ProblemBody"]["properties"]["type"].is_object());
    }
}
