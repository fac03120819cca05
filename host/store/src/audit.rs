//! The audit log: append-only, and a chain. Who acts inserts entries that have no place yet; a sealer gives each its place and
//! its hash ([`Store::seal_audit`]); [`Store::verify_audit`] computes the chain again and names the place where it breaks.

mod encoding;
mod list;
mod seal;
mod verify;

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use docmill_model::access::Clearance;
use docmill_model::digest::Digest;
use docmill_model::id::{AuditId, KeyId, RequestId, TenantId};
use docmill_model::run::Millis;
use serde_json::Value;
use uuid::Uuid;

use crate::clean::{json_text, text};
use crate::connect::{Store, again_if_cut};
use crate::error::StoreError;
use crate::tenant::Sight;

pub use list::{AuditFilter, AuditRow};
pub(crate) use seal::Sealing;
pub use seal::{ALARM, Lag, Sealed};
pub use verify::{Break, Fault, Verified};

/// Longest subject that is kept, in bytes; the database refuses more.
const MAX_SUBJECT_BYTES: usize = 2_000;

/// A place of a chain with its hash, as text `SEQ:HASH`. Whoever keeps one elsewhere can tell later whether everything up to
/// there is still what it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// From 1; 0: before the first entry.
    pub seq: i64,
    /// SHA-256.
    pub hash: Digest,
}

impl Head {
    /// Before the first entry.
    pub const START: Self = Self {
        seq: 0,
        hash: Digest::from_bytes([0; 32]),
    };
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.seq, self.hash)
    }
}

/// The text is not of the form `SEQ:HASH`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a place of the audit log is written SEQ:HASH, a number and 64 hexadecimal digits")]
pub struct InvalidHead;

impl FromStr for Head {
    type Err = InvalidHead;

    fn from_str(text: &str) -> Result<Self, InvalidHead> {
        let (seq, hash) = text.split_once(':').ok_or(InvalidHead)?;
        if seq.is_empty() || !seq.bytes().all(|b| b.is_ascii_digit()) {
            return Err(InvalidHead);
        }
        Ok(Self {
            seq: seq.parse().map_err(|_| InvalidHead)?,
            hash: hash.parse().map_err(|_| InvalidHead)?,
        })
    }
}

/// Something that happened and is to be written down, perhaps a moment later.
#[derive(Debug, Clone, PartialEq)]
pub struct NewEntry {
    /// Written twice under one id, it is there once.
    pub id: AuditId,
    /// When it happened.
    pub at: Millis,
    /// `run.read`
    pub action: &'static str,
    /// The id or name of what was acted on.
    pub subject: String,
    /// Which key acted; none: the platform.
    pub key: Option<KeyId>,
    /// From where.
    pub client_ip: Option<IpAddr>,
    /// In which request.
    pub request: Option<RequestId>,
    /// More: names, versions, digests; never values.
    pub detail: Option<Value>,
}

impl Store {
    /// Writes lines to the tenant's audit log, in one transaction. Those that are there already are left as they are: after an
    /// answer that did not come, it can be done again.
    ///
    /// # Errors
    /// When the database does not answer; when it refuses one of them, and then none is written.
    pub async fn audit_all(&self, tenant: TenantId, entries: &[NewEntry]) -> Result<(), StoreError> {
        let column = |value: fn(&NewEntry) -> Uuid| entries.iter().map(value).collect::<Vec<_>>();
        let ids = column(|e| e.id.uuid());
        let at: Vec<i64> = entries.iter().map(|e| e.at).collect();
        let actions: Vec<String> = entries.iter().map(|e| e.action.to_owned()).collect();
        let subjects: Vec<String> = entries.iter().map(|e| subject(&e.subject)).collect();
        let keys: Vec<Option<Uuid>> = entries.iter().map(|e| e.key.map(KeyId::uuid)).collect();
        let addresses: Vec<Option<String>> = entries
            .iter()
            .map(|e| e.client_ip.map(|ip| ip.to_string()))
            .collect();
        let requests: Vec<Option<Uuid>> = entries.iter().map(|e| e.request.map(RequestId::uuid)).collect();
        let details = entries
            .iter()
            .map(|e| e.detail.as_ref().map(json_text).transpose())
            .collect::<Result<Vec<Option<String>>, _>>()?;
        let write = || async {
            let mut line = self.line().await?;
            line.begin(Sight::of(tenant, Clearance::everybody())).await?;
            sqlx::query!(
                "insert into docmill.audit_entry
                     (tenant_id, id, at, action, subject, key_id, client_ip, request_id, detail)
                 select $1, n.id, docmill.time_at(n.at), n.action, n.subject, n.key_id, n.client_ip::inet, n.request_id,
                     n.detail::jsonb
                 from unnest($2::uuid[], $3::bigint[], $4::text[], $5::text[], $6::uuid[], $7::text[], $8::uuid[], $9::text[])
                     n(id, at, action, subject, key_id, client_ip, request_id, detail)
                 on conflict (tenant_id, id) do nothing",
                tenant.uuid(),
                &ids,
                &at,
                &actions,
                &subjects,
                &keys as &[Option<Uuid>],
                &addresses as &[Option<String>],
                &requests as &[Option<Uuid>],
                &details as &[Option<String>],
            )
            .execute(&mut line)
            .await?;
            line.commit().await
        };
        Ok(again_if_cut(write).await?)
    }
}

/// As it can be kept and indexed.
fn subject(given: &str) -> String {
    let kept = text(given);
    let end = kept.floor_char_boundary(MAX_SUBJECT_BYTES);
    kept.get(..end).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_read_as_they_are_written() {
        let head = Head {
            seq: 17,
            hash: Digest::of(b"x"),
        };
        assert_eq!(head.to_string().parse(), Ok(head));
        assert_eq!(Head::START.to_string().parse(), Ok(Head::START));
        let zeros = "0".repeat(64);
        for bad in [
            String::new(),
            "1".to_owned(),
            "1:".to_owned(),
            format!("-1:{zeros}"),
            format!("+1:{zeros}"),
            format!(":{zeros}"),
            format!("99999999999999999999:{zeros}"),
            format!("1:{zeros}0"),
        ] {
            assert_eq!(bad.parse::<Head>(), Err(InvalidHead), "{bad}");
        }
    }

    #[test]
    fn a_subject_is_cut_between_two_letters() {
        assert_eq!(subject("a\0"), "a\u{fffd}");
        let long = subject(&"ж".repeat(5_000));
        assert_eq!(long, "ж".repeat(1_000));
    }
}
