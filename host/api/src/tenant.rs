//! What a tenant says of itself, and what it may use.

use axum::extract::{Request, State};
use axum::response::Response;
use docmill_model::failure::Code;
use docmill_model::plugin::is_name;
use docmill_model::quota::{Allowance, LISTS, NUMBERS};
use docmill_store::StoreError;
use docmill_store::who::{TenantChange, TenantRow};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value as Json, json};
use utoipa::ToSchema;

use crate::answer::json as body_of;
use crate::body::object;
use crate::caller::Caller;
use crate::language::Language;
use crate::permission::{May, ReadTenant, WriteTenant};
use crate::pipelines::{expected_version, tagged};
use crate::problem::{Problem, ProblemBody};
use crate::state::ApiState;
use crate::time;

/// What holds for a tenant that says nothing, and after `null`.
const DEFAULT_TIMEZONE: &str = "UTC";
/// The same of the locale.
const DEFAULT_LOCALE: &str = "en";
/// How a change is written.
const FORM: &str = "{\"timezone\": \"Asia/Almaty\", \"locale\": \"kk\"}";
/// Longest locale, in bytes: RFC 5646 asks for 35.
const MAX_LOCALE: usize = 35;
/// Longest object of contacts or billing, in bytes.
const MAX_PROFILE: usize = 16 * 1024;

/// A tenant.
#[derive(Serialize, ToSchema)]
pub struct TenantBody {
    /// `ten_…`
    id: String,
    /// For people.
    name: String,
    /// IANA name: where dates without an offset are taken to be.
    timezone: String,
    /// BCP 47: the language of problems for which no `Accept-Language` asks, and of plugins that write for people.
    locale: String,
    /// What it has bought; null: nothing special. The operator's to change.
    edition: Option<String>,
    /// Whom to ask there.
    #[schema(value_type = Object)]
    contacts: Json,
    /// To whom to send what it costs.
    #[schema(value_type = Object)]
    billing: Json,
    /// The pipeline that `docmill run` takes if none is named.
    default_pipeline: Option<String>,
    /// Whether only versions of plugins run that are signed by a key of `/v1/signing-keys`. docmill's own need no signature.
    require_signatures: bool,
    /// What it may use, by name: `value` (null: not limited), and whether that is the host's `default`. The operator's to change.
    #[schema(value_type = Object)]
    limits: Json,
}

/// What is to change of a tenant. What is left out stays, `null` brings the default back.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TenantPatch {
    /// IANA name: `Asia/Almaty`. By default `UTC`.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    timezone: Option<Option<String>>,
    /// BCP 47, in English, Russian or Kazakh: `ru`, `kk-KZ`. By default `en`.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    locale: Option<Option<String>>,
    /// An object of at most 16 KiB: whom to ask there.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Object>)]
    contacts: Option<Option<Json>>,
    /// An object of at most 16 KiB: to whom to send what it costs.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Object>)]
    billing: Option<Option<Json>>,
    /// The name of a pipeline, for `docmill run` without one.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    default_pipeline: Option<Option<String>>,
    /// Whether only signed versions of plugins run. By default false.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<bool>)]
    require_signatures: Option<Option<bool>>,
}

