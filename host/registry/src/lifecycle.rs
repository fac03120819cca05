//! What becomes of a version after it was admitted: states and channels.

use docmill_model::failure::{Code, Failure};
use docmill_model::id::TenantId;
use docmill_model::plugin::PluginName;
use docmill_model::registry::{ChannelName, VersionState};
use docmill_store::plugin::{ChannelSet, Judged, PluginRow, StateSet};
use semver::Version;

use crate::Registry;
use crate::promises::Promise;
use crate::publish::judge_promises;

/// How often a version is judged again because another one was published meanwhile.
const MAX_ROUNDS: usize = 8;
/// Longest word to those who use a version, in characters.
const MAX_NOTE: usize = 500;

impl Registry {
    /// Moves a version to another state; what it was before. A version that is published, for the first time or again, is held
    /// to what the one before it promises.
    ///
    /// # Errors
    /// [`Code::NotFound`]; [`Code::Conflict`] if it cannot go there from where it is; [`Code::BreakingChange`];
    /// [`Code::MalformedRequest`]; what the store says.
    pub async fn set_state(
        &self,
        tenant: TenantId,
        name: &PluginName,
        version: &Version,
        next: VersionState,
        note: Option<&str>,
    ) -> Result<VersionState, Failure> {
        let note = note.map(str::trim).filter(|note| !note.is_empty());
        if note.is_some_and(|note| note.chars().count() > MAX_NOTE) {
            let said = format!("the note has more than {MAX_NOTE} characters");
            return Err(Failure::new(Code::MalformedRequest, said));
        }
        for _ in 0..MAX_ROUNDS {
            let judged = self.judged(tenant, name, version, next).await?;
            let set = self
                .store
                .set_version_state(tenant, name, version, next, note, &judged)
                .await;
            match set.map_err(|error| error.failure())? {
                StateSet::From(before) => return Ok(before),
                StateSet::Refused(now) => {
                    let said = format!("{name}@{version} is {now}, and cannot become {next} from there");
                    return Err(Failure::new(Code::Conflict, said));
                }
                StateSet::Missing => return Err(missing(name, version)),
                StateSet::Outdated => {}
            }
        }
        let said = "other versions of the plugin are published all the time; try again";
        Err(Failure::new(Code::Conflict, said))
    }

    /// What a version is held to if it is to go there.
    async fn judged(
        &self,
        tenant: TenantId,
        name: &PluginName,
        version: &Version,
        next: VersionState,
    ) -> Result<Judged, Failure> {
        let row = self.store.get_plugin(tenant, name).await;
        let row = row.map_err(|error| error.failure())?;
        let row = row.ok_or_else(|| missing(name, version))?;
        let own = row.versions.iter().find(|row| row.version == *version);
        let own = own.ok_or_else(|| missing(name, version))?;
        let comes_back = next.is_usable() && !own.state.is_usable();
        if !comes_back || docmill_model::registry::is_development(version) {
            return Ok(Judged::Free);
        }
        let promise = Promise {
            kind: row.kind,
            manifest: &own.manifest,
            inspection: &own.inspection,
        };
        let (basis, found) = judge_promises(Some(&row), version, promise);
        found.map_err(|why| Failure::new(Code::BreakingChange, format!("{name}@{version}: {why}")))?;
        Ok(Judged::Against(basis))
    }

    /// Lets a channel stand for a version; what it stood for before. None closes it.
    ///
    /// # Errors
    /// [`Code::NotFound`]; [`Code::VersionYanked`]; [`Code::Conflict`]; what the store says.
    pub async fn set_channel(
        &self,
        tenant: TenantId,
        name: &PluginName,
        channel: &ChannelName,
        version: Option<&Version>,
    ) -> Result<Option<Version>, Failure> {
        let set = self.store.set_channel(tenant, name, channel, version).await;
        match set.map_err(|error| error.failure())? {
            ChannelSet::From(before) => Ok(before),
            ChannelSet::Missing => Err(match version {
                Some(version) => missing(name, version),
                None => Failure::new(Code::NotFound, format!("{name} has no channel {channel}")),
            }),
            ChannelSet::TooMany => Err(Failure::new(
                Code::Conflict,
                format!(
                    "{name} has as many channels as a plugin may have; let one of them stand for another version"
                ),
            )),
            ChannelSet::Refused(state) => {
                let shown = version.map(|version| format!("@{version}")).unwrap_or_default();
                let (code, said) = match state {
                    VersionState::Yanked => {
                        let row = self.store.get_plugin(tenant, name).await;
                        let row = row.map_err(|error| error.failure())?;
                        (
                            Code::VersionYanked,
                            format!("was yanked; {}", newest(row.as_ref())),
                        )
                    }
                    other => (Code::Conflict, format!("is {other}: publish it first")),
                };
                Err(Failure::new(code, format!("{name}{shown} {said}")))
            }
        }
    }
}

fn newest(row: Option<&PluginRow>) -> String {
    let usable = row.and_then(|row| row.versions.iter().find(|row| row.state.is_usable()));
    match usable {
        Some(row) => format!("the newest that can be used is {}", row.version),
        None => "none of its versions can be used".to_owned(),
    }
}

fn missing(name: &PluginName, version: &Version) -> Failure {
    Failure::new(Code::NotFound, format!("there is no {name}@{version}"))
}
