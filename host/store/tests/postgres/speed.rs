//! How fast runs are written, beside a plain INSERT of the same bytes on the same server with as many connections:
//! `cargo test -p docmill-store --test postgres speed -- --ignored --nocapture`

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use docmill_harness::database;
use docmill_model::access::Clearance;
use docmill_model::id::{AuditId, DocumentId, KeyId, RequestId};
use docmill_store::Sight;
use docmill_store::audit::{Head, NewEntry};
use docmill_store::run::RunFilter;
use sqlx::postgres::PgPoolOptions;

use crate::sample::{self, Sample};

const TIME: Duration = Duration::from_secs(4);
const SAMPLES: u32 = 20_000;

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

/// Processor time so far, in seconds: of this process, and of all processes of the server.
fn processor_time(postmaster: &str) -> (f64, f64) {
    let of = |stat: &str| -> Option<(String, f64)> {
        // Behind the name in brackets: state, parent, …, user and system time in ticks of 10 ms.
        let parts: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
        let ticks: f64 = parts.get(11)?.parse::<f64>().ok()? + parts.get(12)?.parse::<f64>().ok()?;
        Some(((*parts.get(1)?).to_owned(), ticks / 100.0))
    };
    let stat = |pid: &str| std::fs::read_to_string(format!("/proc/{pid}/stat")).ok();
    let own = stat("self").and_then(|s| of(&s)).map_or(0.0, |(_, time)| time);
    let server = std::fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|process| {
            let (parent, time) = of(&stat(process.file_name().to_str()?)?)?;
            (parent == postmaster).then_some(time)
        });
    (own, server.sum())
}

