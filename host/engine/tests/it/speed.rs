//! What a call costs above bare wasmtime. The benchmark measures the promise; this keeps blunders out.

use std::time::{Duration, Instant};

use docmill_engine::Call;
use docmill_engine::bare::{Bare, PoolSettings};
use docmill_model::limits::Limits;

use crate::support::*;

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

#[tokio::test]
async fn a_call_costs_little_more_than_in_bare_wasmtime() {
    let component = component("docmill-text");
    let (engine, dir) = engine_with(|_| {});
    let bare = Bare::new(&settings(dir.path()), PoolSettings::Ours, &component).unwrap();
    let plugin = load(&engine, component).await;
    let source = source("text/plain", "a.txt", "A line of text.\n".repeat(64));
    let limits = Limits::default();
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..40 {
        for _ in 0..50 {
            let begun = Instant::now();
            bare.parse(source.clone(), "{}").await.unwrap();
            theirs.push(begun.elapsed());
        }
        for _ in 0..50 {
            let call = Call::Parse {
                source: source.clone(),
                config: "{}".into(),
            };
            let begun = Instant::now();
            let invocation = engine.invoke(&plugin, call, &limits, &CONTEXT).await;
            ours.push(begun.elapsed());
            assert!(invocation.result.is_ok());
        }
    }
    let (ours, theirs) = (median(ours), median(theirs));
    let ratio = ours.as_secs_f64() / theirs.as_secs_f64();
    println!("a call of 1 KiB: {ours:?}, in bare wasmtime {theirs:?}, ratio {ratio:.3}");
    assert!(ratio < 2.0, "{ratio}");
}

/// Calls per second of `call` on two tasks at once.
async fn throughput<F: Future<Output = ()> + Send>(call: impl Fn() -> F + Send + Clone + 'static) -> f64 {
    let begun = Instant::now();
    let tasks: Vec<_> = (0..2)
        .map(|_| {
            let call = call.clone();
            tokio::spawn(async move {
                let begun = Instant::now();
                let mut calls = 0_u32;
                while begun.elapsed() < Duration::from_millis(100) {
                    call().await;
                    calls += 1;
                    tokio::task::yield_now().await;
                }
                calls
            })
        })
        .collect();
    let mut calls = 0;
    for task in tasks {
        calls += task.await.unwrap();
    }
    f64::from(calls) / begun.elapsed().as_secs_f64()
}

/// Says what the pool's settings are worth; holds only that the engine does not fall behind wasmtime's defaults.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_at_once_are_not_slower_than_with_the_default_pool() {
    let component = component("docmill-text");
    let (engine, dir) = engine_with(|_| {});
    let plugin = load(&engine, component.clone()).await;
    let source = source("text/plain", "a.txt", "A line of text.\n".repeat(64));
    let bare = |pool| {
        let bare = Bare::new(&settings(dir.path()), pool, &component).unwrap();
        let source = source.clone();
        move || {
            let (bare, source) = (bare.clone(), source.clone());
            async move { assert!(bare.parse(source, "{}").await.is_ok()) }
        }
    };
    let (defaults, pooled) = (bare(PoolSettings::Defaults), bare(PoolSettings::Ours));
    let source = source.clone();
    let engine = move || {
        let (engine, plugin, source) = (engine.clone(), plugin.clone(), source.clone());
        async move {
            let call = Call::Parse {
                source,
                config: "{}".into(),
            };
            assert!(
                engine
                    .invoke(&plugin, call, &Limits::default(), &CONTEXT)
                    .await
                    .result
                    .is_ok()
            );
        }
    };
    // In short turns, because other work on the machine comes and goes.
    let mut rates = [Vec::new(), Vec::new(), Vec::new()];
    for _ in 0..15 {
        rates[0].push(throughput(defaults.clone()).await);
        rates[1].push(throughput(pooled.clone()).await);
        rates[2].push(throughput(engine.clone()).await);
    }
    let [defaults, pooled, engine] = rates.map(|mut rates| {
        rates.sort_by(f64::total_cmp);
        rates[rates.len() / 2]
    });
    println!(
        "calls/s on two threads: bare with the default pool {defaults:.0}, with ours {pooled:.0}, the engine {engine:.0}"
    );
    assert!(engine > 0.8 * defaults, "{engine}");
}
