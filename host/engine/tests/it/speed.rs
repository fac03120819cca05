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
