//! Plugins and their versions: publishing, and what becomes of a version afterwards.

mod attachment;
mod catalog;
mod channel;
mod code;
mod list;

use docmill_model::attachment::Attachment;
use docmill_model::digest::Digest;
use docmill_model::id::{PluginId, PluginVersionId, TenantId};
use docmill_model::plugin::{Kind, Manifest, PluginName};
use docmill_model::registry::{VersionState, basis_of};
use docmill_model::signature::Signature;
use semver::Version;
use uuid::Uuid;

use crate::clean::{json_text, text};
use crate::connect::Store;
use crate::convert::{size_out, word};
use crate::error::StoreError;
use crate::tenant::TenantTx;

pub use catalog::{CatalogEntry, Pinnable};
pub use channel::{ChannelRow, ChannelSet};
pub use list::{PluginFilter, PluginRow, ReportRow, VersionRow};

/// A version that is about to be kept.
#[derive(Debug, Clone)]
pub struct NewVersion<'a> {
    /// What the plugin says of itself; name and version are in it.
    pub manifest: &'a Manifest,
    /// What it does.
    pub kind: Kind,
    /// Of the component's bytes, which are in the blob store.
    pub digest: Digest,
    /// Bytes of the component.
    pub size: u64,
    /// Imports, exports and what else was seen without running it.
    pub inspection: &'a serde_json::Value,
    /// Admitted or published.
    pub state: VersionState,
    /// What admission found.
    pub report: &'a serde_json::Value,
    /// Of somebody who vouches for it.
    pub signature: Option<&'a Signature>,
    /// A Sigstore bundle of somebody who does.
    pub bundle: Option<&'a str>,
    /// What came with it; the bytes are in the blob store.
    pub attachments: &'a [Attachment],
    /// What it was compared with.
    pub judged: Judged,
}

/// Which version a new one was compared with, when its promises were judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judged {
    /// None has to be: a development build.
    Free,
    /// This one, or none that there was ([`basis_of`]).
    Against(Option<Version>),
}

/// What publishing came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    /// The version's row.
    pub version_id: PluginVersionId,
    /// False: the same bytes had been uploaded under this name and version before.
    pub created: bool,
    /// Where the version stands now.
    pub state: VersionState,
}

/// What a change of a version's state came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StateSet {
    /// It was so, or is now; what it was before.
    From(VersionState),
    /// From this state it cannot go there.
    Refused(VersionState),
    /// Another version was published meanwhile: judge again.
    Outdated,
    /// There is no such version.
    Missing,
}

/// The row of a plugin, which nobody else changes while it is held.
struct Held {
    id: Uuid,
    kind: String,
}

/// A version as it is compared.
struct Head {
    id: Uuid,
    version: Version,
    digest: Vec<u8>,
    state: VersionState,
    note: Option<String>,
}

impl Store {
    /// Records a version. The same name, version and digest again is the same version; its bytes must be in the blob
    /// store before. None: another version was published since this one was judged, so it has to be judged again.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the version exists with other bytes, or the plugin with another kind.
    pub async fn publish_plugin(
        &self,
        tenant: TenantId,
        new: &NewVersion<'_>,
    ) -> Result<Option<Published>, StoreError> {
        let (name, version) = (&new.manifest.name, &new.manifest.version);
        let mut tx = self.tenant(tenant).await?;
        sqlx::query!(
            "insert into docmill.plugin (tenant_id, id, name, kind) values ($1, $2, $3, $4)
             on conflict (tenant_id, name) do nothing",
            tenant.uuid(),
            PluginId::new().uuid(),
            name.to_string(),
            new.kind.as_str(),
        )
        .execute(tx.connection())
        .await?;
        let held = hold(&mut tx, tenant, name)
            .await?
            .ok_or_else(|| StoreError::not_found(format!("the plugin {name}")))?;
        if held.kind != new.kind.as_str() {
            let what = format!(
                "{name} is a {}; all its versions must be: publish under another name",
                held.kind
            );
            return Err(StoreError::Conflict { what });
        }
        let heads = heads(&mut tx, tenant, held.id).await?;
        if let Some(present) = heads.iter().find(|head| head.version == *version) {
            if present.digest != new.digest.as_bytes() {
                let what = format!(
                    "{name}@{version} exists with other bytes, and versions never change: raise the version"
                );
                return Err(StoreError::Conflict { what });
            }
            return Ok(Some(Published {
                version_id: present.id.into(),
                created: false,
                state: present.state,
            }));
        }
        if is_outdated(&new.judged, &heads, version) {
            return Ok(None);
        }
        let id = PluginVersionId::new();
        sqlx::query!(
            "insert into docmill.plugin_version
                 (tenant_id, id, plugin_id, version, digest, size, manifest, inspection, state, report, signature, bundle)
             values ($1, $2, $3, $4, $5, $6, $7::text::json, $8::text::json, $9, $10::text::json, $11::text::json, $12)",
            tenant.uuid(),
            id.uuid(),
            held.id,
            version.to_string(),
            new.digest.as_bytes().as_slice(),
            size_out(new.size)?,
            json_text(new.manifest)?,
            json_text(new.inspection)?,
            new.state.as_str(),
            json_text(new.report)?,
            new.signature.map(json_text).transpose()?,
            new.bundle,
        )
        .execute(tx.connection())
        .await?;
        attachment::keep(&mut tx, tenant, held.id, id, new.attachments).await?;
        tx.commit().await?;
        Ok(Some(Published {
            version_id: id,
            created: true,
            state: new.state,
        }))
    }

