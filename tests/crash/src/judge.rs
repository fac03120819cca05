//! What the database says afterwards, beside what triggers and the processes' own logs saw meanwhile.

use std::collections::HashMap;
use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result};
use sqlx::{Connection as _, PgConnection};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use crate::cluster::Cluster;
use crate::load::Load;

/// What was promised, and how often it was broken.
#[derive(Debug, Default)]
pub struct Verdict {
    pub runs: i64,
    /// Orders that were accepted and have no run that is over.
    pub lost: i64,
    /// Orders with more than one run, and runs that ended more than once.
    pub committed_twice: i64,
    /// Steps that began after what they came to had been kept.
    pub reexecuted_steps: usize,
    /// Nothing in these runs can fail.
    pub failed: i64,
    /// Sums of the ledger that are not the sums of the steps.
    pub usage_differs: i64,
    /// Steps that are still kept of runs that are over, and runs whose end is not in the audit log.
    pub left_over: i64,
}

impl Verdict {
    pub fn is_good(&self) -> bool {
        self.lost == 0
            && self.committed_twice == 0
            && self.reexecuted_steps == 0
            && self.failed == 0
            && self.usage_differs == 0
            && self.left_over == 0
    }
}

/// Has the database write down when runs end and steps are kept, in a table that docmill does not know.
pub async fn watch(url: &str) -> Result<()> {
    let mut owner = PgConnection::connect(url).await?;
    sqlx::raw_sql(
        "create schema crash;
         create table crash.seen (what text not null, run uuid not null, step integer, at timestamptz not null);
         create function crash.ended() returns trigger language plpgsql security definer as $$
         begin
             insert into crash.seen values ('ended', new.id, null, clock_timestamp());
             return null;
         end $$;
         create function crash.kept() returns trigger language plpgsql security definer as $$
         begin
             insert into crash.seen values ('kept', new.run_id, new.step, clock_timestamp());
             return null;
         end $$;
         create trigger crash_ended after update on docmill.run for each row
             when (old.status in ('queued', 'running') and new.status not in ('queued', 'running'))
             execute function crash.ended();
         create trigger crash_kept after insert on docmill.checkpoint for each row execute function crash.kept();",
    )
    .execute(&mut owner)
    .await?;
    owner.close().await?;
    Ok(())
}

/// Waits until nothing is queued any more; whether that came in time.
pub async fn settled(url: &str, within: Duration) -> bool {
    let until = Instant::now() + within;
    loop {
        if let Ok(mut owner) = PgConnection::connect(url).await {
            let open = sqlx::query_scalar::<_, i64>(
                "select count(*) from docmill.run where status in ('queued', 'running')",
            );
            if let Ok(0) = open.fetch_one(&mut owner).await {
                return true;
            }
        }
        if Instant::now() > until {
            return false;
        }
        sleep(Duration::from_millis(100)).await;
    }
}

/// Compares.
pub async fn judge(cluster: &Cluster, load: &Load) -> Result<Verdict> {
    let mut owner = PgConnection::connect(&cluster.url()).await?;
    let mut count = async |sql: &'static str| -> Result<i64> {
        sqlx::query_scalar::<_, i64>(sql)
            .fetch_one(&mut owner)
            .await
            .with_context(|| sql.to_owned())
    };
    let runs = count("select count(*) from docmill.run").await?;
    let over = count(
        "select count(distinct value) from docmill.lookup l join docmill.run r on r.id = l.run_id
         where l.name = 'order' and r.status not in ('queued', 'running')",
    )
    .await?;
    let accepted = i64::try_from(load.accepted())?;
    let twice = count(
        "select count(*) from (select value from docmill.lookup where name = 'order' group by value having count(*) > 1) o",
    )
    .await?;
    let ended_twice = count(
        "select count(*) from (select run from crash.seen where what = 'ended' group by run having count(*) > 1) e",
    )
    .await?;
    let failed = count("select count(*) from docmill.run where status in ('failed', 'cancelled')").await?;
    // Calls and processor time, run by run of the ledger's own grouping, over everything.
    let usage_differs = count(
        "select abs((select coalesce(sum(calls), 0) from docmill.usage_entry)
                  - (select count(*) from docmill.attempt))::bigint
              + abs((select coalesce(sum(cpu_us), 0) from docmill.usage_entry)
                  - (select coalesce(sum(cpu_us), 0) from docmill.attempt))::bigint
              + abs((select coalesce(sum(runs), 0) from docmill.usage_entry)
                  - (select count(*) from docmill.run))::bigint
              + (select count(*) from docmill.run r where r.status = 'succeeded'
                  and (select count(*) from docmill.step s where s.tenant_id = r.tenant_id and s.run_id = r.id) <> 5)",
    )
    .await?;
    let left_over = count(
        "select (select count(*) from docmill.checkpoint)
              + (select count(*) from docmill.run r where r.status = 'succeeded' and not exists (
                  select from docmill.audit_entry a
                  where a.tenant_id = r.tenant_id and a.id = coalesce(r.ended_in, r.id)))",
    )
    .await?;
    let kept: Vec<(Uuid, i32, i64)> = sqlx::query_as(
        "select run, step, (extract(epoch from at) * 1000000)::bigint from crash.seen where what = 'kept'",
    )
    .fetch_all(&mut owner)
    .await?;
    owner.close().await?;
    Ok(Verdict {
        runs,
        lost: (accepted - over).max(0),
        committed_twice: twice + ended_twice,
        reexecuted_steps: reexecuted(cluster, &kept)?,
        failed,
        usage_differs,
        left_over,
    })
}

/// Steps that some process had executed after they were kept. Both clocks are this machine's.
fn reexecuted(cluster: &Cluster, kept: &[(Uuid, i32, i64)]) -> Result<usize> {
    let mut first: HashMap<(Uuid, i32), i64> = HashMap::new();
    for (run, step, at) in kept {
        let known = first.entry((*run, *step)).or_insert(*at);
        *known = (*known).min(*at);
    }
    let mut again = 0;
    for entry in fs::read_dir(cluster.faults())? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "log") {
            continue;
        }
        for line in fs::read_to_string(&path)?.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            let [at, "begins", run, step] = words.as_slice() else {
                continue;
            };
            let (Ok(at), Ok(run), Ok(step)) = (at.parse::<i64>(), run.parse::<Uuid>(), step.parse::<i32>())
            else {
                continue;
            };
            if first.get(&(run, step)).is_some_and(|kept| at > *kept) {
                println!("run {run}, step {step}: executed again after it was kept");
                again += 1;
            }
        }
    }
    Ok(again)
}
