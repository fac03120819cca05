//! What a handler asks of its caller stands in its signature: `caller: May<ReadRuns>`. Without it the handler is not reached.

use std::marker::PhantomData;
use std::ops::Deref;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use docmill_model::access::{Clearance, Scope};
use docmill_model::failure::Code;

use crate::caller::Caller;
use crate::problem::Problem;
use crate::state::ApiState;

/// Something that not every caller may.
pub trait Permission {
    /// The scope that it takes.
    const SCOPE: Scope;
}

macro_rules! permissions {
    ($($(#[$doc:meta])* $name:ident = $scope:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        pub struct $name;

        impl Permission for $name {
            const SCOPE: Scope = Scope::$scope;
        }
    )*};
}

permissions! {
    /// Run pipelines.
    InvokeRuns = RunsInvoke;
    /// Read runs.
    ReadRuns = RunsRead;
    /// Read documents.
    ReadDocuments = DocumentsRead;
    /// Change documents.
    WriteDocuments = DocumentsWrite;
    /// Read pipelines.
    ReadPipelines = PipelinesRead;
    /// Save pipelines.
    WritePipelines = PipelinesWrite;
    /// See plugins.
    ReadPlugins = PluginsRead;
    /// Publish plugins.
    WritePlugins = PluginsWrite;
    /// Grant plugins capabilities.
    GrantPlugins = GrantsWrite;
    /// Keep and forget secrets.
    WriteSecrets = SecretsWrite;
    /// See users.
    ReadUsers = UsersRead;
    /// Change users.
    WriteUsers = UsersWrite;
    /// See keys.
    ReadKeys = KeysRead;
    /// Make and revoke keys.
    WriteKeys = KeysWrite;
    /// See the organisation's settings.
    ReadTenant = TenantRead;
    /// Change them.
    WriteTenant = TenantWrite;
    /// See what was used.
    ReadUsage = UsageRead;
    /// Read the audit log.
    ReadAudit = AuditRead;
}

/// A caller who may do what `P` stands for.
pub struct May<P>(Caller, PhantomData<P>);

impl<P> Deref for May<P> {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.0
    }
}

impl<P: Permission> FromRequestParts<ApiState> for May<P> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Problem> {
        let caller = Caller::from_request_parts(parts, state).await?;
        caller.must(P::SCOPE)?;
        Ok(Self(caller, PhantomData))
    }
}

impl Caller {
    /// Whether the caller has the scope.
    pub fn may(&self, scope: Scope) -> bool {
        self.who().scopes.has(scope)
    }

    /// Refuses whoever may not see what has the tier, and wants to decide about it: to `give something the tier`.
    ///
    /// # Errors
    /// [`Code::Forbidden`], naming both.
    pub fn cleared_for(&self, tier: Clearance, wants: &str) -> Result<(), Problem> {
        let cleared = self.who().clearance;
        if cleared.sees(tier) {
            return Ok(());
        }
        let said = format!("you are cleared for {cleared}, which is not enough to {wants} {tier}");
        Err(Problem::new(Code::Forbidden, said))
    }

    /// Refuses whoever does not have the scope.
    ///
    /// # Errors
    /// [`Code::Forbidden`], naming it.
    pub fn must(&self, scope: Scope) -> Result<(), Problem> {
        if self.may(scope) {
            return Ok(());
        }
        let said = format!(
            "this takes the scope {scope}, which '{}' (role {}) does not have",
            self.who().name,
            self.who().role
        );
        Err(Problem::new(Code::Forbidden, said))
    }
}
