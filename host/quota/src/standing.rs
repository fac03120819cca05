//! How a tenant stands: of each quota, how much there is, was used and is left.

use std::sync::atomic::Ordering;
use std::time::Duration;

use docmill_model::quota::{Allowance, Quota};

use crate::{At, Tenant};

/// How a tenant stands with one quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Which.
    pub quota: Quota,
    /// None: not limited.
    pub limit: Option<u64>,
    /// None: what is not limited is not counted.
    pub used: Option<u64>,
    /// What is left.
    pub remaining: Option<u64>,
    /// How long until all of it is there again; none: not by itself.
    pub resets_in: Option<Duration>,
}

impl Tenant {
    /// How it stands with each quota, on this host; of days, with what all hosts told each other.
    pub fn standing(&self, at: At) -> Vec<Standing> {
        let allowance = self.allowance();
        Quota::ALL
            .into_iter()
            .filter(|quota| *quota != Quota::FailedKeysPerMinute)
            .map(|quota| self.stands(quota, &allowance, at))
            .collect()
    }

    fn stands(&self, quota: Quota, allowance: &Allowance, at: At) -> Standing {
        let (limit, used, remaining, resets_in) = match quota {
            Quota::RequestsPerSecond | Quota::FailedKeysPerMinute => {
                let limit = allowance.burst();
                let (left, whole) = self.second.left(at.ticks);
                let used = limit.map(|limit| limit.saturating_sub(left));
                (allowance.requests_per_second, used, Some(left), Some(whole))
            }
            Quota::RequestsPerDay => {
                let limit = allowance.requests_per_day;
                let (used, rest) = {
                    let mut days = self.days();
                    (days.used(at.wall).0, days.rest(at.wall))
                };
                let left = limit.map(|limit| limit.saturating_sub(used));
                (limit, Some(used), left, Some(rest))
            }
            Quota::ConcurrentRuns => {
                let limit = allowance.concurrent_runs;
                let used = u64::try_from(self.running.load(Ordering::Acquire)).unwrap_or(u64::MAX);
                (
                    limit,
                    Some(used),
                    limit.map(|limit| limit.saturating_sub(used)),
                    None,
                )
            }
            Quota::CpuMsPerMinute => {
                let limit = allowance.cpu_ms_per_minute;
                let (left, whole) = self.cpu.left(at.ticks);
                let left = left / 1_000;
                let used = limit.map(|limit| limit.saturating_sub(left));
                (limit, used, Some(left), Some(whole))
            }
            // Of each end user, not of the tenant: there is no one count.
            Quota::SubjectRunsPerMinute => (allowance.subject_runs_per_minute, None, None, None),
            Quota::StoredBytes => {
                let limit = allowance.stored_bytes;
                let used = self.stored.used();
                (
                    limit,
                    Some(used),
                    limit.map(|limit| limit.saturating_sub(used)),
                    None,
                )
            }
        };
        let limited = limit.is_some();
        let counted = limited || quota == Quota::ConcurrentRuns;
        Standing {
            quota,
            limit,
            used: used.filter(|_| counted),
            remaining: remaining.filter(|_| limited),
            resets_in: resets_in.filter(|_| limited),
        }
    }

    /// What the header `RateLimit` says; none if requests are not limited.
    pub fn rate_limit(&self, at: At) -> Option<String> {
        let allowance = self.allowance();
        let limits = [
            (Quota::RequestsPerSecond, allowance.requests_per_second),
            (Quota::RequestsPerDay, allowance.requests_per_day),
        ];
        let mut said = Vec::with_capacity(limits.len());
        for (quota, limit) in limits {
            if limit.is_some() {
                let stands = self.stands(quota, &allowance, at);
                let (left, resets) = (
                    stands.remaining.unwrap_or(0),
                    stands.resets_in.unwrap_or_default(),
                );
                let seconds = resets.as_millis().div_ceil(1_000);
                said.push(format!("\"{quota}\";r={left};t={seconds}"));
            }
        }
        (!said.is_empty()).then(|| said.join(", "))
    }
}
