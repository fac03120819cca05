//! Giving a document another tier.

use docmill_model::access::Clearance;
use docmill_model::id::DocumentId;

use crate::connect::Store;
use crate::convert::tag;
use crate::error::StoreError;
use crate::tenant::Sight;

impl Store {
    /// Gives a document a tier; the one that it had. Runs over it that demand less are raised with it: they quote it. None are
    /// lowered: a run may demand more for another reason.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if there is no such document, or it may not be seen; [`StoreError::Invalid`] if who acts could
    /// not see it afterwards.
    pub async fn set_tier(
        &self,
        sight: Sight,
        document: DocumentId,
        tier: Clearance,
    ) -> Result<Clearance, StoreError> {
        if !sight.clearance.sees(tier) {
            return Err(StoreError::invalid(format!(
                "a clearance for {} is not enough to give something the tier {tier}",
                sight.clearance
            )));
        }
        let mut tx = self.seeing(sight).await?;
        // Locked: of two who change it at once, the second is told of the first one's tier. A run that is written now and has
        // it among its inputs waits, too, or is waited for.
        let before = sqlx::query_scalar!(
            r#"select tier::text as "tier!" from docmill.document where tenant_id = $1 and id = $2 for update"#,
            sight.tenant.uuid(),
            document.uuid(),
        )
        .fetch_optional(tx.connection())
        .await?;
        let Some(before) = before else {
            return Err(StoreError::NotFound {
                what: format!("document {document}"),
            });
        };
        let before: Clearance = tag(&before)?;
        if before != tier {
            sqlx::query!(
                "update docmill.document set tier = $3::text::docmill.tier where tenant_id = $1 and id = $2",
                sight.tenant.uuid(),
                document.uuid(),
                tier.as_str(),
            )
            .execute(tx.connection())
            .await?;
            sqlx::query!(
                "update docmill.run set tier = $3::text::docmill.tier
                 where tenant_id = $1 and tier < $3::text::docmill.tier and id in (
                     select i.run_id from docmill.run_input i where i.tenant_id = $1 and i.document_id = $2)",
                sight.tenant.uuid(),
                document.uuid(),
                tier.as_str(),
            )
            .execute(tx.connection())
            .await?;
        }
        tx.commit().await?;
        Ok(before)
    }
}
