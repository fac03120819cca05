//! The ledger: what runs used. Entries of runs that are kept are written by the statement that keeps them
//! (migrations/0012_usage.sql); of those that are not, in batches.

mod llm;

use docmill_model::id::{KeyId, RunId, TenantId};
use docmill_model::run::Millis;
use docmill_model::usage::Amounts;
use uuid::Uuid;

use crate::clean::text;
use crate::connect::Store;
use crate::convert::{size_in, size_out};
use crate::error::StoreError;

pub use llm::ModelUsage;

/// An entry of runs that are not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageEntry {
    /// Which key acted; none: the platform.
    pub key: Option<KeyId>,
    /// When they were admitted.
    pub at: Millis,
    /// The pipeline's name.
    pub pipeline: String,
    /// `namespace/name@version`; none: what the runs used by themselves.
    pub plugin: Option<String>,
    /// What was used.
    pub amounts: Amounts,
}

/// Which entries are added up, and how they are grouped.
#[derive(Debug, Clone, Default)]
pub struct UsageQuestion {
    /// Runs admitted at this time or later.
    pub since: Millis,
    /// Runs admitted before this time.
    pub until: Millis,
    /// Of this pipeline.
    pub pipeline: Option<String>,
    /// Of this plugin, `namespace/name` in all versions or `namespace/name@version` in one; what runs used by themselves is
    /// left out then.
    pub plugin: Option<String>,
    /// Of this key.
    pub key: Option<KeyId>,
    /// When each day begins, in order, the first not after `since`; empty: days are not told apart.
    pub days: Vec<Millis>,
    /// Pipelines are told apart.
    pub by_pipeline: bool,
    /// Plugins are told apart.
    pub by_plugin: bool,
    /// Keys are told apart.
    pub by_key: bool,
}

/// What was used, of one group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageGroup {
    /// Which of [`UsageQuestion::days`].
    pub day: Option<usize>,
    /// The pipeline's name, as it was then.
    pub pipeline: Option<String>,
    /// `namespace/name@version`; none: what runs used by themselves.
    pub plugin: Option<String>,
    /// The key; none: the platform.
    pub key: Option<KeyId>,
    /// The key's name.
    pub key_name: Option<String>,
    /// What was used.
    pub amounts: Amounts,
}

/// Most groups of an answer.
pub const MAX_GROUPS: usize = 10_000;
/// How much later than its admission a run may get the id by which its entries are found; and a batch of runs that are not
/// kept, which waits for a database that is away.
const ID_LATER: Millis = 24 * 60 * 60 * 1_000;
/// How much earlier: a clock was set back in between.
const ID_EARLIER: Millis = 60 * 1_000;

/// The smallest UUIDv7 of that millisecond.
fn first_id(at: Millis) -> Uuid {
    let millis = u64::try_from(at).unwrap_or(0).min((1 << 48) - 1);
    Uuid::from_u128(u128::from(millis) << 80)
}

/// The smallest id by which entries of runs since then are found.
pub(crate) fn first_id_since(since: Millis) -> Uuid {
    first_id(since.saturating_sub(ID_EARLIER))
}

