//! Who calls: a handler that takes a [`Caller`] cannot be reached without a valid key.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header;
use axum::http::request::Parts;
use docmill_model::digest::Digest;
use docmill_model::failure::{Code, Failure};
use docmill_model::id::TenantId;
use docmill_runs::Acting;
use docmill_store::who;

use crate::language::Language;
use crate::observe::Context;
use crate::problem::Problem;
use crate::state::ApiState;

/// Longest key that is looked at.
const MAX_SECRET: usize = 200;

/// The key that was sent, and the tenant that it acts for.
pub struct Caller {
    who: Arc<who::Caller>,
    context: Context,
}

impl Caller {
    /// Owns whatever the caller sees.
    pub fn tenant(&self) -> TenantId {
        self.who.tenant
    }

    /// What is known of the key.
    pub fn who(&self) -> &who::Caller {
        &self.who
    }

    /// The request that the caller sent.
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// The same for the data plane.
    pub fn acting(&self) -> Acting {
        Acting {
            tenant: self.who.tenant,
            key: Some(self.who.key),
            client_ip: self.context.client_ip(),
            request: self.context.request(),
        }
    }

    /// A line for the audit log.
    pub fn audit<'a>(
        &self,
        action: &'a str,
        subject: &'a str,
        detail: serde_json::Value,
    ) -> who::AuditEntry<'a> {
        who::AuditEntry {
            action,
            subject,
            key: Some(self.who.key),
            client_ip: self.context.client_ip(),
            request: Some(self.context.request()),
            detail,
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
        let secret = secret(parts)?;
        // The memory holds digests, not keys.
        let key = Digest::of(secret.as_bytes());
        let who = state
            .callers()
            .get(&key, |_| async {
                let found = state
                    .store()
                    .authenticate(secret)
                    .await
                    .map_err(|e| e.failure())?;
                found
                    .map(Arc::new)
                    .ok_or_else(|| Failure::new(Code::Unauthenticated, "the key is unknown or was revoked"))
            })
            .await?;
        context.set_caller(who.tenant, who.key);
        if let Some(language) = Language::of_tag(&who.locale) {
            context.set_language(language);
        }
        Ok(Self { who, context })
    }
}

fn secret(parts: &Parts) -> Result<&str, Problem> {
    let refuse = |said| Problem::new(Code::Unauthenticated, said);
    let header = parts
        .headers
        .get(header::AUTHORIZATION)
        .ok_or_else(|| refuse("the header `Authorization: Bearer …` is missing"))?;
    header
        .to_str()
        .ok()
        .and_then(|text| text.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, secret)| secret.trim())
        .filter(|secret| {
            (1..=MAX_SECRET).contains(&secret.len()) && secret.bytes().all(|b| b.is_ascii_graphic())
        })
        .ok_or_else(|| refuse("the header Authorization is not of the form `Bearer <key>`"))
}
