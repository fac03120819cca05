//! Reading what runs asked language models.

use std::collections::HashMap;

use docmill_model::llm::{Amount, Cost, LlmCall, PinnedAdapter, Usage};
use uuid::Uuid;

use crate::convert::{digest, size_in, word};
use crate::error::StoreError;
use crate::tenant::TenantTx;

/// What a run asked, by step and attempt, each in the order of asking.
pub(super) async fn calls(
    tx: &mut TenantTx,
    tenant: Uuid,
    run: Uuid,
) -> Result<HashMap<(i32, i32), Vec<LlmCall>>, StoreError> {
    let rows = sqlx::query!(
        "select step_ordinal, attempt_ordinal, alias, adapter, component, model, answered_by, prompt, input, cached_input,
                output, reasoning, cost_micros, currency, wall_us, outcome
         from docmill.llm_call where tenant_id = $1 and run_id = $2 order by step_ordinal, attempt_ordinal, ordinal",
        tenant,
        run,
    )
    .fetch_all(tx.connection())
    .await?;
    let mut calls: HashMap<(i32, i32), Vec<LlmCall>> = HashMap::new();
    for row in rows {
        let tokens = |count: Option<i64>| u32::try_from(count.unwrap_or(0)).unwrap_or(u32::MAX);
        let usage = row.input.map(|input| Usage {
            input: tokens(Some(input)),
            cached_input: tokens(row.cached_input),
            output: tokens(row.output),
            reasoning: tokens(row.reasoning),
        });
        let cost = row.cost_micros.zip(row.currency.as_deref());
        let cost = cost.map(|(micros, currency)| {
            Ok::<_, StoreError>(Cost {
                amount: Amount::micros(size_in(micros)),
                currency: word(currency)?,
            })
        });
        let of_attempt = calls.entry((row.step_ordinal, row.attempt_ordinal)).or_default();
        of_attempt.push(LlmCall {
            alias: word(&row.alias)?,
            adapter: PinnedAdapter {
                name: row.adapter,
                digest: digest(&row.component)?,
            },
            model: row.model,
            answered_by: row.answered_by,
            prompt: digest(&row.prompt)?,
            usage,
            cost: cost.transpose()?,
            wall_us: size_in(row.wall_us),
            outcome: row.outcome,
        });
    }
    Ok(calls)
}
