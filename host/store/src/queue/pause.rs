//! The queue of one tenant: how full it is, holding it or one pipeline's, and letting it go on. What is at work goes on to its end.

use super::*;

/// The queue of a tenant.
#[derive(Debug, Clone, Serialize)]
pub struct TenantQueue {
    /// Nothing of the tenant begins.
    pub paused: bool,
    /// Pipelines with queued runs, or that are held.
    pub pipelines: Vec<PipelineQueue>,
}

/// The queue of a pipeline.
#[derive(Debug, Clone, Serialize)]
pub struct PipelineQueue {
    /// Its name.
    pub pipeline: String,
    /// May begin.
    pub ready: u64,
    /// Wait for their time.
    pub delayed: u64,
    /// At work.
    pub running: u64,
    /// How long the oldest could have begun, in milliseconds.
    pub oldest_ms: u64,
    /// Nothing of it begins.
    pub paused: bool,
    /// Most of its runs at work at once.
    pub most: Option<i32>,
}

impl Store {
    /// How full a tenant's queue is.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn tenant_queue(&self, tenant: TenantId) -> Result<TenantQueue, StoreError> {
        // Counts tell of no run: those of every tier are in them.
        let mut tx = self.seeing(Sight::whole(tenant)).await?;
        let paused = sqlx::query_scalar!(
            r#"select paused_at is not null as "paused!" from docmill.queue where tenant_id = $1"#,
            tenant.uuid(),
        )
        .fetch_optional(tx.connection())
        .await?;
        let rows = sqlx::query!(
            r#"select p.name, coalesce(j.ready, 0) as "ready!", coalesce(j.delayed, 0) as "delayed!",
                      coalesce(j.leased, 0) as "leased!", coalesce(j.oldest_ms, 0) as "oldest_ms!",
                      q.paused_at is not null as "paused!", q.most as "most?"
               from docmill.pipeline p
               left join (
                   select pipeline_id, count(*) filter (where state = 'ready') as ready,
                       count(*) filter (where state = 'delayed') as delayed,
                       count(*) filter (where state = 'leased') as leased,
                       (extract(epoch from now() - min(ready_at) filter (where state = 'ready')) * 1000)::bigint as oldest_ms
                   from docmill.job where tenant_id = $1 group by pipeline_id
               ) j on j.pipeline_id = p.id
               left join docmill.pipeline_queue q on q.tenant_id = $1 and q.pipeline_id = p.id
               where p.tenant_id = $1 and (j.pipeline_id is not null or q.paused_at is not null or q.most is not null)
               order by p.name"#,
            tenant.uuid(),
        )
        .fetch_all(tx.connection())
        .await?;
        tx.end().await?;
        let pipelines = rows.into_iter().map(|row| PipelineQueue {
            pipeline: row.name,
            ready: size_in(row.ready),
            delayed: size_in(row.delayed),
            running: size_in(row.leased),
            oldest_ms: size_in(row.oldest_ms),
            paused: row.paused,
            most: row.most,
        });
        Ok(TenantQueue {
            paused: paused.unwrap_or_default(),
            pipelines: pipelines.collect(),
        })
    }

    /// Sets how many runs of a pipeline may be at work at once; none: not limited. Whether that changed anything.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn limit_queue(
        &self,
        tenant: TenantId,
        pipeline: PipelineId,
        most: Option<u32>,
    ) -> Result<bool, StoreError> {
        let most = most.map(|most| i32::try_from(most).unwrap_or(i32::MAX));
        let mut tx = self.tenant(tenant).await?;
        let changed = sqlx::query!(
            "insert into docmill.pipeline_queue as q (tenant_id, pipeline_id, most) values ($1, $2, $3)
             on conflict (tenant_id, pipeline_id) do update set most = excluded.most
             where q.most is distinct from excluded.most",
            tenant.uuid(),
            pipeline.uuid(),
            most,
        )
        .execute(tx.connection())
        .await?;
        tx.commit().await?;
        Ok(changed.rows_affected() == 1)
    }

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
