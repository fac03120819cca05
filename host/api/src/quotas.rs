//! How a tenant stands with its quotas.

use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use docmill_model::quota::Policy;
use docmill_model::run::Millis;
use docmill_quota::Standing;
use docmill_runs::now;
use serde::Serialize;
use utoipa::ToSchema;

use crate::answer::json as body_of;
use crate::permission::{May, ReadTenant};
use crate::problem::{Problem, ProblemBody};
use crate::state::ApiState;
use crate::time::rfc3339;

/// Quotas.
#[derive(Serialize, ToSchema)]
pub struct QuotaList {
    /// One for each quota.
    items: Vec<QuotaBody>,
}

/// How the tenant stands with one quota.
#[derive(Serialize, ToSchema)]
pub struct QuotaBody {
    /// Its name, as problems say it.
    quota: &'static str,
    /// What it is counted in.
    unit: &'static str,
    /// What is done with who would pass it: `reject`, `throttle` (delayed) or `queue`.
    #[schema(value_type = String)]
    policy: Policy,
    /// Null: not limited.
    limit: Option<u64>,
    /// Null: not counted, because it is not limited.
    used: Option<u64>,
    /// What is left now. Of requests per second, what may come at once now.
    remaining: Option<u64>,
    /// When all of it is there again; null: not by itself.
    resets_at: Option<String>,
}

impl QuotaBody {
    fn of(standing: &Standing, now: Millis) -> Self {
        let at = |wait: Duration| {
            rfc3339(now.saturating_add(Millis::try_from(wait.as_millis()).unwrap_or(Millis::MAX)))
        };
        Self {
            quota: standing.quota.as_str(),
            unit: standing.quota.unit(),
            policy: standing.quota.policy(),
            limit: standing.limit,
            used: standing.used,
            remaining: standing.remaining,
            resets_at: standing.resets_in.map(at),
        }
    }
}

/// The same for the command line on the machine itself.
///
/// # Errors
/// Never: what is written is numbers and words.
pub fn quota_list(standing: &[Standing]) -> serde_json::Result<serde_json::Value> {
    let now = now();
    let items: Vec<QuotaBody> = standing.iter().map(|one| QuotaBody::of(one, now)).collect();
    serde_json::to_value(items)
}

/// What there is of each quota, was used and is left.
///
/// Runs and CPU time are those of the host that answers; requests of a day are what all hosts told each other a second ago.
#[utoipa::path(
    get, path = "/v1/quotas", tag = "tenant", security(("key" = ["tenant:read"])),
    responses((status = 200, body = QuotaList), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub async fn show(State(state): State<ApiState>, caller: May<ReadTenant>) -> Result<Response, Problem> {
    let at = state.runs().quotas().limiter().at();
    let now = now();
    let standing = caller.quota().standing(at);
    body_of(&QuotaList {
        items: standing.iter().map(|one| QuotaBody::of(one, now)).collect(),
    })
}
