//! What came with versions.

use docmill_model::attachment::Attachment;
use docmill_model::id::{PluginVersionId, TenantId};
use docmill_model::plugin::PluginName;
use uuid::Uuid;

use crate::clean::text;
use crate::connect::Store;
use crate::convert::{digest, size_in, size_out, word};
use crate::error::StoreError;
use crate::tenant::TenantTx;

/// Keeps them with their version.
pub(super) async fn keep(
    tx: &mut TenantTx,
    tenant: TenantId,
    plugin: Uuid,
    version: PluginVersionId,
    attachments: &[Attachment],
) -> Result<(), StoreError> {
    for attachment in attachments {
        let format = attachment.format.as_deref().map(text);
        sqlx::query!(
            "insert into docmill.plugin_attachment
                 (tenant_id, plugin_id, version_id, kind, name, media_type, format, digest, size)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            tenant.uuid(),
            plugin,
            version.uuid(),
            attachment.kind.as_str(),
            &*text(&attachment.name),
            &*text(&attachment.media_type),
            format.as_deref(),
            attachment.digest.as_bytes().as_slice(),
            size_out(attachment.size)?,
        )
        .execute(tx.connection())
        .await?;
    }
    Ok(())
}

impl Store {
    /// What came with all versions of a plugin, by kind and name.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn attachments(
        &self,
        tenant: TenantId,
        name: &PluginName,
    ) -> Result<Vec<(PluginVersionId, Attachment)>, StoreError> {
        let mut tx = self.tenant(tenant).await?;
        let rows = sqlx::query!(
            "select a.version_id, a.kind, a.name, a.media_type, a.format, a.digest, a.size
             from docmill.plugin p
             join docmill.plugin_attachment a on a.tenant_id = p.tenant_id and a.plugin_id = p.id
             where p.tenant_id = $1 and p.name = $2
             order by a.version_id, a.kind, a.name",
            tenant.uuid(),
            name.to_string(),
        )
        .fetch_all(tx.connection())
        .await?;
        tx.end().await?;
        rows.into_iter()
            .map(|row| {
                let attachment = Attachment {
                    kind: word(&row.kind)?,
                    name: row.name,
                    media_type: row.media_type,
                    format: row.format,
                    digest: digest(&row.digest)?,
                    size: size_in(row.size),
                };
                Ok((row.version_id.into(), attachment))
            })
            .collect()
    }
}
