//! Verifying: the chain is computed again from the rows, in batches, and compared with what the sealer wrote.

use docmill_model::id::{AuditId, TenantId};
use serde::Serialize;
use uuid::Uuid;

use super::Head;
use super::encoding::Entry;
use crate::connect::Store;
use crate::convert::digest;
use crate::error::StoreError;

/// Entries that are held in memory at once.
const BATCH: usize = 1_000;
/// Entries that one call looks at: a second's work or two.
const CALL: u64 = 100_000;

/// What is wrong with a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// The entry at this place is not the one that was sealed there.
    Changed,
    /// Two or more entries changed places: the one that belongs here stands somewhere near.
    Reordered,
    /// There is no entry at this place, and there are later ones.
    Missing,
    /// There are two entries at this place.
    Doubled,
    /// The last entries, from this place on, are not there.
    CutOff,
    /// The chain is whole, but not the one that had the known head: it was written anew.
    Rewritten,
    /// The chain is whole, but `docmill.audit_head` does not agree with it.
    HeadChanged,
}

/// The first place where a chain breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Break {
    /// What is wrong.
    pub fault: Fault,
    /// Where.
    pub seq: i64,
    /// The entry that stands there.
    pub entry: Option<AuditId>,
    /// The same for a person.
    pub said: String,
}

/// What verifying found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Entries whose hashes were computed again and were right.
    pub checked: u64,
    /// The last of them. If nothing is broken: where to go on, and what to keep elsewhere.
    pub head: Head,
    /// The end of the chain was reached, or a break. If not, call again with `head` as `from`.
    pub complete: bool,
    /// The first break.
    pub broken: Option<Break>,
}

/// A walk along a chain.
struct Walk {
    checked: u64,
    /// The last entry that was right.
    at: Head,
    /// What has to be found on the way, and what it means if it is not.
    expected: [Option<(Head, Fault)>; 2],
}

impl Store {
    /// Computes a part of the tenant's chain again: the entries after `from`, which is taken for right, at most 100 000 of
    /// them. `known` is a head that was seen earlier, by this or by somebody else: the chain has to lead through it.
    ///
    /// # Errors
    /// When the database does not answer. A broken chain is no error.
    pub async fn verify_audit(
        &self,
        tenant: TenantId,
        from: Head,
        known: Option<Head>,
    ) -> Result<Verified, StoreError> {
        // Read first: the chain grows meanwhile, but it never ends before this place again.
        let kept = self.audit_head(tenant).await?;
        let mut walk = Walk {
            checked: 0,
            at: from,
            expected: [
                known.map(|head| (head, Fault::Rewritten)),
                kept.map(|head| (head, Fault::HeadChanged)),
            ],
        };
        let begins = self.begins(tenant, from).await?;
        let (mut complete, mut broken) = (false, begins.or_else(|| walk.meets_expected(None)));
        while broken.is_none() && !complete && walk.checked < CALL {
            // One more than is looked at shows whether the last has a double.
            let entries = self.audit_entries(tenant, walk.at.seq, BATCH + 1).await?;
            complete = entries.len() <= BATCH;
            broken = walk.along(&entries);
        }
        if complete && broken.is_none() {
            broken = walk.ends(kept.is_some());
        }
        Ok(Verified {
            checked: walk.checked,
            head: walk.at,
            complete: complete || broken.is_some(),
            broken,
        })
    }

    /// Whether the chain leads through the place where the walk begins.
    async fn begins(&self, tenant: TenantId, from: Head) -> Result<Option<Break>, StoreError> {
        if from.seq == 0 {
            let said = "before the first entry stands 0, with a hash of zeros".to_owned();
            let other = from != Head::START;
            return Ok(other.then(|| broken(Fault::Rewritten, 0, None, said)));
        }
        let found = self.audit_entries(tenant, from.seq - 1, 1).await?;
        Ok(match found.first() {
            None => {
                let said = format!(
                    "the chain ends before {}, where it was to be looked at from",
                    from.seq
                );
                Some(broken(Fault::CutOff, from.seq, None, said))
            }
            Some(entry) if entry.seq != from.seq => Some(missing(from.seq, entry.seq)),
            Some(entry) if !entry.has(&from.hash) => {
                let said = format!("the entry at {} has another hash than was given", from.seq);
                Some(broken(Fault::Rewritten, from.seq, Some(entry.id), said))
            }
            Some(_) => None,
        })
    }

    async fn audit_head(&self, tenant: TenantId) -> Result<Option<Head>, StoreError> {
        let mut tx = self.tenant(tenant).await?;
        let row = sqlx::query!(
            "select seq, hash from docmill.audit_head where tenant_id = $1",
            tenant.uuid()
        )
        .fetch_optional(tx.connection())
        .await?;
        tx.end().await?;
        row.map(|row| {
            Ok(Head {
                seq: row.seq,
                hash: digest(&row.hash)?,
            })
        })
        .transpose()
    }

