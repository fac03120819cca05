//! What a plugin may do, and what its admission found, as tables.

use std::collections::BTreeSet;

use docmill_model::attachment::Attachment;
use docmill_model::grant::Capability;
use docmill_store::grant::GrantRow;
use docmill_store::plugin::PluginRow;
use maud::{Markup, html};
use serde_json::Value as Json;

use crate::console::shown::{cut, prose, size, time};
use crate::console::words;

/// Lines and imports that are shown, each.
const MAX_ROWS: usize = 200;
/// Longest line of a report, in characters.
const MAX_DETAIL: usize = 2_000;

/// What the latest version asks for of what has to be granted, and what was granted to the plugin.
pub(super) fn permissions(row: &PluginRow, grants: &[GrantRow], zone: &str) -> Markup {
    let latest = row.versions.iter().find(|v| v.version == row.latest);
    let needs: BTreeSet<Capability> = latest
        .into_iter()
        .flat_map(|version| interfaces(&version.inspection))
        .filter_map(|(interface, _)| Capability::of_import(interface))
        .collect();
    let needless = grants.iter().filter(|grant| !needs.contains(&grant.capability()));
    html! {
        @if needs.is_empty() && grants.is_empty() { p.hint { (words::NO_PERMISSIONS) } }
        @else {
            div.scroll tabindex="0" {
                table {
                    thead { tr { th scope="col" { "Capability" } th scope="col" { "State" } th scope="col" { "Within" } th scope="col" { "By" } } }
                    tbody {
                        @for capability in &needs {
                            @match grants.iter().find(|grant| grant.capability() == *capability) {
                                Some(grant) => { (granted(grant, "granted", zone)) },
                                None => { tr { th scope="row" { code { (capability) } } td { span.badge.bad { span aria-hidden="true" { "✕" } " not granted" } } td { (prose(words::HOW_TO_GRANT)) } td {} } },
                            }
                        }
                        @for grant in needless { (granted(grant, "granted, not asked for", zone)) }
                    }
                }
            }
        }
    }
}

fn granted(grant: &GrantRow, said: &str, zone: &str) -> Markup {
    html! {
        tr {
            th scope="row" { code { (grant.capability()) } }
            td { span.badge.good { span aria-hidden="true" { "✓" } " " (said) } }
            td { (cut(&grant.bounds.to_string(), MAX_DETAIL)) }
            td { (cut(&grant.granted_by, 100)) ", " (time(grant.granted_at, zone)) }
        }
    }
}

/// What admission found; none: the version is older than reports.
pub(super) fn report(report: Option<&Json>) -> Markup {
    let lines = report
        .and_then(|report| report.get("lines"))
        .and_then(Json::as_array);
    let Some(lines) = lines else {
        return html! { p.hint { (words::NO_REPORT) } };
    };
    let text = |line: &Json, member: &str| {
        let found = line.get(member).and_then(Json::as_str);
        cut(found.unwrap_or_default(), MAX_DETAIL)
    };
    html! {
        div.scroll tabindex="0" {
            table {
                thead { tr { th scope="col" { "Rule" } th scope="col" { "Holds" } th scope="col" { "What was found" } } }
                tbody {
                    @for line in lines.iter().take(MAX_ROWS) {
                        @let holds = line.get("pass").and_then(Json::as_bool) == Some(true);
                        tr {
                            th scope="row" { (text(line, "check")) }
                            td {
                                @if holds { span.badge.good { span aria-hidden="true" { "✓" } " holds" } }
                                @else { span.badge.bad { span aria-hidden="true" { "✕" } " does not" } }
                            }
                            td.long { (text(line, "detail")) }
                        }
                    }
                }
            }
        }
    }
}

/// What came with a version beside its component. `address`: where the version is shown.
pub(super) fn attachments(attachments: &[&Attachment], address: &str) -> Markup {
    html! {
        @if attachments.is_empty() { p.hint { (words::NO_ATTACHMENTS) } }
        @else {
            div.scroll tabindex="0" {
                table {
                    thead { tr { th scope="col" { "File" } th scope="col" { "For" } th scope="col" { "Format" } th scope="col" { "Size" } th scope="col" { "Digest" } } }
                    tbody {
                        @for attachment in attachments {
                            tr {
                                th scope="row" { a href={ (address) "/" (attachment.digest) } download { (cut(&attachment.name, 200)) } }
                                td { (attachment.kind) }
                                td { (cut(attachment.format.as_deref().unwrap_or(&attachment.media_type), 200)) }
                                td { (size(attachment.size)) }
                                td { code { (attachment.digest.short()) } }
                            }
                        }
                    }
                }
            }
            p.hint { (words::ATTACHMENTS) }
        }
    }
}

/// What a version imports, and what for.
pub(super) fn imports(inspection: &Json) -> Markup {
    let all: Vec<(&str, &str)> = interfaces(inspection).collect();
    html! {
        @if all.is_empty() { p.hint { "Nothing." } }
        ul.plain {
            @for (interface, purpose) in all.iter().take(MAX_ROWS) {
                li {
                    code { (cut(interface, 200)) } " "
                    span.dim { (match *purpose {
                        "contract" => "docmill's own",
                        "wasi" => "linked by its toolchain; leads nowhere",
                        "capability" => "has to be granted",
                        other => other,
                    }) }
                }
            }
        }
    }
}

/// Interfaces and what they are for.
fn interfaces(inspection: &Json) -> impl Iterator<Item = (&str, &str)> {
    let imports = inspection.get("imports").and_then(Json::as_array);
    imports.into_iter().flatten().filter_map(|import| {
        let text = |member: &str| import.get(member).and_then(Json::as_str);
        Some((text("interface")?, text("purpose").unwrap_or_default()))
    })
}
