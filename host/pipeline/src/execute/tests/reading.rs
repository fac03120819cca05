//! Parsers: the main reading, names, several files, reuse, seeds.

use super::*;

fn keys(outcome: &RunOutcome) -> Vec<&str> {
    outcome.readings.iter().map(|r| r.reading.key.as_str()).collect()
}

fn cited(outcome: &RunOutcome, path: &str) -> Option<String> {
    let field = outcome
        .fields
        .iter()
        .find(|f| f.path == path)
        .unwrap_or_else(|| panic!("{path}: {:?}", outcome.fields));
    field.citations[0].reading.clone()
}

#[tokio::test]
async fn the_parser_whose_condition_holds_makes_the_main_reading() {
    let (executor, _) = executor().await;
    for needs in ["", ", needs: []"] {
        let definition = format!(
            "
            name: p
            steps:
              - {{ id: pdf, use: t/parse@1, when: \"input.media_type == 'application/pdf'\" }}
              - {{ id: text, use: t/parse-2@1, when: \"input.media_type == 'text/plain'\"{needs} }}
              - {{ id: fields, use: t/extract@1, needs: [pdf, text], with: {{ fields: {{ a: '${{ reading.pages[1].text }}' }} }} }}
            output: {{ key: '${{ reading.key }}', pages: '${{ reading.pages.size() }}' }}
            "
        );
        let outcome = run(&executor, &definition, one_file("one|two")).await;
        assert_eq!(outcome.error, None);
        assert_eq!(keys(&outcome), ["main"], "{needs}");
        assert_eq!(values(&outcome), ["a=two"]);
        assert_eq!(
            cited(&outcome, "a"),
            None,
            "{needs}: the main reading needs no name"
        );
        assert_eq!(outcome.readings[0].plugin, "t/parse-2@1.0.0");
        assert_eq!(outcome.output.unwrap()["pages"], json!(2));
    }
}

#[tokio::test]
async fn several_files_and_several_parsers_have_names_that_do_not_depend_on_who_is_faster() {
    let (executor, _) = executor().await;
    let definition = |slow: &str| {
        let (a, b) = if slow == "a" { (30, 0) } else { (0, 30) };
        format!(
            "
            name: p
            inputs: {{ contract: {{ max: 3 }}, invoice: {{ max: 3 }} }}
            steps:
              - {{ id: c, use: t/parse@1, input: contract, needs: [], with: {{ sleep: {a} }} }}
              - {{ id: i, use: t/parse@1, input: invoice, needs: [], with: {{ sleep: {b} }} }}
              - {{ id: again, use: t/parse-2@1, input: invoice, needs: [] }}
              - {{ id: of_c, use: t/extract@1, needs: [c], with: {{ fields: {{ c: x }} }} }}
              - {{ id: of_i, use: t/extract@1, needs: [i], with: {{ fields: {{ i: x }} }} }}
              - {{ id: of_both, use: t/extract@1, needs: [i, c], with: {{ fields: {{ both: x }} }} }}
              - {{ id: named, use: t/extract@1, needs: [i, c], with: {{ fields: {{ named: x }}, cite: 'main' }} }}
              - {{ id: see, use: t/transform@1, needs: [of_i, of_c, again] }}
            output: '${{ steps.see.output }}'
            "
        )
    };
    let inputs = || RunInputs {
        files: BTreeMap::from([
            (
                "contract".into(),
                vec![file("c0", "text/plain"), file("c1", "text/plain")],
            ),
            ("invoice".into(), vec![file("i0", "text/plain")]),
        ]),
        ..RunInputs::default()
    };
    for slow in ["a", "b"] {
        let outcome = run(&executor, &definition(slow), inputs()).await;
        assert_eq!(outcome.error, None);
        assert_eq!(
            keys(&outcome),
            ["main", "contract[1]", "invoice[0]", "invoice[0]/again"],
            "{slow}"
        );
        assert_eq!(cited(&outcome, "c"), None);
        assert_eq!(
            cited(&outcome, "i").as_deref(),
            Some("invoice[0]"),
            "of_i saw no other reading"
        );
        assert_eq!(cited(&outcome, "both"), None);
        assert_eq!(cited(&outcome, "named"), None);
        let seen = outcome.output.unwrap();
        assert_eq!(seen["main"], json!("main"));
        assert_eq!(
            seen["readings"],
            json!({ "contract": ["main", "contract[1]"], "invoice": ["invoice[0]", "invoice[0]/again"] })
        );
        let items: Vec<_> = outcome
            .steps
            .iter()
            .filter(|s| s.step == "c")
            .map(|s| s.item)
            .collect();
        assert_eq!(items, [Some(0), Some(1)]);
    }
}

#[tokio::test]
async fn parallel_parsers_of_which_only_the_later_succeeds_still_give_a_main_reading() {
    let (executor, _) = executor().await;
    let definition = "
        name: p
        steps:
          - { id: first, use: t/parse@1, needs: [], with: { fail: unsupported-input }, on_error: skip }
          - { id: second, use: t/parse-2@1, needs: [] }
          - { id: fields, use: t/extract@1, needs: [second], with: { fields: { a: x } } }
    ";
    let outcome = run(&executor, definition, one_file("x")).await;
    assert_eq!((outcome.error.clone(), keys(&outcome)), (None, vec!["main"]));
    assert_eq!(cited(&outcome, "a"), None);
}

#[tokio::test]
async fn without_files_a_parser_is_skipped() {
    let (executor, asked) = executor().await;
    let definition = "
        name: p
        inputs: { file: { min: 0 } }
        steps: [ { id: parse, use: t/parse@1 }, { id: after, use: t/transform@1 } ]
        output: { has: '${ has(inputs.file) }', status: '${ steps.parse.status }', input: '${ input }' }
    ";
    let outcome = run(&executor, definition, RunInputs::default()).await;
    assert_eq!(
        outcome.output,
        Some(json!({ "has": false, "status": "skipped", "input": null }))
    );
    assert_eq!(asked.count("t/parse"), 0);
}

#[tokio::test]
async fn what_a_pure_parser_made_of_the_same_bytes_is_used_again() {
    let (executor, asked) = executor().await;
    let definition = |with: &str| {
        format!(
            "{{name: p, steps: [{{id: parse, use: t/parse@1, with: {{{with}}}}}], output: '${{ reading.pages[0].text }}'}}"
        )
    };
    let reused = |outcome: &RunOutcome| outcome.steps[0].attempts[0].reused;

    let first = run(&executor, &definition("a: 1"), one_file("x")).await;
    let second = run(&executor, &definition("a: 1"), one_file("x")).await;
    assert_eq!(
        (reused(&first), reused(&second), asked.count("t/parse")),
        (false, true, 1)
    );
    assert_eq!(
        (first.output, second.output.clone()),
        (second.output, Some(json!("x")))
    );
    assert_eq!(first.readings[0].recipe, second.readings[0].recipe);

    // Other bytes, another name, another configuration, another tenant.
    assert!(!reused(&run(&executor, &definition("a: 1"), one_file("y")).await));
    assert!(!reused(&run(&executor, &definition("a: 2"), one_file("x")).await));
    let mut renamed = one_file("x");
    let source = Source {
        name: Some("b.txt".into()),
        ..(*renamed.files["file"][0].bytes).clone()
    };
    renamed.files.get_mut("file").unwrap()[0].bytes = Arc::new(source);
    assert!(!reused(&run(&executor, &definition("a: 1"), renamed).await));
    // The store keeps readings of one recipe once, so whatever a parser sees is in it.
    let mut seen = one_file("x");
    let source = Source {
        media_type: "text/csv".into(),
        ..(*seen.files["file"][0].bytes).clone()
    };
    seen.files.get_mut("file").unwrap()[0].bytes = Arc::new(source);
    let typed = run(&executor, &definition("a: 1"), seen).await;
    assert_ne!(typed.readings[0].recipe, first.readings[0].recipe);
    let clock = definition("effect: clock");
    let impure = || run(&executor, &clock, one_file("x"));
    assert_ne!(
        impure().await.readings[0].recipe,
        impure().await.readings[0].recipe
    );
    let other = execute(
        &executor,
        TenantId::new(),
        &planned(&definition("a: 1")),
        one_file("x"),
        context(),
    )
    .await;
    assert!(!reused(&other.0));

    // Effects and failures are not kept.
    for with in ["effect: clock", "fail: trap"] {
        for _ in 0..2 {
            assert!(
                !reused(&run(&executor, &definition(with), one_file("x")).await),
                "{with}"
            );
        }
    }
}

#[tokio::test]
async fn what_is_cheaper_than_keeping_it_is_made_again() {
    let (executor, asked) = executor().await;
    let plan = planned("{name: p, steps: [{id: parse, use: t/parse@1, with: {cpu_us: 40}}]}");
    for _ in 0..3 {
        let (outcome, _) = execute(&executor, tenant(), &plan, one_file("x"), context()).await;
        assert!(!outcome.steps[0].attempts[0].reused);
    }
    assert_eq!(asked.count("t/parse"), 3);
    assert_eq!(
        executor.cache().figures().misses,
        1,
        "nothing was known of the first"
    );
    // So much text may take a millisecond: it is looked for; it took 40 µs after all: it is not kept.
    let text = "x".repeat(1 << 20);
    for misses in [2, 3] {
        let (outcome, _) = execute(&executor, tenant(), &plan, one_file(&text), context()).await;
        assert!(!outcome.steps[0].attempts[0].reused);
        assert_eq!(executor.cache().figures().misses, misses);
    }
    assert_eq!(executor.cache().figures().local_values, 0);
}

#[tokio::test]
async fn fifty_runs_at_once_over_the_same_bytes_parse_once() {
    let (executor, asked) = executor().await;
    let plan = planned("{name: p, steps: [{id: parse, use: t/parse@1, with: {sleep: 50}}]}");
    let runs = (0..50).map(|_| {
        let (executor, plan) = (executor.clone(), plan.clone());
        tokio::spawn(async move {
            execute(&executor, tenant(), &plan, one_file("x"), context())
                .await
                .0
        })
    });
    for outcome in runs.collect::<Vec<_>>() {
        assert_eq!(outcome.await.unwrap().status, Status::Succeeded);
    }
    assert_eq!(asked.count("t/parse"), 1);
}

#[tokio::test]
async fn seeds_follow_from_what_a_call_can_see_and_from_nothing_else() {
    let (executor, asked) = executor().await;
    let tenant = tenant();
    let go = async |definition: &str, tenant: TenantId, inputs: RunInputs| {
        let before = asked.seeds().len();
        execute(&executor, tenant, &planned(definition), inputs, context()).await;
        asked.seeds().split_off(before)
    };
    let base = "{name: p, inputs: {r: {kind: record, min: 0}}, params: {}, steps: [{id: a, use: t/extract@1, with: {fields: {a: x}}}, {id: b, use: t/transform@1, for_each: '[1, 1, 2]'}]}";
    let params = |n: i32| RunInputs {
        params: json!({ "n": n }),
        ..RunInputs::default()
    };
    let first = go(base, tenant, params(1)).await;
    assert_eq!(first, go(base, tenant, params(1)).await);
    assert_eq!(first[1], first[2], "the same item is the same call");
    assert_ne!(first[1], first[3]);
    assert_ne!(first[0], go(base, tenant, params(2)).await[0]);
    assert_ne!(first[0], go(base, TenantId::new(), params(1)).await[0]);
    assert_ne!(
        first[0],
        go(&base.replace("{a: x}", "{a: y}"), tenant, params(1)).await[0]
    );
    let other = go(&base.replace("{a: x}", "{a: y}"), tenant, params(1)).await;
    assert_ne!(first[1], other[1], "earlier fields are inputs too");
}

#[tokio::test]
async fn a_result_is_used_again_within_its_tier_and_not_by_who_may_not_see_it() {
    let (executor, asked) = executor().await;
    let definition = "{name: p, steps: [{id: parse, use: t/parse@1}]}";
    let mut reused = Vec::new();
    for reuse in [
        Some(Clearance::A),
        Some(Clearance::A),
        Some(Clearance::D),
        None,
        None,
        Some(Clearance::D),
    ] {
        let context = RunContext { reuse, ..context() };
        let (outcome, _) = execute(&executor, tenant(), &planned(definition), one_file("x"), context).await;
        assert_eq!(outcome.error, None);
        reused.push(outcome.steps[0].attempts[0].reused);
    }
    assert_eq!(reused, [false, true, false, false, false, true]);
    assert_eq!(asked.count("t/parse"), 4);
}
