//! Holding the queue of a tenant, or of one pipeline, and letting it go on. What is at work goes on to its end.

use super::*;

impl Store {
    /// Holds, or lets go on, the queued runs of a pipeline, or of the whole tenant; whether that changed anything.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn pause_queue(
        &self,
        tenant: TenantId,
        pipeline: Option<PipelineId>,
        paused: bool,
    ) -> Result<bool, StoreError> {
        let mut tx = self.tenant(tenant).await?;
        let changed = match pipeline {
            Some(pipeline) => {
                sqlx::query!(
                    "insert into docmill.pipeline_queue as q (tenant_id, pipeline_id, paused_at)
                     values ($1, $2, case when $3 then now() end)
                     on conflict (tenant_id, pipeline_id) do update set paused_at = excluded.paused_at
                     where (q.paused_at is null) = $3",
                    tenant.uuid(),
                    pipeline.uuid(),
                    paused,
                )
                .execute(tx.connection())
                .await?
            }
            None => {
                sqlx::query!(
                    "insert into docmill.queue as q (tenant_id, paused_at) values ($1, case when $2 then now() end)
                     on conflict (tenant_id) do update set paused_at = excluded.paused_at
                     where (q.paused_at is null) = $2",
                    tenant.uuid(),
                    paused,
                )
                .execute(tx.connection())
                .await?
            }
        };
        tx.commit().await?;
        Ok(changed.rows_affected() == 1)
    }
}
