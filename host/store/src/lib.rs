//! What the platform keeps, in PostgreSQL. The only crate with SQL.
//!
//! A [`Store`] is a pool of connections that act as the role `docmill_app`, which owns nothing and passes no row-level
//! security. Every method that touches a tenant's rows takes the tenant first and works inside a `TenantTx`;
//! the few that work across tenants call a function of the database that was written for that one purpose.
//!
//! Methods are grouped by what they are about: [`who`], [`plugin`], [`grant`], [`secret`], [`preset`], [`pipeline`], [`document`], [`run`],
//! [`audit`], [`usage`], [`value`].
#![cfg_attr(test, expect(clippy::unwrap_used, reason = "a test that cannot go on panics"))]

pub mod connect;
pub mod error;
pub mod health;

mod clean;
mod convert;
mod line;
mod tenant;

pub mod audit;
pub mod document;
pub mod grant;
pub mod model;
pub mod pipeline;
pub mod plugin;
pub mod preset;
pub mod queue;
pub mod run;
pub mod secret;
pub mod signing;
pub mod usage;
pub mod value;
pub mod who;

pub mod embedded;

pub use connect::{Settings, Store, migrate};
pub use error::StoreError;
pub use health::Health;
pub use tenant::Sight;

/// Some rows of many, and where to go on.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Page<T, C> {
    /// Newest first, or by name.
    pub items: Vec<T>,
    /// Pass it to get the rows that follow; none: these were the last.
    pub next: Option<C>,
}

impl<T, C> Page<T, C> {
    /// The page of `limit` rows out of one row more, which tells that there are others; `cursor` is the place of a row.
    pub(crate) fn of(mut items: Vec<T>, limit: u32, cursor: impl Fn(&T) -> C) -> Self {
        let more = items.len() > limit as usize;
        items.truncate(limit as usize);
        let next = items.last().filter(|_| more).map(cursor);
        Self { items, next }
    }
}