impl Store {
    /// Writes entries of runs that are not kept. The same batch again, under the same id, writes nothing twice.
    ///
    /// # Errors
    /// When the database does not answer; it may have written the batch then, or not.
    pub async fn record_usage(
        &self,
        tenant: TenantId,
        batch: RunId,
        entries: &[UsageEntry],
    ) -> Result<(), StoreError> {
        let amounts = |of: fn(&Amounts) -> u64| -> Result<Vec<i64>, StoreError> {
            entries.iter().map(|entry| size_out(of(&entry.amounts))).collect()
        };
        let keys: Vec<Option<Uuid>> = entries.iter().map(|entry| entry.key.map(KeyId::uuid)).collect();
        let plugins: Vec<Option<String>> = entries
            .iter()
            .map(|entry| entry.plugin.as_deref().map(|p| text(p).into_owned()))
            .collect();
        let pipelines: Vec<String> = entries
            .iter()
            .map(|entry| text(&entry.pipeline).into_owned())
            .collect();
        let at: Vec<Millis> = entries.iter().map(|entry| entry.at).collect();
        let mut tx = self.tenant(tenant).await?;
        sqlx::query!(
            "insert into docmill.usage_entry (tenant_id, run_id, ordinal, key_id, at, pipeline, plugin, runs, runs_failed,
                calls, calls_reused, cpu_us, input_bytes, host_call_bytes, pages)
             select $1, $2, n.ordinal::integer, n.key_id, docmill.time_at(n.at), n.pipeline, n.plugin, n.runs,
                n.runs_failed, n.calls, n.calls_reused, n.cpu_us, n.input_bytes, n.host_call_bytes, n.pages
             from unnest($3::uuid[], $4::bigint[], $5::text[], $6::text[], $7::bigint[], $8::bigint[], $9::bigint[],
                $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[], $14::bigint[]) with ordinality
                n(key_id, at, pipeline, plugin, runs, runs_failed, calls, calls_reused, cpu_us, input_bytes,
                    host_call_bytes, pages, ordinal)
             on conflict do nothing",
            tenant.uuid(),
            batch.uuid(),
            &keys as &[Option<Uuid>],
            &at,
            &pipelines,
            &plugins as &[Option<String>],
            &amounts(|a| a.runs)?,
            &amounts(|a| a.runs_failed)?,
            &amounts(|a| a.calls)?,
            &amounts(|a| a.calls_reused)?,
            &amounts(|a| a.cpu_us)?,
            &amounts(|a| a.input_bytes)?,
            &amounts(|a| a.host_call_bytes)?,
            &amounts(|a| a.pages)?,
        )
        .execute(tx.connection())
        .await?;
        tx.commit().await
    }

    /// What was used, group by group: by day, pipeline, plugin, key, in this order. Without any grouping it is one group,
    /// or none if nothing was used.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] when there are more than [`MAX_GROUPS`] groups; when the database does not answer.
    pub async fn usage(
        &self,
        tenant: TenantId,
        asked: &UsageQuestion,
    ) -> Result<Vec<UsageGroup>, StoreError> {
        // PostgreSQL's time begins later than a client's may.
        let (since, until) = (asked.since.max(0), asked.until.max(0));
        let days: Vec<Millis> = asked.days.iter().map(|begins| (*begins).max(0)).collect();
        let (pipeline, plugin) = (
            asked.pipeline.as_deref().map(text),
            asked.plugin.as_deref().map(text),
        );
        let mut tx = self.tenant(tenant).await?;
        // Ids say in which months to look; entries without a pipeline are of a form that is counted no more.
        let rows = sqlx::query!(
            r#"select g.day, g.pipeline, g.plugin, g.key_id, k.name as "key_name?", g.runs as "runs!",
                   g.runs_failed as "runs_failed!", g.calls as "calls!", g.calls_reused as "calls_reused!",
                   g.cpu_us as "cpu_us!", g.input_bytes as "input_bytes!", g.host_call_bytes as "host_call_bytes!",
                   g.pages as "pages!"
               from (
                   select case when cardinality($12::bigint[]) > 0 then width_bucket(u.at,
                           (select array_agg(docmill.time_at(d) order by d) from unnest($12::bigint[]) d)) end as day,
                       case when $9 then u.pipeline end as pipeline, case when $10 then u.plugin end as plugin,
                       case when $11 then u.key_id end as key_id,
                       sum(u.runs)::bigint as runs, sum(u.runs_failed)::bigint as runs_failed,
                       sum(u.calls)::bigint as calls, sum(u.calls_reused)::bigint as calls_reused,
                       sum(u.cpu_us)::bigint as cpu_us, sum(u.input_bytes)::bigint as input_bytes,
                       sum(u.host_call_bytes)::bigint as host_call_bytes, sum(u.pages)::bigint as pages
                   from docmill.usage_entry u
                   where u.tenant_id = $1 and u.run_id >= $2 and u.run_id < $3
                       and u.at >= docmill.time_at($4) and u.at < docmill.time_at($5) and u.pipeline is not null
                       and ($6::text is null or u.pipeline = $6)
                       and ($7::text is null or u.plugin = $7 or split_part(u.plugin, '@', 1) = $7)
                       and ($8::uuid is null or u.key_id = $8)
                   group by 1, 2, 3, 4
                   order by 1, 2, 3 nulls first, 4 nulls first
                   limit $13
               ) g
               left join docmill.api_key k on k.tenant_id = $1 and k.id = g.key_id
               order by g.day, g.pipeline, g.plugin nulls first, g.key_id nulls first"#,
            tenant.uuid(),
            first_id(since.saturating_sub(ID_EARLIER)),
            first_id(until.saturating_add(ID_LATER)),
            since,
            until,
            pipeline.as_deref(),
            plugin.as_deref(),
            asked.key.map(KeyId::uuid),
            asked.by_pipeline,
            asked.by_plugin,
            asked.by_key,
            &days,
            i64::try_from(MAX_GROUPS + 1).unwrap_or(i64::MAX),
        )
        .fetch_all(tx.connection())
        .await?;
        tx.end().await?;
        if rows.len() > MAX_GROUPS {
            return Err(StoreError::invalid(format!(
                "the answer has more than {MAX_GROUPS} groups: ask for a shorter time, or group by less"
            )));
        }
        let groups = rows.into_iter().map(|row| UsageGroup {
            // Counted from 1 there.
            day: row.day.and_then(|day| usize::try_from(day - 1).ok()),
            pipeline: row.pipeline,
            plugin: row.plugin,
            key: row.key_id.map(Into::into),
            key_name: row.key_name,
            amounts: Amounts {
                runs: size_in(row.runs),
                runs_failed: size_in(row.runs_failed),
                calls: size_in(row.calls),
                calls_reused: size_in(row.calls_reused),
                cpu_us: size_in(row.cpu_us),
                input_bytes: size_in(row.input_bytes),
                host_call_bytes: size_in(row.host_call_bytes),
                pages: size_in(row.pages),
            },
        });
        Ok(groups.collect())
    }
}
