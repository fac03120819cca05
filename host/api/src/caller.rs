//! Who calls: a handler that takes a [`Caller`] cannot be reached without a valid key or session.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header;
use axum::http::request::Parts;
use docmill_model::digest::Digest;
use docmill_model::failure::{Code, Failure};
use docmill_model::id::TenantId;
use docmill_oidc::{MAX_TOKEN_BYTES, Person, Refused, Verifier};
use docmill_quota::Tenant;
use docmill_runs::Acting;
use docmill_runs::now;
use docmill_store::Sight;
use docmill_store::who::{self, Credential, Ended};

use crate::language::Language;
use crate::observe::Context;
use crate::problem::Problem;
use crate::state::{ApiState, Seen, SignOn};

/// Longest key that is looked at.
const MAX_SECRET: usize = 200;
/// How often the use of a key is noted.
const USED_EVERY_MS: i64 = 60_000;

/// Whose key or session was sent, and the tenant that they act for.
pub struct Caller {
    who: Arc<who::Caller>,
    quota: Arc<Tenant>,
    context: Context,
}

impl Caller {
    /// Owns whatever the caller sees.
    pub fn tenant(&self) -> TenantId {
        self.who.tenant
    }

    /// How far the caller sees.
    pub fn sight(&self) -> Sight {
        Sight::of(self.who.tenant, self.who.clearance)
    }

    /// What is known of them.
    pub fn who(&self) -> &who::Caller {
        &self.who
    }

    /// What their tenant may use.
    pub fn quota(&self) -> &Arc<Tenant> {
        &self.quota
    }

    /// The request that the caller sent.
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// The same for the data plane.
    pub fn acting(&self) -> Acting {
        Acting {
            sight: self.sight(),
            key: self.who.key,
            user: self.who.user.as_ref().map(|(id, _)| *id),
            subject: None,
            client_ip: self.context.client_ip(),
            request: self.context.request(),
        }
    }

    /// Writes into the audit log what the caller changed. It is done: if it cannot be written, the host's log says so.
    pub async fn note(&self, state: &ApiState, action: &str, subject: &str, mut detail: serde_json::Value) {
        if let Some(detail) = detail.as_object_mut() {
            name_person(&self.who, detail);
        }
        let entry = who::AuditEntry {
            action,
            subject,
            key: self.who.key,
            client_ip: self.context.client_ip(),
            request: Some(self.context.request()),
            detail,
        };
        if let Err(error) = state.store().audit(self.who.tenant, &entry).await {
            tracing::error!(%error, action, subject, "a change is not in the audit log");
        }
    }
}

impl FromRequestParts<ApiState> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Problem> {
        let context = parts
            .extensions
            .get::<Context>()
            .cloned()
            .ok_or_else(|| Problem::new(Code::Internal, "a route is not observed"))?;
        of_secret(state, &context, secret(parts)?).await
    }
}

/// Whose key or session this is.
///
/// # Errors
/// [`Code::Unauthenticated`]; [`Code::QuotaExceeded`]; [`Code::StoreUnavailable`].
pub(crate) async fn of_secret(state: &ApiState, context: &Context, secret: &str) -> Result<Caller, Problem> {
    let vouched = vouched(state, secret, context.client_ip()).await?;
    // The memory holds digests, not keys.
    let key = Digest::of(secret.as_bytes());
    let Seen { who, tenant } = state
        .callers()
        .get(&key, |_| {
            ask(state, secret, vouched.as_ref(), context.client_ip())
        })
        .await?;
    // While the database is away, an answer of before serves for longer than some keys live.
    if who.expires_at.is_some_and(|end| end <= now()) {
        return Err(ended(Ended::Expired).into());
    }
    context.set_caller(Arc::clone(&who));
    if let Some(language) = Language::of_tag(&who.locale) {
        context.set_language(language);
    }
    context.set_quota(tenant.clone());
    state
        .runs()
        .quotas()
        .limiter()
        .request(&tenant)
        .await
        .map_err(Failure::from)?;
    Ok(Caller {
        who,
        quota: tenant,
        context: context.clone(),
    })
}

/// Says in an entry of the audit log, beside the key, which person acted.
pub(crate) fn name_person(who: &who::Caller, detail: &mut serde_json::Map<String, serde_json::Value>) {
    if let Some((user, _)) = &who.user {
        detail.insert("by_user".to_owned(), user.to_string().into());
    }
    let session = who.session.map(|session| session.to_string());
    if let Some(session) = session.or_else(|| who.console.map(|session| session.to_string())) {
        detail.insert("by_session".to_owned(), session.into());
    }
}

