//! Deadlines, CPU time, turns, interruption, queueing; virtual clocks.

use std::time::{Duration, Instant};

use docmill_engine::{Context, Invocation};
use docmill_model::duration::Span;
use docmill_model::failure::Code;
use futures_util::future::join_all;

use crate::support::*;

/// What a busy machine may add to a deadline in a test; the benchmark measures the promise itself.
const SLACK: Duration = Duration::from_millis(250);

fn lateness(invocation: &Invocation, deadline: Duration) -> Duration {
    Duration::from_micros(invocation.usage.wall_us).saturating_sub(deadline)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spinner_is_stopped_at_its_deadline() {
    let invocation = hostile("spin", |l| l.timeout = Span::millis(300)).await;
    assert_eq!(code(&invocation), Code::Timeout);
    assert!(
        lateness(&invocation, Duration::from_millis(300)) < SLACK,
        "{:?}",
        invocation.usage
    );
    assert!(invocation.usage.cpu_us > 50_000, "{:?}", invocation.usage);
}

#[tokio::test(flavor = "multi_thread")]
async fn cpu_time_is_limited_and_measured() {
    let invocation = hostile("spin", |l| l.cpu = Span::millis(120)).await;
    assert_eq!(code(&invocation), Code::CpuLimit);
    assert!(
        (120_000..170_000).contains(&invocation.usage.cpu_us),
        "{:?}",
        invocation.usage
    );
    let burnt = hostile(r#"{"attack":"burn","size":20000000}"#, |_| {}).await;
    assert!(burnt.usage.cpu_us > 3_000, "{:?}", burnt.usage);
    assert!(
        burnt.usage.wall_us + 2_000 >= burnt.usage.cpu_us,
        "{:?}",
        burnt.usage
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_run_s_deadline_holds_too() {
    let plugin = plugin("docmill-hostile").await;
    let deadline = Some(tokio::time::Instant::now() + Duration::from_millis(150));
    let invocation = engine()
        .invoke(
            &plugin,
            attack("spin"),
            &tight(),
            &Context { deadline, ..CONTEXT },
        )
        .await;
    assert_eq!(code(&invocation), Code::Timeout);
    assert!(invocation.result.unwrap_err().message.contains("run"));
    assert!(invocation.usage.wall_us < 400_000, "{:?}", invocation.usage);
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_spinners_stop_in_time_and_others_get_their_turn() {
    let (engine, _dir) = engine_with(|settings| settings.pool_instances = 80);
    let plugin = load(&engine, component("docmill-hostile")).await;
    let mut limits = tight();
    limits.timeout = Span::millis(1_500);
    let spinners = join_all((0..64).map(|_| {
        let (engine, plugin) = (engine.clone(), plugin.clone());
        tokio::spawn(async move { engine.invoke(&plugin, attack("spin"), &limits, &CONTEXT).await })
    }));
    let neighbour = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let mut slowest = Duration::ZERO;
        for _ in 0..20 {
            let begun = Instant::now();
            assert_eq!(
                text(
                    &engine
                        .invoke(&plugin, attack("nothing"), &tight(), &CONTEXT)
                        .await
                ),
                "yes"
            );
            slowest = slowest.max(begun.elapsed());
        }
        slowest
    };
    let (spinners, slowest) = tokio::join!(spinners, neighbour);
    let mut latest = Duration::ZERO;
    for spinner in spinners {
        let invocation = spinner.unwrap();
        assert_eq!(code(&invocation), Code::Timeout);
        latest = latest.max(lateness(&invocation, Duration::from_millis(1_500)));
    }
    println!("latest stop {latest:?} after its deadline; slowest neighbour {slowest:?}");
    assert!(latest < SLACK, "{latest:?}");
    assert!(slowest < Duration::from_millis(500), "{slowest:?}");
    assert_eq!(engine.stats().running, 0);
}

/// The guest is gone: nothing runs and no memory is held.
async fn gone(engine: &docmill_engine::Engine) -> bool {
    for _ in 0..200 {
        let stats = engine.stats();
        if stats.running == 0 && stats.memory_bytes == 0 {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    false
}

#[tokio::test(flavor = "multi_thread")]
async fn dropping_the_call_stops_the_guest() {
    let (engine, _dir) = engine_with(|_| {});
    let plugin = load(&engine, component("docmill-hostile")).await;
    let limits = tight();
    let call = engine.invoke(&plugin, attack("spin"), &limits, &CONTEXT);
    assert!(
        tokio::time::timeout(Duration::from_millis(50), call)
            .await
            .is_err()
    );
    assert!(gone(&engine).await, "{:?}", engine.stats());
}

#[tokio::test(flavor = "multi_thread")]
async fn shutting_down_interrupts_those_that_run_and_those_that_wait() {
    let (engine, _dir) = engine_with(|settings| settings.pool_instances = 2);
    let plugin = load(&engine, component("docmill-hostile")).await;
    let calls: Vec<_> = (0..5)
        .map(|_| {
            let (engine, plugin) = (engine.clone(), plugin.clone());
            tokio::spawn(async move { engine.invoke(&plugin, attack("spin"), &tight(), &CONTEXT).await })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let stats = engine.stats();
    assert_eq!((stats.running, stats.queued), (2, 3));
    let begun = Instant::now();
    engine.interrupt_all();
    for call in calls {
        assert_eq!(code(&call.await.unwrap()), Code::Interrupted);
    }
    assert!(begun.elapsed() < SLACK, "{:?}", begun.elapsed());
    // Later calls are not touched.
    assert_eq!(
        text(
            &engine
                .invoke(&plugin, attack("nothing"), &tight(), &CONTEXT)
                .await
        ),
        "yes"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_queue_is_bounded_and_keeps_deadlines() {
    let (engine, _dir) = engine_with(|settings| {
        settings.pool_instances = 1;
        settings.queue = 2;
    });
    let plugin = load(&engine, component("docmill-hostile")).await;
    let run = |millis: u64| {
        let (engine, plugin) = (engine.clone(), plugin.clone());
        let mut limits = tight();
        limits.timeout = Span::millis(millis);
        tokio::spawn(async move { engine.invoke(&plugin, attack("spin"), &limits, &CONTEXT).await })
    };
    let runs = run(2_000);
    tokio::time::sleep(Duration::from_millis(50)).await;
    let waits = [run(200), run(200)];
    tokio::time::sleep(Duration::from_millis(50)).await;
    let begun = Instant::now();
    assert_eq!(code(&run(200).await.unwrap()), Code::Overloaded);
    assert!(begun.elapsed() < SLACK);
    for wait in waits {
        let invocation = wait.await.unwrap();
        assert_eq!(code(&invocation), Code::Timeout);
        assert!(
            lateness(&invocation, Duration::from_millis(200)) < SLACK,
            "{:?}",
            invocation.usage
        );
        assert_eq!(invocation.usage.cpu_us, 0);
    }
    assert_eq!(code(&runs.await.unwrap()), Code::Timeout);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_spins_in_host_calls_is_stopped() {
    let plugin = plugin("docmill-hostile").await;
    let big = inputs(&"the quick brown fox ".repeat(200_000));
    let mut limits = tight();
    limits.timeout = Span::millis(500);
    let invocation = engine()
        .invoke(&plugin, attack_on("search", big), &limits, &CONTEXT)
        .await;
    assert_eq!(code(&invocation), Code::Timeout);
    assert!(
        lateness(&invocation, Duration::from_millis(500)) < 2 * SLACK,
        "{:?}",
        invocation.usage
    );
    assert!(invocation.usage.cpu_us > 50_000, "{:?}", invocation.usage);
}

#[tokio::test(flavor = "multi_thread")]
async fn settling_a_flood_of_citations_is_stopped() {
    let plugin = plugin("docmill-hostile").await;
    let big = inputs(&"the quick brown fox ".repeat(20_000));
    let mut limits = tight();
    limits.timeout = Span::millis(1_000);
    let flood = r#"{"attack":"citations","size":200000}"#;
    let invocation = engine()
        .invoke(&plugin, attack_on(flood, big), &limits, &CONTEXT)
        .await;
    assert_eq!(code(&invocation), Code::Timeout);
    assert!(
        lateness(&invocation, Duration::from_millis(1_000)) < 2 * SLACK,
        "{:?}",
        invocation.usage
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn time_is_virtual_and_reading_it_is_an_effect() {
    let waited = hostile("wait", |_| {}).await;
    assert_eq!(text(&waited), "3600");
    assert!(waited.usage.wall_us < 2_000_000, "{:?}", waited.usage);
    assert_eq!(waited.usage.effects, ["clock"]);

    let now = hostile("clock", |_| {}).await;
    assert_eq!(text(&now), "1750000000123");
    assert_eq!(now.usage.effects, ["clock"]);

    let pure = hostile("wait-only", |_| {}).await;
    assert_eq!((text(&pure), pure.usage.effects.len()), ("yes", 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn random_numbers_follow_from_the_seed_and_are_no_effect() {
    let plugin = plugin("docmill-hostile").await;
    let mut seen = Vec::new();
    for seed in [[5; 32], [5; 32], [6; 32]] {
        let invocation = engine()
            .invoke(&plugin, attack("random"), &tight(), &Context { seed, ..CONTEXT })
            .await;
        assert!(invocation.usage.effects.is_empty());
        seen.push(fields(&invocation).to_vec());
    }
    assert_eq!(seen[0], seen[1]);
    assert_ne!(seen[0], seen[2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nan_is_canonical() {
    assert_eq!(
        text(&hostile("nan", |_| {}).await),
        "7ff8000000000000 7ff8000000000000"
    );
}
