//! Order, parallel steps, what each step sees, fan-outs, merging, output.

use std::time::Instant as Clock;

use docmill_model::value::Value;

use super::*;

#[tokio::test]
async fn parallel_steps_take_the_time_of_the_slowest_and_keep_the_definitions_order() {
    let (executor, _) = executor().await;
    let definition = "
        name: p
        inputs: {}
        steps:
          - { id: slow, use: t/transform@1, needs: [], with: { sleep: 200, json: 1 } }
          - { id: fast, use: t/transform@1, needs: [], with: { sleep: 190, json: 2 } }
        output: [ '${ steps.slow.output }', '${ steps.fast.output }' ]
    ";
    let _ = run(&executor, definition, RunInputs::default()).await;
    let begun = Clock::now();
    let outcome = run(&executor, definition, RunInputs::default()).await;
    assert!(
        begun.elapsed() < Duration::from_millis(300),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!(statuses(&outcome), ["slow succeeded ok", "fast succeeded ok"]);
    assert_eq!(outcome.output, Some(json!([1, 2])));
    assert!(
        outcome
            .steps
            .iter()
            .all(|s| s.wall_us >= 190_000 && s.started_us < 100_000),
        "{:?}",
        outcome.steps
    );
}

/// A small generator of pseudo-random numbers, so that a failure can be repeated.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

#[tokio::test]
async fn random_graphs_see_exactly_their_ancestors_whatever_the_timing() {
    let (executor, _) = executor().await;
    for seed in 0..40 {
        let mut dice = Dice(seed);
        let count = 2 + dice.below(10) as usize;
        let needs: Vec<Vec<usize>> = (0..count)
            .map(|n| (0..n).filter(|_| dice.below(3) == 0).collect())
            .collect();
        // Written in another order than they depend on each other.
        let mut order: Vec<usize> = (0..count).collect();
        for at in (1..count).rev() {
            order.swap(at, dice.below(at as u64 + 1) as usize);
        }
        let mut definition = |sleepless: bool| {
            let mut text = "name: p\ninputs: { r: { kind: record, min: 0 } }\nsteps:\n".to_owned();
            for n in &order {
                let needs: Vec<String> = needs[*n].iter().map(|m| format!("s{m}")).collect();
                let sleep = if sleepless { 0 } else { dice.below(8) };
                text.push_str(&format!(
                    "  - {{ id: s{n}, use: t/extract@1, needs: [{}], with: {{ see: f{n}, sleep: {sleep}, fields: {{ shared: v{n} }} }} }}\n",
                    needs.join(", ")
                ));
            }
            text
        };
        let (first, second) = (definition(false), definition(true));
        let outcome = run(&executor, &first, RunInputs::default()).await;
        let again = run(&executor, &second, RunInputs::default()).await;
        assert_eq!(values(&outcome), values(&again), "seed {seed}\n{first}");
        assert_eq!(outcome.conflicts.len(), count - 1, "seed {seed}");
        for n in 0..count {
            let mut ancestors = vec![false; count];
            let mut open = needs[n].clone();
            while let Some(next) = open.pop() {
                ancestors[next] = true;
                open.extend(&needs[next]);
            }
            let field = outcome.fields.iter().find(|f| f.path == format!("f{n}")).unwrap();
            let Some(Value::Text(text)) = &field.value else {
                panic!("{field:?}")
            };
            let seen: Vec<&str> = text.split(',').filter(|s| s.starts_with('f')).collect();
            let expected: Vec<String> = order
                .iter()
                .filter(|m| ancestors[**m])
                .map(|m| format!("f{m}"))
                .collect();
            assert_eq!(seen, expected, "seed {seed}, step s{n}\n{first}");
        }
    }
}

#[tokio::test]
async fn a_fan_out_keeps_the_order_of_its_items_and_bounds_how_many_run() {
    let (executor, asked) = executor().await;
    let definition = "
        name: p
        inputs: {}
        steps:
          - { id: each, use: t/transform@1, for_each: '[3, 1, 2, 9, 8, 7, 6, 5, 4, 0, 3, 1, 2]', with: { sleep: '${ item * 3 }', n: '${ index }' } }
          - { id: after, use: t/transform@1 }
        output: { items: '${ steps.each.output.map(o, o.item) }', n: '${ steps.each.output.map(o, o.config.n) }' }
    ";
    let outcome = run(&executor, definition, RunInputs::default()).await;
    let items = json!([3, 1, 2, 9, 8, 7, 6, 5, 4, 0, 3, 1, 2]);
    assert_eq!(
        outcome.output,
        Some(json!({ "items": items, "n": [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12] }))
    );
    assert_eq!(outcome.steps.len(), 14);
    assert_eq!(outcome.steps[1].item, Some(1));
    let most = asked.most_at_once.load(Ordering::SeqCst);
    assert!((2..=8).contains(&most), "{most}");
}

#[tokio::test]
async fn a_fan_out_over_nothing_succeeds_and_over_too_much_fails() {
    let (executor, asked) = executor().await;
    let definition = |list: &str| {
        format!(
            "{{name: p, inputs: {{}}, params: {{}}, steps: [{{id: each, use: t/transform@1, for_each: \"{list}\"}}], output: '${{ steps.each.output }}'}}"
        )
    };
    let outcome = run(&executor, &definition("[]"), RunInputs::default()).await;
    assert_eq!(statuses(&outcome), ["each succeeded"]);
    assert_eq!(outcome.output, Some(json!([])));
    let many = RunInputs {
        params: json!({ "list": vec![0; step::MAX_ITEMS + 1] }),
        ..RunInputs::default()
    };
    for (list, inputs) in [
        ("params.list", many),
        ("'abc'", RunInputs::default()),
        ("params.nothing", RunInputs::default()),
    ] {
        let outcome = run(&executor, &definition(list), inputs).await;
        let error = outcome.error.unwrap();
        assert_eq!(
            (error.code, error.step.as_deref()),
            (Code::ExpressionFailed, Some("each")),
            "{error}"
        );
        assert!(error.message.contains(list), "{error}");
    }
    assert_eq!(asked.count("t/transform"), 0);
}

#[tokio::test]
async fn lists_of_items_are_joined_and_other_paths_compete() {
    let (executor, _) = executor().await;
    let definition = "
        name: p
        inputs: { r: { kind: record, min: 0 } }
        steps:
          - id: each
            use: t/extract@1
            for_each: '[1, 2]'
            with: { fields: { 'lines[0].n': '${ string(item) }', 'lines[1].n': x, total: '${ string(item) }' }, confidence: '${ item == 2 ? 0.9 : 0.5 }' }
          - { id: other, use: t/extract@1, with: { fields: { total: '7', 'lines[0].n': '1' } } }
    ";
    let outcome = run(&executor, definition, RunInputs::default()).await;
    assert_eq!(
        values(&outcome),
        [
            "lines[0].n=1",
            "lines[1].n=x",
            "total=2",
            "lines[2].n=2",
            "lines[3].n=x"
        ],
        "{:?}",
        outcome.error
    );
    let lost: Vec<&str> = outcome.conflicts.iter().map(|f| f.path.as_str()).collect();
    assert_eq!(lost, ["total", "total"], "the same value is no conflict");
    let origin = serde_json::to_value(&outcome.fields[0].origin).unwrap();
    assert_eq!(
        origin,
        json!({ "kind": "plugin", "step": "each", "plugin": "t/extract@1.0.0" })
    );
}

#[tokio::test]
async fn checks_accumulate_in_the_definitions_order_and_give_the_verdict() {
    let (executor, _) = executor().await;
    for (outcomes, expected) in [
        (["pass", "pass"], Verdict::Pass),
        (["fail", "undecided"], Verdict::Fail),
        (["undecided", "pass"], Verdict::Undecided),
    ] {
        let definition = format!(
            "{{name: p, inputs: {{}}, steps: [
                {{id: a, use: t/validate@1, needs: [], with: {{check: a, outcome: {}, sleep: 20}}}},
                {{id: b, use: t/validate@1, needs: [], with: {{check: b, outcome: {}}}}}]}}",
            outcomes[0], outcomes[1]
        );
        let outcome = run(&executor, &definition, RunInputs::default()).await;
        let codes: Vec<&str> = outcome.checks.iter().map(|c| c.code.as_str()).collect();
        assert_eq!(codes, ["a", "b"]);
        assert_eq!(outcome.verdict, Some(expected));
    }
}