    /// Moves a version to another state, with a word to those who use it.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn set_version_state(
        &self,
        tenant: TenantId,
        name: &PluginName,
        version: &Version,
        next: VersionState,
        note: Option<&str>,
        judged: &Judged,
    ) -> Result<StateSet, StoreError> {
        let mut tx = self.tenant(tenant).await?;
        let Some(held) = hold(&mut tx, tenant, name).await? else {
            return Ok(StateSet::Missing);
        };
        let heads = heads(&mut tx, tenant, held.id).await?;
        let Some(head) = heads.iter().find(|head| head.version == *version) else {
            return Ok(StateSet::Missing);
        };
        let note = note.map(text);
        if head.state == next && head.note.as_deref() == note.as_deref() {
            return Ok(StateSet::From(next));
        }
        if head.state != next && !head.state.may_become(next) {
            return Ok(StateSet::Refused(head.state));
        }
        if is_outdated(judged, &heads, version) {
            return Ok(StateSet::Outdated);
        }
        sqlx::query!(
            "update docmill.plugin_version set state = $3, state_note = $4, state_at = now()
             where tenant_id = $1 and id = $2",
            tenant.uuid(),
            head.id,
            next.as_str(),
            note.as_deref(),
        )
        .execute(tx.connection())
        .await?;
        count_change(&mut tx, tenant, held.id).await?;
        tx.commit().await?;
        Ok(StateSet::From(head.state))
    }
}

/// Whether the version would be held to another one by now.
fn is_outdated(judged: &Judged, heads: &[Head], version: &Version) -> bool {
    match judged {
        Judged::Free => false,
        Judged::Against(basis) => {
            let now = basis_of(heads.iter().map(|head| (&head.version, head.state)), version);
            now != basis.as_ref()
        }
    }
}

/// The plugin's row, locked: who publishes, yanks or moves a channel at the same moment takes turns here.
async fn hold(tx: &mut TenantTx, tenant: TenantId, name: &PluginName) -> Result<Option<Held>, StoreError> {
    let row = sqlx::query!(
        "select id, kind from docmill.plugin where tenant_id = $1 and name = $2 for update",
        tenant.uuid(),
        name.to_string(),
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(row.map(|row| Held {
        id: row.id,
        kind: row.kind,
    }))
}

async fn heads(tx: &mut TenantTx, tenant: TenantId, plugin: Uuid) -> Result<Vec<Head>, StoreError> {
    let rows = sqlx::query!(
        "select id, version, digest, state, state_note from docmill.plugin_version
         where tenant_id = $1 and plugin_id = $2",
        tenant.uuid(),
        plugin,
    )
    .fetch_all(tx.connection())
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Head {
                id: row.id,
                version: word(&row.version)?,
                digest: row.digest,
                state: word(&row.state)?,
                note: row.state_note,
            })
        })
        .collect()
}

/// Plans that were made before look again.
async fn count_change(tx: &mut TenantTx, tenant: TenantId, plugin: Uuid) -> Result<(), StoreError> {
    sqlx::query!(
        "update docmill.plugin set changes = changes + 1 where tenant_id = $1 and id = $2",
        tenant.uuid(),
        plugin,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}