    async fn audit_entries(
        &self,
        tenant: TenantId,
        after: i64,
        limit: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        let mut tx = self.tenant(tenant).await?;
        let rows = sqlx::query_as!(
            Entry,
            r#"select seq as "seq!", tenant_id as tenant, id,
                      (extract(epoch from at) * 1000000)::bigint as "at_us!", action, subject, key_id as key,
                      text(client_ip) as client_ip, request_id as request, detail::text as detail,
                      coalesce(hash, '') as "hash!"
               from docmill.audit_entry
               where tenant_id = $1 and seq > $2 and seq is not null
               order by seq limit $3"#,
            tenant.uuid(),
            after,
            i64::try_from(limit).unwrap_or(i64::MAX),
        )
        .fetch_all(tx.connection())
        .await?;
        tx.end().await?;
        Ok(rows)
    }
}

impl Walk {
    /// Goes along a batch; the entry after it is only looked at.
    fn along(&mut self, entries: &[Entry]) -> Option<Break> {
        for (place, entry) in entries.iter().take(BATCH).enumerate() {
            let seq = self.at.seq + 1;
            if entry.seq != seq {
                return Some(missing(seq, entry.seq));
            }
            let next = entries.get(place + 1);
            if let Some(double) = next.filter(|next| next.seq == seq) {
                let said = format!(
                    "two entries stand at {seq}: {} and {}",
                    aud(entry.id),
                    aud(double.id)
                );
                return Some(broken(Fault::Doubled, seq, Some(entry.id), said));
            }
            let hash = entry.hash_at(seq, &self.at.hash);
            if !entry.has(&hash) {
                return Some(self.wrong(entry, entries));
            }
            self.checked += 1;
            self.at = Head { seq, hash };
            if let Some(found) = self.meets_expected(Some(entry.id)) {
                return Some(found);
            }
        }
        None
    }

    /// The entry at the next place is not the right one: is the right one near?
    fn wrong(&self, entry: &Entry, near: &[Entry]) -> Break {
        let seq = self.at.seq + 1;
        let belongs = near.iter().filter(|other| other.id != entry.id).find(|other| {
            let hash = other.hash_at(seq, &self.at.hash);
            // Its hash moved with it, or stayed at its place.
            other.has(&hash) || entry.has(&hash)
        });
        match belongs {
            Some(other) => {
                let said = format!(
                    "entries changed places: at {seq} stands {}, and {}, which belongs there, stands at {}",
                    aud(entry.id),
                    aud(other.id),
                    other.seq
                );
                broken(Fault::Reordered, seq, Some(entry.id), said)
            }
            None => {
                let said = format!(
                    "the entry at {seq}, {}, is not as it was sealed, or the one before it is another",
                    aud(entry.id)
                );
                broken(Fault::Changed, seq, Some(entry.id), said)
            }
        }
    }

    /// Whether the chain has, at this place, the hash that it must have.
    fn meets_expected(&self, entry: Option<Uuid>) -> Option<Break> {
        let mut at_this_place = self.expected.iter().flatten();
        let (head, fault) =
            at_this_place.find(|(head, _)| head.seq == self.at.seq && head.hash != self.at.hash)?;
        let seq = head.seq;
        let said = match fault {
            Fault::Rewritten => format!(
                "the chain has another hash at {seq} than the head that was given: it was written anew, or the head is of another log"
            ),
            _ => {
                format!("the chain has another hash at {seq} than docmill.audit_head, where its end is kept")
            }
        };
        Some(broken(*fault, seq, entry, said))
    }

    /// Whether the chain may end here.
    fn ends(&self, has_head: bool) -> Option<Break> {
        let seq = self.at.seq;
        let longest = self.expected.iter().flatten().map(|(head, _)| head.seq).max();
        if let Some(last) = longest.filter(|last| *last > seq) {
            let said = format!(
                "the chain ends at {seq} and went on to {last}: {} cut off",
                count(last - seq)
            );
            return Some(broken(Fault::CutOff, seq + 1, None, said));
        }
        if seq > 0 && !has_head {
            let said =
                format!("the chain ends at {seq}, and docmill.audit_head, where that is kept, has no row");
            return Some(broken(Fault::HeadChanged, seq, None, said));
        }
        None
    }
}

fn missing(seq: i64, found: i64) -> Break {
    let said = format!(
        "{} missing from {seq} on; the next one that is there stands at {found}",
        count(found - seq)
    );
    broken(Fault::Missing, seq, None, said)
}

fn broken(fault: Fault, seq: i64, entry: Option<Uuid>, said: String) -> Break {
    Break {
        fault,
        seq,
        entry: entry.map(Into::into),
        said,
    }
}

fn aud(id: Uuid) -> AuditId {
    id.into()
}

fn count(entries: i64) -> String {
    if entries == 1 {
        "1 entry is".to_owned()
    } else {
        format!("{entries} entries are")
    }
}