#[tokio::test]
async fn params_configuration_and_records_reach_the_guest_with_their_defaults() {
    let (executor, asked) = executor().await;
    let definition = "
        name: p
        inputs: { who: { kind: record }, note: { kind: text, min: 0, max: 2 } }
        params: { type: object, properties: { currency: { type: string, default: KZT }, given: { type: integer } } }
        steps:
          - { id: one, use: t/transform@1, with: { json: { n: 1 }, currency: '${ params.currency }', level: '${ params.nothing }', name: '${ inputs.who.name }', notes: '${ inputs.note.size() }' } }
          - { id: two, use: t/transform@1 }
        output: '${ steps.two.output }'
    ";
    let inputs = RunInputs {
        params: json!({ "given": 3 }),
        records: BTreeMap::from([("who".into(), vec![Arc::new(json!({ "name": "Әлия" }))])]),
        texts: BTreeMap::from([("note".into(), vec![Arc::from("a"), Arc::from("b")])]),
        ..RunInputs::default()
    };
    let outcome = run(&executor, definition, inputs).await;
    let config = asked.requests.lock().unwrap()[0].1.clone();
    assert_eq!(
        config,
        json!({ "json": { "n": 1 }, "currency": "KZT", "name": "Әлия", "notes": 2, "level": 7 })
    );
    let output = outcome.output.unwrap();
    assert_eq!(output["params"], json!({ "given": 3, "currency": "KZT" }));
    assert_eq!(
        output["records"],
        json!({ "one": [{ "n": 1 }], "who": [{ "name": "Әлия" }] })
    );
}

