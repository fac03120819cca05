//! How fast runs are written, beside a plain INSERT of the same bytes on the same server with as many connections:
//! `cargo test -p docmill-store --test postgres speed -- --ignored --nocapture`

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use docmill_harness::database;
use sqlx::postgres::PgPoolOptions;

use crate::sample::{self, Sample};

const TIME: Duration = Duration::from_secs(4);

/// A run as most are: one file of 1 KiB, one step, one field, one check.
fn small(n: u32, distinct: bool) -> Sample {
    let mut text = if distinct {
        format!("Счёт {n} ")
    } else {
        "Счёт ".to_owned()
    };
    while text.len() < 1_000 {
        text.push_str("на оплату товаров and goods № 4521 ");
    }
    let mut sample = sample::run(&text);
    sample.head.inputs.truncate(1);
    sample.outcome.fields.truncate(1);
    sample.outcome.fields[0].citations.truncate(1);
    sample.outcome.conflicts.clear();
    sample.outcome.checks[0].citations.clear();
    sample.outcome.steps.truncate(1);
    sample.outcome.artifacts.clear();
    sample
}

/// Writes per second by so many callers.
async fn rate<F: Future<Output = ()> + Send>(
    callers: u32,
    write: impl Fn(u32) -> F + Send + Sync + 'static,
) -> f64 {
    let (write, done, number) = (
        Arc::new(write),
        Arc::new(AtomicU32::new(0)),
        Arc::new(AtomicU32::new(0)),
    );
    let begun = Instant::now();
    let callers: Vec<_> = (0..callers)
        .map(|_| {
            let (write, done, number) = (write.clone(), done.clone(), number.clone());
            tokio::spawn(async move {
                while begun.elapsed() < TIME {
                    write(number.fetch_add(1, Ordering::Relaxed)).await;
                    done.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
    f64::from(done.load(Ordering::Relaxed)) / begun.elapsed().as_secs_f64()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes a minute; run by hand"]
async fn beside_a_plain_insert() -> anyhow::Result<()> {
    let db = database().await?;
    for callers in [1, 8, 32] {
        // The baseline: one row of the same bytes, prepared, as durable, as many connections as the store has.
        let pool = PgPoolOptions::new()
            .max_connections(callers.min(16))
            .connect(&db.url)
            .await?;
        sqlx::raw_sql("drop table if exists public.plain; create table public.plain (id uuid primary key, body text not null)")
            .execute(&pool)
            .await?;
        let body = serde_json::to_string(&(&small(0, false).head, &small(0, false).outcome))?;
        let bytes = body.len();
        let plain = rate(callers, move |_| {
            let (pool, body) = (pool.clone(), body.clone());
            async move {
                sqlx::query("insert into public.plain values ($1, $2)")
                    .bind(uuid::Uuid::now_v7())
                    .bind(body)
                    .execute(&pool)
                    .await
                    .unwrap();
            }
        })
        .await;
        for distinct in [false, true] {
            let (store, tenant) = (db.store.clone(), db.tenant);
            let runs = rate(callers, move |n| {
                let store = store.clone();
                async move {
                    let sample = small(n, distinct);
                    store.commit_run(tenant, &sample.commit()).await.unwrap();
                }
            })
            .await;
            let kind = if distinct {
                "distinct documents"
            } else {
                "the same document"
            };
            println!(
                "{callers:>2} callers: {runs:>6.0} runs/s of {kind}, {plain:>6.0} plain INSERTs/s of {bytes} bytes: {:.2}",
                runs / plain
            );
        }
    }
    Ok(())
}
