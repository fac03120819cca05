//! Runs on behalf of one end user. Each host counts them; with Redis, what a host would give is asked there, too, because an
//! end user's few runs a minute cannot be handed out in portions.

use docmill_model::quota::Quota;

use crate::{Limiter, Refusal, Tenant};

impl Limiter {
    /// Counts a run on behalf of the end user.
    ///
    /// # Errors
    /// When there were as many in the last minute as there may be.
    pub async fn subject(&self, tenant: &Tenant, subject: &str) -> Result<(), Refusal> {
        let Some(limit) = tenant.allowance().subject_runs_per_minute else {
            return Ok(());
        };
        let now = self.at().ticks;
        let refused = |wait| Err(self.refuse(Refusal::new(Quota::SubjectRunsPerMinute, limit, wait)));
        // What this host may give alone is never more than what all may, so it comes first.
        let own = tenant
            .subjects
            .with(subject.into(), limit, now, |rate| rate.take(now));
        if let Err(wait) = own {
            return refused(wait);
        }
        let denied = match self.shared() {
            Some(shared) => shared.subject(tenant.id, subject, limit, self.clock()).await,
            None => None,
        };
        let Some(wait) = denied else { return Ok(()) };
        tenant
            .subjects
            .with(subject.into(), limit, now, crate::rate::Rate::give_back);
        refused(wait)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use docmill_model::id::TenantId;

    use crate::{Known, Limiter, Settings, Tenant};

    async fn taken(limiter: &Limiter, tenant: &Tenant, subject: &str) -> usize {
        let mut taken = 0;
        while taken < 100 && limiter.subject(tenant, subject).await.is_ok() {
            taken += 1;
        }
        taken
    }

    #[tokio::test(start_paused = true)]
    async fn each_end_user_has_a_minute_of_their_own() {
        let limiter = Limiter::new(&Settings::default(), None, 1).unwrap();
        let mut known = Known {
            timezone: "UTC".into(),
            ..Known::default()
        };
        let id = TenantId::new();
        let tenant = limiter.know(id, &known);
        assert_eq!(taken(&limiter, &tenant, "anna").await, 100, "not limited");
        known.allowance.set("subject_runs_per_minute", "60").unwrap();
        limiter.know(id, &known);
        assert_eq!(taken(&limiter, &tenant, "anna").await, 60);
        assert_eq!(taken(&limiter, &tenant, "boris").await, 60);
        let refusal = limiter.subject(&tenant, "anna").await.unwrap_err();
        assert_eq!(refusal.exceeded.value, 60);
        assert_eq!(refusal.retry_after, Duration::from_secs(1));
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(taken(&limiter, &tenant, "anna").await, 10);
    }

    #[tokio::test(start_paused = true)]
    async fn without_redis_the_hosts_own_counts_hold() {
        // Nobody listens there.
        let limiter = Limiter::new(&Settings::default(), Some("redis://127.0.0.1:1/"), 1).unwrap();
        let mut known = Known {
            timezone: "UTC".into(),
            ..Known::default()
        };
        known.allowance.set("subject_runs_per_minute", "3").unwrap();
        let tenant = limiter.know(TenantId::new(), &known);
        assert_eq!(taken(&limiter, &tenant, "anna").await, 3);
    }
}
