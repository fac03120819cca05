//! Forms that move versions and channels.

use axum::extract::{Path, Request, State};
use axum::response::Response;
use docmill_model::plugin::PluginName;
use docmill_model::registry::{ChannelName, VersionState};
use docmill_store::plugin::{PluginRow, VersionRow};
use maud::{Markup, html};
use semver::Version;

use super::{address_of, version_address};
use crate::console::door::{Token, Visitor};
use crate::console::form::{Form, signed};
use crate::console::layout::see_other;
use crate::console::shown::{prose, select};
use crate::console::words;
use crate::permission::WritePlugins;
use crate::plugins::channels::changed;
use crate::plugins::plugin_name;
use crate::plugins::versions::{moved, version_of};
use crate::problem::Problem;
use crate::state::ApiState;

/// Where a version may go from here.
pub(super) fn state_form(name: &PluginName, row: &VersionRow, token: &Token) -> Markup {
    let next: Vec<(&str, &str)> = VersionState::ALL
        .iter()
        .filter(|next| row.state.may_become(**next))
        .map(|next| (next.as_str(), next.as_str()))
        .collect();
    html! {
        section aria-labelledby="move" {
            h2 id="move" { "Move it" }
            form.card.stack method="post" action=(format!("{}/state", version_address(name, &row.version))) {
                (signed(token))
                (select("state", "It becomes", None, &next))
                div.field {
                    label for="note" { "A word to those who use it (may be left out)" }
                    input id="note" name="note" type="text" maxlength="500" autocomplete="off";
                }
                p.hint { (words::MOVING) }
                p { button.primary type="submit" { "Move it" } }
            }
        }
    }
}

/// Moves a version.
pub async fn state(
    State(state): State<ApiState>,
    visitor: Visitor<WritePlugins>,
    Path((namespace, name, version)): Path<(String, String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    let (name, version) = version_of(&namespace, &name, &version)?;
    let mut form = Form::read(&state, visitor.token(), request).await?;
    let next = form.take("state")?.unwrap_or_default();
    let next: VersionState = next
        .parse()
        .map_err(|_| Problem::malformed("the state is one of published, deprecated and yanked"))?;
    let note = form.take("note")?;
    form.finish()?;
    moved(&state, visitor.caller(), &name, &version, next, note.as_deref()).await?;
    Ok(see_other(&version_address(&name, &version)))
}

/// Lets a channel stand for one of the versions that plans may use.
pub(super) fn channel_form(row: &PluginRow, token: &Token) -> Markup {
    let usable = row.versions.iter().filter(|v| v.state.is_usable());
    let usable: Vec<String> = usable.map(|v| v.version.to_string()).collect();
    let choices: Vec<(&str, &str)> = usable
        .iter()
        .map(|version| (version.as_str(), version.as_str()))
        .chain([("", "none: close the channel")])
        .collect();
    html! {
        form.card.stack method="post" action=(format!("{}/channels", address_of(&row.name))) {
            (signed(token))
            div.field {
                label for="channel" { "Channel" }
                input id="channel" name="channel" type="text" required maxlength="40" autocomplete="off" placeholder="stable";
                p.hint { (prose(words::CHANNELS)) }
            }
            (select("version", "Stands for", usable.first().map(String::as_str), &choices))
            p { button type="submit" { "Set the channel" } }
        }
    }
}

/// Sets or closes a channel.
pub async fn channel(
    State(state): State<ApiState>,
    visitor: Visitor<WritePlugins>,
    Path((namespace, name)): Path<(String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    let name = plugin_name(&namespace, &name)?;
    let mut form = Form::read(&state, visitor.token(), request).await?;
    let channel = form.take("channel")?.unwrap_or_default();
    let channel: ChannelName = channel.parse().map_err(|said: String| Problem::malformed(said))?;
    let version: Option<Version> = form
        .take("version")?
        .map(|version| version.parse())
        .transpose()
        .map_err(|_| Problem::malformed("the version is not like 1.2.3"))?;
    form.finish()?;
    changed(&state, visitor.caller(), &name, &channel, version.as_ref()).await?;
    Ok(see_other(&address_of(&name)))
}
