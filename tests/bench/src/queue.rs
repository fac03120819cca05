//! Queued runs beside a plain queue in the same PostgreSQL: a table, `SKIP LOCKED`, and three durable commits for each job (it comes,
//! it is taken, it is done), with nothing done in between.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use docmill_store::embedded::PrivateServer;
use sqlx::postgres::PgPoolOptions;
use sqlx::{Connection as _, PgConnection, PgPool};

use crate::clients::Load;
use crate::report::Figure;
use crate::server::{docmill, save_pipeline};
use crate::{median, plain, runtime};

const CONNECTIONS: usize = 64;
const ROUNDS: usize = 3;
const SECONDS: f64 = 6.0;
/// Of an idle host: one after the other, with room between.
const IDLE_RATE: f64 = 20.0;
const POOL: u32 = 16;
const PIPELINE: &str = "name: queued
steps:
  - { id: parse, use: docmill/text@* }
  - id: fields
    use: docmill/patterns@*
    with: { fields: [ { name: number, type: identifier, labels: [Счёт №] }, { name: total, type: money, labels: [Итого] } ] }
  - id: checks
    use: docmill/rules@*
    with: { rules: [ { code: total-is-there, expression: \"fields.total.value.amount > 0\" } ] }
";

pub fn measure() -> Result<Vec<Figure>> {
    let data = tempfile::Builder::new()
        .prefix("docmill-bench")
        .tempdir_in(crate::root().join("target"))?;
    let runtime = runtime()?;
    let database = runtime.block_on(PrivateServer::start(&data.path().join("bench-postgres"), |_| {}))?;
    let url = database.url().to_owned();
    let ours = docmill(data.path(), Some(&url), &[])?;
    save_pipeline(&ours, PIPELINE)?;
    let load = |seconds: f64, connections: usize| Load {
        address: &ours.address,
        method: "ASYNC",
        path: "/v1/pipelines/queued/runs",
        key: &ours.key,
        connections,
        seconds,
    };
    let (mut mine, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let before = runtime.block_on(over(&url))?;
        let begun = Instant::now();
        load(if round == 0 { 2.0 } else { SECONDS }, CONNECTIONS).run()?;
        let after = runtime.block_on(settled(&url))?;
        let per_second = (after - before) as f64 / begun.elapsed().as_secs_f64();
        let plain_loop = runtime.block_on(skip_locked(&url, if round == 0 { 1.0 } else { SECONDS }))?;
        // The first round warms both up.
        if round > 0 {
            mine.push(per_second);
            theirs.push(plain_loop);
        }
    }
    let since = runtime.block_on(now(&url))?;
    load(5.0, 1).run_at(IDLE_RATE)?;
    runtime.block_on(settled(&url))?;
    let (p50, p99) = runtime.block_on(latencies(&url, since))?;
    drop(ours);
    runtime
        .block_on(database.stop())
        .context("stopping the private PostgreSQL")?;
    Ok(vec![
        Figure::compared(
            "queued runs/s, three steps, accepted over HTTP and worked off by one host; beside a SKIP LOCKED loop",
            median(mine),
            "runs/s",
            median(theirs),
            "",
            |_| true,
        )
        .under("the loop: 32 tasks, pool of 16, three durable commits for each job and nothing else; ours: 64 connections, runs with their documents, pages, fields, checks, steps, usage and audit")
        .without_target(),
        plain("  from acceptance to the end, idle, p50", p50, "ms"),
        plain("  from acceptance to the end, idle, p99", p99, "ms"),
    ])
}

async fn connect(url: &str) -> Result<PgConnection> {
    Ok(PgConnection::connect(url).await?)
}

async fn over(url: &str) -> Result<i64> {
    let mut connection = connect(url).await?;
    let counted = sqlx::query_scalar("select count(*) from docmill.run where status = 'succeeded'");
    Ok(counted.fetch_one(&mut connection).await?)
}

async fn now(url: &str) -> Result<f64> {
    let mut connection = connect(url).await?;
    let now = sqlx::query_scalar("select extract(epoch from clock_timestamp())::float8");
    Ok(now.fetch_one(&mut connection).await?)
}

/// Waits until nothing is queued; how many runs succeeded in all.
async fn settled(url: &str) -> Result<i64> {
    let mut connection = connect(url).await?;
    let begun = Instant::now();
    loop {
        let open: i64 = sqlx::query_scalar("select count(*) from docmill.job")
            .fetch_one(&mut connection)
            .await?;
        if open == 0 {
            let counted = sqlx::query_scalar("select count(*) from docmill.run where status = 'succeeded'");
            return Ok(counted.fetch_one(&mut connection).await?);
        }
        ensure!(
            begun.elapsed() < Duration::from_secs(120),
            "{open} runs are still queued"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// From acceptance to the end of runs since then, in milliseconds, which is as fine as runs are kept.
async fn latencies(url: &str, since: f64) -> Result<(f64, f64)> {
    let mut connection = connect(url).await?;
    let row: (f64, f64) = sqlx::query_as(
        "select percentile_cont(0.5) within group (order by took), percentile_cont(0.99) within group (order by took)
         from (select (extract(epoch from finished_at - created_at) * 1000)::float8 as took from docmill.run
               where created_at > to_timestamp($1)) runs",
    )
    .bind(since)
    .fetch_one(&mut connection)
    .await?;
    Ok(row)
}

/// A queue as everybody would write it; jobs done in a second.
async fn skip_locked(url: &str, seconds: f64) -> Result<f64> {
    let pool = PgPoolOptions::new().max_connections(POOL).connect(url).await?;
    sqlx::raw_sql("create table if not exists public.plain_job (id bigserial primary key, state text not null, body text not null)")
        .execute(&pool)
        .await?;
    let until = Instant::now() + Duration::from_secs_f64(seconds);
    let done = Arc::new(AtomicU64::new(0));
    let tasks: Vec<_> = (0..32)
        .map(|_| {
            let (pool, done) = (pool.clone(), done.clone());
            tokio::spawn(async move {
                while Instant::now() < until {
                    one(&pool).await?;
                    done.fetch_add(1, Ordering::Relaxed);
                }
                anyhow::Ok(())
            })
        })
        .collect();
    for task in tasks {
        task.await??;
    }
    sqlx::raw_sql("drop table public.plain_job")
        .execute(&pool)
        .await?;
    pool.close().await;
    Ok(done.load(Ordering::Relaxed) as f64 / seconds)
}

async fn one(pool: &PgPool) -> Result<()> {
    sqlx::query("insert into public.plain_job (state, body) values ('ready', $1)")
        .bind("x".repeat(1024))
        .execute(pool)
        .await?;
    let taken: Option<i64> = sqlx::query_scalar(
        "update public.plain_job set state = 'taken' where id = (
             select id from public.plain_job where state = 'ready' order by id limit 1 for update skip locked)
         returning id",
    )
    .fetch_optional(pool)
    .await?;
    if let Some(id) = taken {
        sqlx::query("delete from public.plain_job where id = $1")
            .bind(id)
            .execute(pool)
            .await?;
    }
    Ok(())
}