/// Writes per second by so many callers, until the time is over or there is nothing left to write.
async fn rate<F: Future<Output = bool> + Send>(
    postmaster: &str,
    callers: u32,
    write: impl Fn(u32) -> F + Send + Sync + 'static,
) -> (f64, String) {
    let before = processor_time(postmaster);
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
                while begun.elapsed() < TIME && write(number.fetch_add(1, Ordering::Relaxed)).await {
                    done.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
    let done = f64::from(done.load(Ordering::Relaxed));
    let after = processor_time(postmaster);
    let micros = |before, after| 1e6 * (after - before) / done;
    let used = format!(
        "{:.0} µs here and {:.0} µs in PostgreSQL",
        micros(before.0, after.0),
        micros(before.1, after.1)
    );
    (done / begun.elapsed().as_secs_f64(), used)
}

/// `DOCMILL_SPEED_CALLERS=32` measures with so many only.
fn callers() -> Vec<u32> {
    let given = std::env::var("DOCMILL_SPEED_CALLERS").ok();
    given
        .and_then(|n| n.parse().ok())
        .map_or_else(|| vec![1, 8, 32], |n| vec![n])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes a minute; run by hand"]
async fn beside_a_plain_insert() -> anyhow::Result<()> {
    let db = database().await?;
    let mut connection = <sqlx::PgConnection as sqlx::Connection>::connect(&db.url).await?;
    let backend: i32 = sqlx::query_scalar("select pg_backend_pid()")
        .fetch_one(&mut connection)
        .await?;
    let stat = std::fs::read_to_string(format!("/proc/{backend}/stat"))?;
    let postmaster = stat
        .rsplit_once(") ")
        .and_then(|(_, rest)| rest.split(' ').nth(1))
        .unwrap()
        .to_owned();
    for callers in callers() {
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
        let (plain, plain_used) = rate(&postmaster, callers, move |_| {
            let (pool, body) = (pool.clone(), body.clone());
            async move {
                sqlx::query("insert into public.plain values ($1, $2)")
                    .bind(uuid::Uuid::now_v7())
                    .bind(body)
                    .execute(&pool)
                    .await
                    .unwrap();
                true
            }
        })
        .await;
        for distinct in [false, true] {
            // Made before the clock runs: making a sample is not what is measured.
            let samples: Arc<Vec<Sample>> = Arc::new((0..SAMPLES).map(|n| small(n, distinct)).collect());
            let (store, tenant) = (db.store.clone(), db.tenant);
            let (runs, used) = rate(&postmaster, callers, move |n| {
                let (store, samples) = (store.clone(), samples.clone());
                async move {
                    if let Some(sample) = samples.get(n as usize) {
                        store.commit_run(tenant, &sample.commit()).await.unwrap();
                    }
                    samples.len() > n as usize
                }
            })
            .await;
            let kind = if distinct {
                "distinct documents"
            } else {
                "the same document"
            };
            println!(
                "{callers:>2} callers: {runs:>6.0} runs/s of {kind} ({used} each), \
                 {plain:>6.0} plain INSERTs/s of {bytes} bytes ({plain_used} each): {:.2}",
                runs / plain
            );
        }
    }
    Ok(())
}

/// What sealing and verifying cost for each entry.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by hand"]
async fn of_sealing_and_verifying() -> anyhow::Result<()> {
    let db = database().await?;
    let entries: Vec<NewEntry> = (0..50_000)
        .map(|_| NewEntry {
            id: AuditId::new(),
            at: 1_795_000_000_123,
            action: "document.read",
            subject: DocumentId::new().to_string(),
            key: Some(KeyId::new()),
            client_ip: Some([192, 0, 2, 1].into()),
            request: Some(RequestId::new()),
            detail: None,
        })
        .collect();
    let each = |begun: Instant| begun.elapsed().as_secs_f64() * 1e6 / 50_000.0;
    let begun = Instant::now();
    for some in entries.chunks(512) {
        db.store.audit_all(db.tenant, some).await?;
    }
    let written = each(begun);
    let begun = Instant::now();
    while db.store.seal_audit().await?.more {}
    let sealed = each(begun);
    let begun = Instant::now();
    let verified = db.store.verify_audit(db.tenant, Head::START, None).await?;
    assert_eq!((verified.checked, verified.broken), (50_000, None));
    println!(
        "µs for each entry: written {written:.1}, sealed {sealed:.1}, verified {:.1}",
        each(begun)
    );
    Ok(())
}

/// What it costs to be asked about: the same questions of who sees everything, whom no policy asks about each row, and of who
/// sees half of it.
#[tokio::test]
#[ignore = "run by hand"]
async fn of_reading_under_tiers() -> anyhow::Result<()> {
    let db = database().await?;
    let mut commits = Vec::new();
    for n in 0..SAMPLES {
        let mut sample = small(n, true).found_by("fio", &format!("Человек Номер{}", n % 500));
        sample.head.tier = if n % 2 == 0 { Clearance::D } else { Clearance::A };
        let store = db.store.clone();
        commits.push(tokio::spawn(async move {
            store
                .commit_run(db.tenant, &sample.commit())
                .await
                .map(|_| sample)
        }));
        if commits.len() == 500 {
            for commit in commits.drain(..commits.len() - 1) {
                commit.await??;
            }
        }
    }
    let mut last = None;
    for commit in commits {
        last = Some(commit.await??)
            .filter(|s| s.head.tier == Clearance::D)
            .or(last);
    }
    let last = last.unwrap();
    let mut owner = <sqlx::PgConnection as sqlx::Connection>::connect(&db.url).await?;
    sqlx::raw_sql("vacuum analyze").execute(&mut owner).await?;
    let store = &db.store;
    let filter = |lookups: &[(&str, &str)]| RunFilter {
        lookups: lookups
            .iter()
            .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
            .collect(),
        ..RunFilter::default()
    };
    let (all, some) = (filter(&[]), filter(&[("fio", "номер123")]));
    for clearance in [Clearance::S, Clearance::D] {
        let sight = Sight::of(db.tenant, clearance);
        let mut times: Vec<Vec<u128>> = vec![Vec::new(); 6];
        for _ in 0..200 {
            let mut begun = Instant::now();
            let mut lap = |n: usize| {
                times[n].push(begun.elapsed().as_micros());
                begun = Instant::now();
            };
            store.list_runs(sight, &all).await?;
            lap(0);
            store.list_runs(sight, &some).await?;
            lap(1);
            store.list_documents(sight, None, 0, None).await?;
            lap(2);
            store.list_documents(sight, None, 0, Some("Счёт 123")).await?;
            lap(3);
            store.get_run(sight, last.head.id).await?.unwrap();
            lap(4);
            store
                .get_document(sight, last.documents[0].document)
                .await?
                .unwrap();
            lap(5);
        }
        let medians = times.iter_mut().map(|times| {
            times.sort_unstable();
            times[times.len() / 2]
        });
        let names = [
            "list runs",
            "by look-up",
            "list documents",
            "by words",
            "one run",
            "one document",
        ];
        let told: Vec<String> = names
            .iter()
            .zip(medians)
            .map(|(name, us)| format!("{name} {us} µs"))
            .collect();
        println!("cleared for {clearance}: {}", told.join(", "));
    }
    Ok(())
}
