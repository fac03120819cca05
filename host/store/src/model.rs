//! Language models as organisations set them up.

use docmill_model::id::TenantId;
use docmill_model::llm::{Alias, ModelSetting};
use docmill_model::run::Millis;
use sqlx::types::Json;

use crate::clean::{json_text, text};
use crate::connect::Store;
use crate::convert::word;
use crate::error::StoreError;

/// A model that is set up.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelRow {
    /// What the organisation calls it.
    pub alias: Alias,
    /// Who is asked, as what, for how much.
    pub setting: ModelSetting,
    /// Who set it last, by name.
    pub changed_by: String,
    /// When.
    pub changed_at: Millis,
}

impl Store {
    /// Sets a model up, or anew; whether that changed anything.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn set_model(
        &self,
        tenant: TenantId,
        alias: &Alias,
        setting: &ModelSetting,
        by: &str,
    ) -> Result<bool, StoreError> {
        let by = text(by);
        let mut tx = self.tenant(tenant).await?;
        let changed = sqlx::query!(
            "insert into docmill.model as m (tenant_id, alias, setting, changed_by)
             values ($1, $2, $3::text::json, $4)
             on conflict (tenant_id, alias) do update
             set setting = excluded.setting, changed_by = excluded.changed_by, changed_at = now(), changes = m.changes + 1
             where m.setting::text is distinct from excluded.setting::text",
            tenant.uuid(),
            alias.as_str(),
            json_text(setting)?,
            &*by,
        )
        .execute(tx.connection())
        .await?;
        tx.commit().await?;
        Ok(changed.rows_affected() == 1)
    }

    /// Removes a model; whether there was one.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn remove_model(&self, tenant: TenantId, alias: &Alias, by: &str) -> Result<bool, StoreError> {
        let by = text(by);
        let mut tx = self.tenant(tenant).await?;
        let changed = sqlx::query!(
            "update docmill.model
             set setting = null, changed_by = $3, changed_at = now(), changes = changes + 1
             where tenant_id = $1 and alias = $2 and setting is not null",
            tenant.uuid(),
            alias.as_str(),
            &*by,
        )
        .execute(tx.connection())
        .await?;
        tx.commit().await?;
        Ok(changed.rows_affected() == 1)
    }

    /// The models that are set up, by alias; with `aliases`, of those alone.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn models(
        &self,
        tenant: TenantId,
        aliases: Option<&[Alias]>,
    ) -> Result<Vec<ModelRow>, StoreError> {
        let aliases: Option<Vec<String>> = aliases.map(|some| some.iter().map(ToString::to_string).collect());
        let mut tx = self.tenant(tenant).await?;
        let rows = sqlx::query!(
            r#"select alias, setting as "setting!: Json<ModelSetting>", changed_by,
                      docmill.millis(changed_at) as "changed_at!"
               from docmill.model
               where tenant_id = $1 and setting is not null and ($2::text[] is null or alias = any($2))
               order by alias"#,
            tenant.uuid(),
            aliases.as_deref(),
        )
        .fetch_all(tx.connection())
        .await?;
        tx.end().await?;
        rows.into_iter()
            .map(|row| {
                Ok(ModelRow {
                    alias: word(&row.alias)?,
                    setting: row.setting.0,
                    changed_by: row.changed_by,
                    changed_at: row.changed_at,
                })
            })
            .collect()
    }
}