/// Asks the store whose it is, and notes that it is in use.
async fn ask(
    state: &ApiState,
    secret: &str,
    vouched: Option<&Vouched<'_>>,
    peer: Option<IpAddr>,
) -> Result<Seen, Failure> {
    let quotas = state.runs().quotas();
    if let Some(peer) = peer {
        // Who guesses does not get to the database any more. Keys that this host knows are not asked for, and go on.
        quotas.limiter().may_try(peer)?;
    }
    let found = match vouched {
        Some((sign_on, person)) => {
            let (tenant, email) = (&sign_on.tenant, &person.email);
            state.store().person(tenant, email, person.expires_at).await
        }
        None => state.store().authenticate(secret).await,
    };
    let caller = match found.map_err(|e| e.failure())? {
        Credential::Valid(caller) => Arc::new(*caller),
        Credential::Ended(why) => return Err(ended(why)),
        Credential::Unknown => {
            if let Some(peer) = peer {
                quotas.limiter().tried(peer);
            }
            let said = match vouched {
                Some((_, person)) => {
                    let shown: String = person
                        .email
                        .chars()
                        .filter(|c| !c.is_control())
                        .take(254)
                        .collect();
                    format!("the token is good, but there is no user {shown}: ask an owner to add you")
                }
                None => "nobody has this key; it may have been copied in part".to_owned(),
            };
            return Err(Failure::new(Code::Unauthenticated, said));
        }
    };
    if let Some(key) = caller.key
        && caller
            .last_used_at
            .is_none_or(|last| last < now() - USED_EVERY_MS)
    {
        let (store, tenant) = (state.store().clone(), caller.tenant);
        tokio::spawn(async move {
            if let Err(error) = store.touch_key(tenant, key).await {
                tracing::debug!(%error, "the use of a key could not be noted");
            }
        });
    }
    Ok(Seen {
        tenant: quotas.tenant(caller.tenant).await?,
        who: caller,
    })
}

/// An issuer, and whom it vouches for.
type Vouched<'a> = (&'a SignOn, Person);

/// Whom the issuer of this token vouches for; none: it is no token, or this host knows no issuer. Asked for every request, and
/// not remembered: it takes no question but for keys, and the issuer may be as slow as it likes without being taken for the
/// database.
async fn vouched<'a>(
    state: &'a ApiState,
    token: &str,
    peer: Option<IpAddr>,
) -> Result<Option<Vouched<'a>>, Failure> {
    let sign_on = state.settings().sign_on.as_ref();
    let Some(sign_on) = sign_on.filter(|_| Verifier::is_token(token)) else {
        return Ok(None);
    };
    match sign_on.verifier.verify(token).await {
        Ok(person) => Ok(Some((sign_on, person))),
        Err(Refused::Invalid(said)) => {
            if let Some(peer) = peer {
                state.runs().quotas().limiter().tried(peer);
            }
            Err(Failure::new(Code::Unauthenticated, said))
        }
        Err(Refused::Away(_)) => {
            let said = "the keys of the issuer that this token names cannot be had now; the log tells why";
            let mut failure = Failure::new(Code::IdentityUnavailable, said);
            failure.retry_after_ms = Some(10_000);
            Err(failure)
        }
    }
}

/// Only who has the secret is told.
fn ended(why: Ended) -> Failure {
    let said = match why {
        Ended::Revoked => "the key or session was revoked",
        Ended::Expired => "the key or session has expired",
        Ended::UserSuspended => "its user is suspended or was removed",
    };
    Failure::new(Code::Unauthenticated, said)
}

fn secret(parts: &Parts) -> Result<&str, Problem> {
    let refuse = |said| Problem::new(Code::Unauthenticated, said);
    let Some(header) = parts.headers.get(header::AUTHORIZATION) else {
        let in_address = parts
            .uri
            .query()
            .is_some_and(|query| query.contains("dm_") || query.contains("dms_"));
        return Err(refuse(if in_address {
            "a key stands in the address, where every proxy logs it: rotate it, and send the new one in the header `Authorization: Bearer …`"
        } else {
            "the header `Authorization: Bearer …` is missing"
        }));
    };
    header
        .to_str()
        .ok()
        .and_then(|text| text.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, secret)| secret.trim())
        .filter(|secret| {
            let most = if Verifier::is_token(secret) {
                MAX_TOKEN_BYTES
            } else {
                MAX_SECRET
            };
            (1..=most).contains(&secret.len()) && secret.bytes().all(|b| b.is_ascii_graphic())
        })
        .ok_or_else(|| refuse("the header Authorization is not of the form `Bearer <key>`"))
}
