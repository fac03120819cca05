//! Uploading a version in the browser.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use maud::{Markup, html};

use super::{sheet, version_address};
use crate::console::door::{Token, Visitor};
use crate::console::form::signed;
use crate::console::layout::{Section, see_other};
use crate::console::shown::{failure, prose};
use crate::console::words;
use crate::permission::WritePlugins;
use crate::plugins::publish::admitted;
use crate::plugins::upload::read_signed;
use crate::probes::Answered;
use crate::problem::Problem;
use crate::state::ApiState;

/// The form.
pub(super) fn form(token: &Token) -> Markup {
    html! {
        section aria-labelledby="upload" {
            h2 id="upload" { "Upload a version" }
            form.card.stack method="post" action="/console/plugins" enctype="multipart/form-data" {
                (signed(token))
                div.field {
                    label for="component" { "Component" }
                    input id="component" name="component" type="file" required accept=".wasm,application/wasm" aria-describedby="component-hint";
                    p.hint id="component-hint" { (prose(words::UPLOADING)) }
                }
                div.field {
                    label for="signature" { "Signature (may be left out)" }
                    input id="signature" name="signature" type="file" accept=".sig" aria-describedby="signature-hint";
                    p.hint id="signature-hint" { (prose(words::SIGNING)) }
                }
                div.field {
                    label for="bundle" { "Sigstore bundle (may be left out)" }
                    input id="bundle" name="bundle" type="file" accept=".json,application/json" aria-describedby="bundle-hint";
                    p.hint id="bundle-hint" { (prose(words::BUNDLING)) }
                }
                div.field {
                    label for="sbom" { "SBOM (CycloneDX or SPDX in JSON; may be left out)" }
                    input id="sbom" name="sbom" type="file" accept=".json,application/json";
                }
                div.field {
                    label for="provenance" { "Provenance (in-toto; may be left out)" }
                    input id="provenance" name="provenance" type="file" accept=".json,.jsonl,application/json";
                }
                div.field {
                    label for="sample" { "Golden samples (may be left out)" }
                    input id="sample" name="sample" type="file" multiple accept=".json,application/json";
                }
                div.field {
                    label for="file" { "Documents that the samples name" }
                    input id="file" name="file" type="file" multiple;
                }
                label.tick { input type="checkbox" name="hold" value="1"; " Admit it only; it is published later" }
                p { button.primary type="submit" { "Upload" } }
            }
        }
    }
}

/// Admits a version, and shows it; what is refused is shown with the report.
pub async fn upload(
    State(state): State<ApiState>,
    visitor: Visitor<WritePlugins>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let uploaded = read_signed(&state, &parts.headers, body, visitor.token()).await?;
    match admitted(&state, visitor.caller(), None, uploaded).await {
        Ok(publication) => {
            let plugin = &publication.plugin;
            Ok(see_other(&version_address(&plugin.name, &plugin.version)))
        }
        Err(problem) => {
            let Some(report) = &problem.report else {
                return Err(problem);
            };
            let body = html! {
                (failure(&problem.failure))
                section { h2 { "What was found" } (sheet::report(Some(report))) }
                p { a.button href="/console/plugins" { "Back to the plugins" } }
            };
            let mut page = visitor.page(Section::Plugins, "The version was refused", body);
            *page.status_mut() = crate::problem::status(problem.failure.code);
            page.extensions_mut().insert(Arc::new(problem));
            page.extensions_mut().insert(Answered);
            Ok(page)
        }
    }
}
