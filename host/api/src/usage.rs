//! What was used, over HTTP.

use axum::extract::State;
use axum::response::Response;
use docmill_model::id::KeyId;
use docmill_model::run::Millis;
use docmill_model::usage::Amounts;
use docmill_store::usage::{ModelUsage, UsageGroup, UsageQuestion};
use serde::Serialize;
use utoipa::ToSchema;

use crate::answer::json;
use crate::permission::{May, ReadUsage};
use crate::problem::{Problem, ProblemBody};
use crate::query::Query;
use crate::state::ApiState;
use crate::time::{self, rfc3339};

/// Most days of a question.
const MAX_DAYS: i64 = 400;
const DAY: Millis = 24 * 60 * 60 * 1_000;

/// What was used in a time.
#[derive(Serialize, ToSchema)]
pub struct UsageBody {
    /// Runs that were admitted at this time or later.
    since: String,
    /// Runs that were admitted before this time.
    until: String,
    /// Where days begin and end: the tenant's time zone.
    timezone: String,
    /// All of it together.
    total: AmountsBody,
    /// By day, pipeline, plugin and key, as far as they were asked for, in this order. They add up to `total`.
    items: Vec<GroupBody>,
    /// What runs that are kept asked language models: by alias, model and currency.
    models: Vec<ModelBody>,
}

/// What was asked of one model.
#[derive(Serialize, ToSchema)]
#[schema(as = ModelUsageBody)]
pub struct ModelBody {
    /// As the organisation called it then.
    alias: String,
    /// As the provider calls it.
    model: String,
    /// Questions.
    calls: u64,
    /// Of those: not answered, or not as they should have been.
    failed: u64,
    /// Of those: nobody knows what they used; they are in no sum.
    uncounted: u64,
    /// Tokens of questions.
    input_tokens: u64,
    /// Of those: cached by the provider.
    cached_input_tokens: u64,
    /// Tokens of answers.
    output_tokens: u64,
    /// Of those: thinking.
    reasoning_tokens: u64,
    /// What it cost, by the prices of then: a decimal and a currency, as in `0.000575 USD`; left out: it had no price.
    #[serde(skip_serializing_if = "Option::is_none")]
    cost: Option<String>,
}

impl From<ModelUsage> for ModelBody {
    fn from(it: ModelUsage) -> Self {
        Self {
            alias: it.alias,
            model: it.model,
            calls: it.calls,
            failed: it.failed,
            uncounted: it.uncounted,
            input_tokens: it.input,
            cached_input_tokens: it.cached_input,
            output_tokens: it.output,
            reasoning_tokens: it.reasoning,
            cost: it.cost.map(|cost| cost.to_string()),
        }
    }
}

/// What was used: whole numbers, so that they add up.
#[derive(Serialize, ToSchema)]
pub struct AmountsBody {
    /// Runs, failed ones too.
    runs: u64,
    /// Of those: failed.
    runs_failed: u64,
    /// Calls of plugins: every attempt is one, failed and reused ones too.
    calls: u64,
    /// Of those: answered by the result of an earlier, pure call.
    calls_reused: u64,
    /// CPU time of plugins in microseconds.
    cpu_us: u64,
    /// Bytes of inputs: files, texts, and records as JSON.
    input_bytes: u64,
    /// Bytes that plugins were handed by the host, and gave it.
    host_call_bytes: u64,
    /// Pages of documents that were read.
    pages: u64,
}

/// What was used of one kind. A member that was not asked for with `by` is not there.
#[derive(Serialize, ToSchema)]
pub struct GroupBody {
    /// A date in the tenant's time zone.
    #[serde(skip_serializing_if = "Option::is_none")]
    day: Option<String>,
    /// The pipeline's name, as it was then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pipeline: Option<String>,
    /// `namespace/name@version`; null: what runs used by themselves, which is everything but calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    plugin: Option<Option<String>>,
    /// `key_…`; null: the platform.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    key: Option<Option<String>>,
    /// The key's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    key_name: Option<String>,
    #[serde(flatten)]
    amounts: AmountsBody,
}