#[tokio::test]
async fn artifacts_come_with_their_bytes() {
    let (executor, _) = executor().await;
    let definition = "{name: p, inputs: {}, steps: [{id: letter, use: t/transform@1, with: {file: a.txt}}], output: '${ steps.letter.artifacts[0].name }'}";
    let (outcome, files) = execute(
        &executor,
        tenant(),
        &planned(definition),
        RunInputs::default(),
        context(),
    )
    .await;
    assert_eq!(outcome.output, Some(json!("a.txt")));
    assert_eq!(files.len(), 1);
    assert_eq!(files[0].0.digest, Digest::of(b"file"));
    assert_eq!((&*files[0].1, files[0].0.size), (&b"file"[..], 4));
    assert_eq!(outcome.artifacts[0].step, "letter");
}

/// On a runtime of one thread, and nothing else may run on it meanwhile: whether work left it is seen by another task.
async fn left_the_thread<T>(work: impl Future<Output = T>) -> (bool, T) {
    let ran = Arc::new(AtomicUsize::new(0));
    let seen = ran.clone();
    tokio::spawn(async move { seen.fetch_add(1, Ordering::SeqCst) });
    let done = work.await;
    (ran.load(Ordering::SeqCst) > 0, done)
}

/// Whether it leaves the thread at all: work on another one may be done before anybody waits for it, and is tried again then.
async fn ever_left<T, F: Future<Output = T>>(work: impl Fn() -> F) -> (bool, T) {
    for _ in 0..50 {
        let (left, done) = left_the_thread(work()).await;
        if left {
            return (left, done);
        }
    }
    left_the_thread(work()).await
}

#[tokio::test]
async fn only_what_may_take_long_leaves_the_thread() {
    let (executor, _) = executor().await;
    let plan = planned(
        "{name: p, inputs: {}, params: {properties: {n: {default: 1}, l: {items: {anyOf: [{type: integer}, {type: string}]}}}},
          lookups: [{name: n, value: '${ params.n }'}], steps: [{id: x, use: t/transform@1}]}",
    );
    let given = |params: serde_json::Value| RunInputs {
        params,
        ..RunInputs::default()
    };
    let (small, large) = (
        given(json!({ "l": [1, "a"] })),
        given(json!({ "l": vec![1; 20_000] })),
    );
    // Compiles the plan, which leaves the thread by itself.
    executor.check_inputs(&plan, &small).await.unwrap();
    assert_eq!(
        left_the_thread(executor.check_inputs(&plan, &small)).await,
        (false, Ok(()))
    );
    assert_eq!(
        ever_left(|| executor.check_inputs(&plan, &large)).await,
        (true, Ok(()))
    );
    let (left, found) = left_the_thread(executor.lookups(&plan, &small)).await;
    assert_eq!((left, found.unwrap().len()), (false, 1));
    let (left, found) = ever_left(|| executor.lookups(&plan, &large)).await;
    assert_eq!((left, found.unwrap().len()), (true, 1));
    let (left, params) = left_the_thread(executor.params(&plan, &small.params)).await;
    assert_eq!((left, params.unwrap()["n"].clone()), (false, json!(1)));
    assert!(ever_left(|| executor.params(&plan, &large.params)).await.0);
}

#[tokio::test]
async fn params_that_multiply_are_refused() {
    let (executor, _) = executor().await;
    let big = "x".repeat(100_000);
    let plan = planned(&format!(
        "{{name: p, inputs: {{}}, params: {{properties: {{l: {{items: {{properties: {{x: {{default: {big}}}}}}}}}}}}},
          steps: [{{id: x, use: t/transform@1}}]}}"
    ));
    let inputs = RunInputs {
        params: json!({ "l": vec![json!({}); 1_000] }),
        ..RunInputs::default()
    };
    let failure = executor.check_inputs(&plan, &inputs).await.unwrap_err();
    assert_eq!(failure.code, Code::InvalidParams, "{failure}");
    assert!(executor.params(&plan, &inputs.params).await.is_err());
    let outcome = execute(&executor, tenant(), &plan, inputs, context()).await.0;
    assert_eq!(outcome.error.map(|e| e.code), Some(Code::InvalidParams));
}

#[tokio::test]
async fn heavy_work_stops_when_nobody_waits_for_it() {
    let (executor, _) = executor().await;
    let (told, heard) = std::sync::mpsc::channel();
    let work = move |stop: &Stop| {
        let begun = Clock::now();
        while begun.elapsed() < Duration::from_secs(5) {
            if !crate::expression::Allowance::new(1, stop).is_left() {
                return told.send(()).unwrap();
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    };
    let deadline = Some(Instant::now() + Duration::from_millis(20));
    let late = executor.0.evaluate(true, deadline, work).await.unwrap_err();
    assert_eq!(late.code, Code::Timeout);
    let ended = tokio::task::spawn_blocking(move || heard.recv());
    assert_eq!(ended.await.unwrap(), Ok(()), "it was told");
}