/// Tells `null` from what is left out.
fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// The tenant of this key.
#[utoipa::path(
    get, path = "/v1/tenant", tag = "tenant", security(("key" = ["tenant:read"])),
    responses((status = 200, body = TenantBody), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub async fn show(State(state): State<ApiState>, caller: May<ReadTenant>) -> Result<Response, Problem> {
    let row = state
        .store()
        .get_tenant(caller.tenant())
        .await
        .map_err(|e| e.failure())?;
    answer(&state, row)
}

/// Change what the tenant says of itself. What it may use is the operator's to change (`docmill tenant set NAME …`).
///
/// The body is merged (RFC 7396). `If-Match: "3"` changes only version 3. Pipelines whose steps leave `locale` to the tenant
/// run in the new one at once on this host, within a second on others; problems follow within 5 s.
#[utoipa::path(
    patch, path = "/v1/tenant", tag = "tenant", security(("key" = ["tenant:write"])),
    request_body(description = "What is to change", content((TenantPatch = "application/merge-patch+json"), (TenantPatch = "application/json"))),
    responses((status = 200, body = TenantBody), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub async fn change(
    State(state): State<ApiState>,
    caller: May<WriteTenant>,
    request: Request,
) -> Result<Response, Problem> {
    let expected = expected_version(request.headers())?;
    let (parts, body) = request.into_parts();
    let patch: TenantPatch = object(&state, &parts.headers, body, FORM).await?;
    let timezone = patch
        .timezone
        .map(|given| timezone_of(given.as_deref().unwrap_or(DEFAULT_TIMEZONE)))
        .transpose()?;
    let locale = patch
        .locale
        .map(|given| locale_of(given.as_deref().unwrap_or(DEFAULT_LOCALE)))
        .transpose()?;
    let contacts = patch
        .contacts
        .map(|given| profile_of("contacts", given))
        .transpose()?;
    let billing = patch
        .billing
        .map(|given| profile_of("billing", given))
        .transpose()?;
    if let Some(Some(name)) = &patch.default_pipeline {
        known_pipeline(&state, &caller, name).await?;
    }
    let wanted = TenantChange {
        timezone: timezone.as_deref(),
        locale: locale.as_deref(),
        contacts: contacts.as_ref(),
        billing: billing.as_ref(),
        default_pipeline: patch.default_pipeline.as_ref().map(Option::as_deref),
        require_signatures: patch.require_signatures.map(Option::unwrap_or_default),
        expected_version: expected,
    };
    let (row, changed) = state
        .store()
        .change_tenant(caller.tenant(), &wanted)
        .await
        .map_err(|error| match error {
            StoreError::Conflict { what } => Problem::new(Code::PreconditionFailed, what),
            other => other.failure().into(),
        })?;
    if changed {
        // What this host remembers of keys holds the locale, what it remembers of plans was made with it.
        state.doubt_callers_of(caller.tenant());
        state.runs().changed(caller.tenant());
        let named = [
            ("timezone", timezone.is_some()),
            ("locale", locale.is_some()),
            ("contacts", contacts.is_some()),
            ("billing", billing.is_some()),
            ("default_pipeline", patch.default_pipeline.is_some()),
            ("require_signatures", patch.require_signatures.is_some()),
        ];
        let named: Vec<&str> = named
            .iter()
            .filter(|(_, given)| *given)
            .map(|(name, _)| *name)
            .collect();
        let subject = row.tenant.to_string();
        let detail = json!({ "version": row.version, "settings": named });
        caller.note(&state, "tenant.change", &subject, detail).await;
    }
    answer(&state, row)
}

fn answer(state: &ApiState, row: TenantRow) -> Result<Response, Problem> {
    let version = row.version;
    let body = body(row, state.runs().quotas().limiter().defaults());
    Ok(tagged(body_of(&body)?, version))
}

/// The same for the command line on the machine itself.
///
/// # Errors
/// Never: what is written is numbers and words.
pub fn tenant_body(row: TenantRow, defaults: &Allowance) -> serde_json::Result<Json> {
    serde_json::to_value(body(row, defaults))
}

fn body(row: TenantRow, defaults: &Allowance) -> TenantBody {
    let limits = limits_of(&row.limits, defaults);
    TenantBody {
        id: row.tenant.to_string(),
        name: row.name,
        timezone: row.timezone,
        locale: row.locale,
        edition: row.edition,
        contacts: row.contacts,
        billing: row.billing,
        default_pipeline: row.default_pipeline,
        require_signatures: row.require_signatures,
        limits,
    }
}

/// Every limit: what holds, and whether it is the host's default.
fn limits_of(own: &Allowance, defaults: &Allowance) -> Json {
    let whole = own.or(defaults);
    let numbers = NUMBERS.iter().map(|setting| {
        let shown = json!({
            "value": setting.of(&whole), "unit": setting.unit, "default": setting.of(own).is_none(),
        });
        (setting.name.to_owned(), shown)
    });
    let lists = [
        (&whole.allowed_plugins, own.allowed_plugins.is_none()),
        (&whole.allowed_models, own.allowed_models.is_none()),
    ];
    let lists = LISTS
        .into_iter()
        .zip(lists)
        .map(|(name, (list, default))| (name.to_owned(), json!({ "value": list, "default": default })));
    Json::Object(numbers.chain(lists).collect::<Map<String, Json>>())
}

/// An object; none makes it empty.
fn profile_of(name: &str, given: Option<Json>) -> Result<Json, Problem> {
    let given = given.unwrap_or_else(|| json!({}));
    if given.is_object() && given.to_string().len() <= MAX_PROFILE {
        return Ok(given);
    }
    let said = format!("'{name}' is an object of at most {MAX_PROFILE} bytes");
    Err(Problem::malformed(said))
}

async fn known_pipeline(state: &ApiState, caller: &Caller, name: &str) -> Result<(), Problem> {
    let found = is_name(name)
        && state
            .store()
            .get_pipeline(caller.tenant(), name)
            .await
            .map_err(|e| e.failure())?
            .is_some();
    if found {
        return Ok(());
    }
    let shown: String = name.chars().filter(|c| !c.is_control()).take(60).collect();
    let said = format!("'default_pipeline' names a pipeline that there is, or is null; '{shown}' is none");
    Err(Problem::malformed(said))
}

/// The name as IANA writes it.
fn timezone_of(text: &str) -> Result<String, Problem> {
    let zone = time::zone(text);
    let name = zone.as_ref().and_then(|zone| zone.iana_name());
    name.map(str::to_owned).ok_or_else(|| {
        let shown: String = text.chars().filter(|c| !c.is_control()).take(60).collect();
        Problem::malformed(format!(
            "'{shown}' is not a time zone; write a name of the IANA database, such as Asia/Almaty or UTC"
        ))
    })
}

/// The tag as RFC 5646 recommends to write it: `kk-Cyrl-KZ`.
fn locale_of(text: &str) -> Result<String, Problem> {
    let well_formed = text.len() <= MAX_LOCALE
        && text
            .split('-')
            .all(|part| (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric()));
    if !well_formed || Language::of_tag(text).is_none() {
        let shown: String = text.chars().filter(|c| !c.is_control()).take(60).collect();
        return Err(Problem::malformed(format!(
            "'{shown}' is not a locale that docmill speaks; write a tag of English, Russian or Kazakh, such as en, ru or kk-KZ"
        )));
    }
    let cased = text.split('-').enumerate().map(|(place, part)| {
        let lower = part.to_ascii_lowercase();
        match (place, part.len()) {
            (1.., 2) => lower.to_ascii_uppercase(),
            (1.., 4) => {
                let (first, rest) = lower.split_at(1);
                format!("{}{rest}", first.to_ascii_uppercase())
            }
            _ => lower,
        }
    });
    Ok(cased.collect::<Vec<_>>().join("-"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::object_of;

    #[test]
    fn zones_and_locales_are_judged_and_written_as_they_should_be() {
        assert_eq!(timezone_of("asia/almaty").unwrap(), "Asia/Almaty");
        assert_eq!(locale_of("RU").unwrap(), "ru");
        assert_eq!(locale_of("KK-cyrl-kz").unwrap(), "kk-Cyrl-KZ");
        assert_eq!(locale_of("en-001").unwrap(), "en-001");
        for bad in ["Asia", "", "UTC+5", "Asia/Almaty\0"] {
            assert!(timezone_of(bad).is_err(), "{bad}");
        }
        for bad in [
            "",
            "de",
            "russian",
            "ru_RU",
            "ru-",
            "ru-ö",
            "ru-123456789",
            "kk\0",
        ] {
            assert!(locale_of(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_left_out_is_not_what_is_null() {
        let patch: TenantPatch = object_of(br#" {"locale": null}"#, FORM).unwrap();
        assert_eq!((patch.timezone, patch.locale), (None, Some(None)));
        for bad in [
            r#"{"name": "x"}"#,
            r#"{"locale": 1}"#,
            "[]",
            r#"{"locale": "ru", "locale": "kk"}"#,
        ] {
            let read = object_of::<TenantPatch>(bad.as_bytes(), FORM);
            assert!(read.is_err(), "{bad}");
        }
    }
}