/// What was used.
///
/// Every run counts with its admission, failed ones and those of which nothing else is kept (`retain: none`, up to a second
/// late) too. Figures of calls belong to plugins, all others to runs: grouped by plugin, those stand where `plugin` is null.
#[utoipa::path(
    get, path = "/v1/usage", tag = "usage", security(("key" = ["usage:read"])),
    params(
        ("since" = Option<String>, Query, description = "Admitted at this time or later: RFC 3339; without an offset, or a date alone, in the tenant's time zone. The first of the month if left out"),
        ("until" = Option<String>, Query, description = "Admitted before this time, at most 400 days later. Now if left out"),
        ("by" = Option<String>, Query, description = "What is told apart, with commas in between: day, pipeline, plugin, key"),
        ("pipeline" = Option<String>, Query, description = "Of this pipeline alone"),
        ("plugin" = Option<String>, Query, description = "Calls of this plugin alone: namespace/name, or namespace/name@version"),
        ("key" = Option<String>, Query, description = "Of this key alone: key_…"),
    ),
    responses((status = 200, body = UsageBody), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub async fn show(
    State(state): State<ApiState>,
    caller: May<ReadUsage>,
    mut query: Query,
) -> Result<Response, Problem> {
    let _place = state.heavy_place().await?;
    let timezone = caller.who().timezone.clone();
    let (since, until) = span(&mut query, &timezone)?;
    let by = By::parse(query.take("by")?.as_deref())?;
    let days = if by.day {
        time::days(since, until, &timezone)
    } else {
        Vec::new()
    };
    let asked = UsageQuestion {
        since,
        until,
        pipeline: query.take("pipeline")?,
        plugin: query.take("plugin")?,
        key: query.parsed::<KeyId>("key", "a key's id: key_…")?,
        days: days.iter().map(|(_, begins)| *begins).collect(),
        by_pipeline: by.pipeline,
        by_plugin: by.plugin,
        by_key: by.key,
    };
    query.finish()?;
    let groups = state
        .store()
        .usage(caller.tenant(), &asked)
        .await
        .map_err(|e| e.failure())?;
    let models = state.store().model_usage(caller.tenant(), &asked).await;
    let models = models.map_err(|e| e.failure())?;
    let mut total = Amounts::default();
    for group in &groups {
        total.add(&group.amounts);
    }
    let items = groups.into_iter().map(|group| by.body(group, &days));
    let items = if by == By::default() {
        Vec::new()
    } else {
        items.collect()
    };
    json(&UsageBody {
        since: rfc3339(since),
        until: rfc3339(until),
        timezone,
        total: total.into(),
        items,
        models: models.into_iter().map(Into::into).collect(),
    })
}

/// From when to when.
pub(crate) fn span(query: &mut Query, timezone: &str) -> Result<(Millis, Millis), Problem> {
    let mut given = |name: &str| {
        let text = query.take(name)?;
        text.map(|text| time::parse(name, &text, timezone)).transpose()
    };
    let (since, until) = (given("since")?, given("until")?);
    let until = until.unwrap_or_else(docmill_runs::now);
    let since = since.unwrap_or_else(|| time::month_start(until.saturating_sub(1), timezone));
    if since >= until {
        return Err(Problem::malformed(
            "'since' is not before 'until', which is now if it is left out",
        ));
    }
    if until.saturating_sub(since) > MAX_DAYS * DAY {
        return Err(Problem::malformed(format!(
            "from 'since' to 'until' are more than {MAX_DAYS} days; ask for a shorter time, several times"
        )));
    }
    Ok((since, until))
}

/// What is told apart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct By {
    day: bool,
    pipeline: bool,
    plugin: bool,
    key: bool,
}

impl By {
    fn parse(text: Option<&str>) -> Result<Self, Problem> {
        let mut by = Self::default();
        for word in text.into_iter().flat_map(|text| text.split(',')) {
            let told = match word {
                "day" => &mut by.day,
                "pipeline" => &mut by.pipeline,
                "plugin" => &mut by.plugin,
                "key" => &mut by.key,
                _ => {
                    return Err(Problem::malformed(
                        "the query parameter 'by' is day, pipeline, plugin or key, or several of them with commas in between",
                    ));
                }
            };
            *told = true;
        }
        Ok(by)
    }

    fn body(self, group: UsageGroup, days: &[(String, Millis)]) -> GroupBody {
        let day = group.day.and_then(|day| days.get(day));
        GroupBody {
            day: day.map(|(date, _)| date.clone()),
            pipeline: group.pipeline,
            plugin: self.plugin.then_some(group.plugin),
            key: self.key.then(|| group.key.map(|key| key.to_string())),
            key_name: group.key_name,
            amounts: group.amounts.into(),
        }
    }
}

impl From<Amounts> for AmountsBody {
    fn from(amounts: Amounts) -> Self {
        Self {
            runs: amounts.runs,
            runs_failed: amounts.runs_failed,
            calls: amounts.calls,
            calls_reused: amounts.calls_reused,
            cpu_us: amounts.cpu_us,
            input_bytes: amounts.input_bytes,
            host_call_bytes: amounts.host_call_bytes,
            pages: amounts.pages,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_apart_is_named_once_or_more() {
        assert_eq!(By::parse(None).unwrap(), By::default());
        let both = By {
            day: true,
            key: true,
            ..By::default()
        };
        assert_eq!(By::parse(Some("key,day,key")).unwrap(), both);
        for bad in ["", "day,", "Day", "day key", "month", "day,\0"] {
            assert!(By::parse(Some(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_time_has_a_beginning_before_its_end_and_is_not_too_long() {
        let span = |text: &str| span(&mut Query::parse(text).unwrap(), "Asia/Almaty");
        let (since, until) = span("until=2026-11-01").unwrap();
        assert_eq!(rfc3339(since), "2026-09-30T19:00:00.000Z");
        assert_eq!(rfc3339(until), "2026-10-31T19:00:00.000Z");
        assert!(span("").is_ok());
        assert!(span("since=2026-01-01&until=2027-02-05").is_ok());
        for bad in [
            "since=2026-01-01&until=2027-02-06",
            "since=2026-01-01&until=2026-01-01",
            "since=9999-01-01",
            "since=-9999-01-01&until=9999-01-01",
            "until=yesterday",
        ] {
            assert!(span(bad).is_err(), "{bad}");
        }
    }
}
