//! Steps that do not need each other run at once: on real guests that compute, which no clock can pretend.

use std::time::{Duration, Instant};

use serde_json::Value as Json;

use crate::support::{Host, Setup};

/// How long rounds are repeated until the answer is no: the machine may be busy with what is none of these tests.
const PATIENCE: Duration = Duration::from_secs(60);

/// A pipeline of two steps that compute for a while, the first a little longer; `needs` says whether they may run at once.
fn two_steps(name: &str, size: u64, needs: &str) -> String {
    let shorter = size / 20 * 19;
    format!(
        "
name: {name}
steps:
  - {{ id: parse, use: docmill/text@0.1 }}
  - {{ id: one, use: test/hostile@0.1, with: {{ attack: burn, size: {size}, text: slower }}, needs: [parse] }}
  - {{ id: two, use: test/hostile@0.1, with: {{ attack: burn, size: {shorter}, text: faster }}{needs} }}
"
    )
}

async fn run(host: &Host, pipeline: &str) -> Json {
    host.run(pipeline)
        .body("application/json", "{}")
        .send()
        .await
        .ok(200)
}

/// CPU time of each step's guest.
fn computed(run: &Json) -> Vec<Duration> {
    let steps = run["steps"].as_array().unwrap().iter();
    steps
        .filter(|step| step["step"] != "parse")
        .map(|step| step["attempts"][0]["usage"]["cpu_us"].as_u64().unwrap())
        .map(Duration::from_micros)
        .collect()
}

/// Which size of the attack computes for 200 ms here, by the fastest of three tries.
async fn size_of_200_ms(host: &Host) -> u64 {
    const TRIED: u64 = 40_000_000;
    host.save(&two_steps("try", TRIED, "")).await;
    let mut fastest = Duration::MAX;
    for _ in 0..3 {
        fastest = fastest.min(computed(&run(host, "try").await)[0]);
    }
    TRIED * 200_000 / u64::try_from(fastest.as_micros()).unwrap()
}

/// How long a run took from its admission to its answer, the commit included. Its second step begins before the first one
/// ended, or does not; both compute, and their results stand in the definition's order, whoever was first.
async fn took(host: &Host, pipeline: &str, at_once: bool) -> Duration {
    let run = run(host, pipeline).await;
    let fields = run["fields"].as_array().unwrap().iter();
    assert_eq!(
        fields.map(|f| &f["path"]).collect::<Vec<_>>(),
        ["slower", "faster"]
    );
    let [parse, one, two] = run["steps"].as_array().unwrap().as_slice() else {
        panic!("{run}")
    };
    assert_eq!(
        [&parse["step"], &one["step"], &two["step"]],
        ["parse", "one", "two"]
    );
    let us = |step: &Json, what: &str| step[what].as_u64().unwrap();
    let first_ended = us(one, "started_us") + us(one, "wall_us");
    assert_eq!(us(two, "started_us") < first_ended, at_once, "{run}");
    let computed = computed(&run);
    assert!(
        computed.iter().all(|cpu| *cpu > Duration::from_millis(150)),
        "{computed:?}"
    );
    Duration::from_micros(us(&run["timing"], "total_us"))
}

#[tokio::test(flavor = "multi_thread")]
async fn two_steps_of_200_ms_take_less_than_300_ms_together_and_keep_their_order() {
    if std::thread::available_parallelism().map_or(1, usize::from) < 2 {
        println!("skipped: two guests at once need two cores");
        return;
    }
    let host = Setup::alone().await.start().await;
    host.install(&["text", "hostile"]).await;
    let size = size_of_200_ms(&host).await;
    host.save(&two_steps("serial", size, "")).await;
    host.save(&two_steps("parallel", size, ", needs: [parse]")).await;
    // What else the machine does only adds time, so the shortest of several rounds is what the steps take by themselves; one
    // after the other they never take less than both together.
    let mut serial = took(&host, "serial", false).await;
    let mut parallel = took(&host, "parallel", true).await;
    let begun = Instant::now();
    while parallel >= Duration::from_millis(300) || parallel * 4 >= serial * 3 {
        assert!(
            begun.elapsed() < PATIENCE,
            "one after the other {serial:?}, at once {parallel:?}"
        );
        serial = serial.min(took(&host, "serial", false).await);
        parallel = parallel.min(took(&host, "parallel", true).await);
    }
    println!("one after the other {serial:?}, at once {parallel:?}");
}
