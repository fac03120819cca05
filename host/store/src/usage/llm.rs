//! What runs that are kept asked language models, summed.

use docmill_model::id::{KeyId, TenantId};
use docmill_model::llm::{Amount, Cost};

use super::{ID_EARLIER, ID_LATER, UsageQuestion, first_id};
use crate::clean::text;
use crate::connect::Store;
use crate::convert::{size_in, word};
use crate::error::StoreError;
use crate::tenant::Sight;

/// What was asked of one model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelUsage {
    /// As the organisation called it then.
    pub alias: String,
    /// As the provider calls it.
    pub model: String,
    /// Questions.
    pub calls: u64,
    /// Of those: not answered, or not as they should have been.
    pub failed: u64,
    /// Of those: nobody knows what they used.
    pub uncounted: u64,
    /// Tokens of questions.
    pub input: u64,
    /// Of those: cached by the provider.
    pub cached_input: u64,
    /// Tokens of answers.
    pub output: u64,
    /// Of those: thinking.
    pub reasoning: u64,
    /// What it cost; none: it had no price.
    pub cost: Option<Cost>,
}

/// Most models of an answer.
const MAX_MODELS: i64 = 1_000;

impl Store {
    /// What was asked language models, by alias, model and currency. Days, pipelines, plugins and keys are not told apart, but
    /// `pipeline`, `plugin` (the adapter) and `key` choose among them.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn model_usage(
        &self,
        tenant: TenantId,
        asked: &UsageQuestion,
    ) -> Result<Vec<ModelUsage>, StoreError> {
        let (since, until) = (asked.since.max(0), asked.until.max(0));
        let (pipeline, plugin) = (
            asked.pipeline.as_deref().map(text),
            asked.plugin.as_deref().map(text),
        );
        // Sums are no documents: as elsewhere in the usage, clearance does not matter.
        let mut tx = self.seeing(Sight::whole(tenant)).await?;
        let rows = sqlx::query!(
            r#"select c.alias, c.model, c.currency, count(*) as "calls!",
                      count(*) filter (where c.outcome <> 'succeeded') as "failed!",
                      count(*) filter (where c.input is null) as "uncounted!",
                      coalesce(sum(c.input), 0)::bigint as "input!",
                      coalesce(sum(c.cached_input), 0)::bigint as "cached_input!",
                      coalesce(sum(c.output), 0)::bigint as "output!",
                      coalesce(sum(c.reasoning), 0)::bigint as "reasoning!", sum(c.cost_micros)::bigint as cost
               from docmill.llm_call c
               join docmill.run r on r.tenant_id = c.tenant_id and r.id = c.run_id
               where c.tenant_id = $1 and c.run_id >= $2 and c.run_id < $3
                   and r.created_at >= docmill.time_at($4) and r.created_at < docmill.time_at($5)
                   and ($6::text is null or r.pipeline_name = $6)
                   and ($7::text is null or c.adapter = $7 or split_part(c.adapter, '@', 1) = $7)
                   and ($8::uuid is null or r.key_id = $8)
               group by c.alias, c.model, c.currency
               order by c.alias, c.model, c.currency
               limit $9"#,
            tenant.uuid(),
            first_id(since.saturating_sub(ID_EARLIER)),
            first_id(until.saturating_add(ID_LATER)),
            since,
            until,
            pipeline.as_deref(),
            plugin.as_deref(),
            asked.key.map(KeyId::uuid),
            MAX_MODELS,
        )
        .fetch_all(tx.connection())
        .await?;
        tx.end().await?;
        rows.into_iter()
            .map(|row| {
                let cost = row.cost.zip(row.currency.as_deref()).map(|(micros, currency)| {
                    Ok::<_, StoreError>(Cost {
                        amount: Amount::micros(size_in(micros)),
                        currency: word(currency)?,
                    })
                });
                Ok(ModelUsage {
                    alias: row.alias,
                    model: row.model,
                    calls: size_in(row.calls),
                    failed: size_in(row.failed),
                    uncounted: size_in(row.uncounted),
                    input: size_in(row.input),
                    cached_input: size_in(row.cached_input),
                    output: size_in(row.output),
                    reasoning: size_in(row.reasoning),
                    cost: cost.transpose()?,
                })
            })
            .collect()
    }
}
