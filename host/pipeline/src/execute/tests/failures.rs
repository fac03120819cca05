//! Failures: retries, skips, fallbacks, conditions, deadlines, cancelling.

use std::time::Instant as Clock;

use super::*;

/// A pipeline of one step `x` with these members, and `after` that needs it.
fn around(x: &str) -> String {
    format!(
        "{{name: p, inputs: {{}}, params: {{}}, steps: [{{id: x, use: t/transform@1, {x}}}, {{id: after, use: t/transform@1, with: {{json: done}}}}],
          output: {{ status: '${{ steps.x.status }}', code: '${{ steps.x.error.code }}', x: '${{ steps.x.output }}' }} }}"
    )
}

#[tokio::test]
async fn every_way_to_fail_ends_as_written() {
    let (executor, _) = executor().await;
    let fallback = "on_error: {fallback: {use: t/transform-2@1, with: {json: second}}}";
    for (x, error, steps, output) in [
        // fail
        ("with: {fail: trap}".to_owned(), Some(Code::Trap), vec!["x failed trap", "after skipped"], None),
        ("with: {fail: invalid-input}, on_error: fail".into(), Some(Code::InvalidInput), vec!["x failed invalid-input", "after skipped"], None),
        // skip
        ("with: {fail: trap}, on_error: skip".into(), None, vec!["x failed trap", "after succeeded ok"], Some(json!({ "status": "failed", "code": "trap", "x": null }))),
        // fallback
        (format!("with: {{fail: trap}}, {fallback}"), None, vec!["x fell_back trap,ok", "after succeeded ok"], Some(json!({ "status": "fell_back", "code": null, "x": "second" }))),
        ("with: {fail: trap}, on_error: {fallback: t/transform-2@1}".into(), Some(Code::Trap), vec!["x failed trap,trap", "after skipped"], None),
        (format!("with: {{json: first}}, {fallback}"), None, vec!["x succeeded ok", "after succeeded ok"], Some(json!({ "status": "succeeded", "code": null, "x": "first" }))),
        // when
        ("when: 'false', with: {fail: trap}".into(), None, vec!["x skipped", "after succeeded ok"], Some(json!({ "status": "skipped", "code": null, "x": null }))),
        ("when: '1 + 1', with: {json: 1}".into(), Some(Code::ExpressionFailed), vec!["x failed", "after skipped"], None),
        ("when: 'params.nothing == 1', on_error: skip".into(), None, vec!["x failed", "after succeeded ok"], Some(json!({ "status": "failed", "code": "expression-failed", "x": null }))),
        // configuration
        ("with: {level: '${ \"high\" }'}".into(), Some(Code::InvalidConfig), vec!["x failed", "after skipped"], None),
        ("with: {level: '${ 1 / 0 }'}, on_error: skip".into(), None, vec!["x failed", "after succeeded ok"], Some(json!({ "status": "failed", "code": "expression-failed", "x": null }))),
        // retry
        ("with: {fail: plugin-unavailable, times: 2, json: 1}, retry: {attempts: 3, backoff: 1ms}".into(), None, vec!["x succeeded plugin-unavailable,plugin-unavailable,ok", "after succeeded ok"], Some(json!({ "status": "succeeded", "code": null, "x": 1 }))),
        ("with: {fail: plugin-unavailable}, retry: {attempts: 2, backoff: 1ms}".into(), Some(Code::PluginUnavailable), vec!["x failed plugin-unavailable,plugin-unavailable", "after skipped"], None),
        ("with: {fail: trap}, retry: {attempts: 3, backoff: 1ms}".into(), Some(Code::Trap), vec!["x failed trap", "after skipped"], None),
        ("with: {fail: trap, times: 1, json: 1}, retry: {attempts: 3, backoff: 1ms, any_failure: true}".into(), None, vec!["x succeeded trap,ok", "after succeeded ok"], Some(json!({ "status": "succeeded", "code": null, "x": 1 }))),
        ("with: {fail: invalid-input}, retry: {attempts: 3, backoff: 1ms, any_failure: true}".into(), Some(Code::InvalidInput), vec!["x failed invalid-input", "after skipped"], None),
        ("with: {fail: input-too-large}, retry: {attempts: 3, backoff: 1ms, any_failure: true}".into(), Some(Code::InputTooLarge), vec!["x failed input-too-large", "after skipped"], None),
        ("with: {fail: plugin-bound}, retry: {attempts: 3, backoff: 1ms, any_failure: true}".into(), Some(Code::PluginBound), vec!["x failed plugin-bound", "after skipped"], None),
        (format!("with: {{fail: plugin-unavailable}}, retry: {{attempts: 2, backoff: 1ms}}, {fallback}"), None, vec!["x fell_back plugin-unavailable,plugin-unavailable,ok", "after succeeded ok"], Some(json!({ "status": "fell_back", "code": null, "x": "second" }))),
        // fan-out
        ("for_each: '[1, 2, 3]', with: {fail: trap, fail_item: 2}".into(), Some(Code::Trap), vec!["x[0] succeeded ok", "x[1] failed trap", "after skipped"], None),
        ("for_each: '[1, 2, 3]', with: {fail: trap, fail_item: 2}, on_error: skip".into(), None, vec!["x[0] succeeded ok", "x[1] failed trap", "x[2] succeeded ok", "after succeeded ok"], None),
        ("for_each: '[1, 2]', with: {fail: trap}, on_error: skip".into(), None, vec!["x[0] failed trap", "x[1] failed trap", "after succeeded ok"], Some(json!({ "status": "failed", "code": "trap", "x": [] }))),
        (format!("for_each: '[1, 2]', with: {{fail: trap, fail_item: 2}}, {fallback}"), None, vec!["x[0] succeeded ok", "x[1] fell_back trap,ok", "after succeeded ok"], None),
        ("for_each: '[1, 2]', when: 'false', with: {fail: trap}".into(), None, vec!["x skipped", "after succeeded ok"], Some(json!({ "status": "skipped", "code": null, "x": null }))),
        ("for_each: '[1, 2]', with: {fail: plugin-unavailable, times: 1}, retry: {attempts: 2, backoff: 1ms}".into(), None, vec!["x[0] succeeded plugin-unavailable,ok", "x[1] succeeded plugin-unavailable,ok", "after succeeded ok"], None),
        // What the host says ends the run whatever is written.
        ("with: {fail: interrupted}, on_error: skip, retry: {attempts: 3, backoff: 1ms}".into(), Some(Code::Interrupted), vec!["x failed interrupted", "after skipped"], None),
        (format!("with: {{fail: interrupted}}, {fallback}"), Some(Code::Interrupted), vec!["x failed interrupted", "after skipped"], None),
    ] {
        let outcome = run(&executor, &around(&x), RunInputs::default()).await;
        assert_eq!(outcome.error.as_ref().map(|e| e.code), error, "{x}: {:?}", outcome.error);
        assert_eq!(statuses(&outcome), steps, "{x}");
        if let Some(error) = &outcome.error {
            assert_eq!(error.step.as_deref(), Some("x"), "{x}");
            assert_eq!((outcome.status, outcome.verdict), (Status::Failed, None));
        }
        if let Some(output) = output {
            assert_eq!(outcome.output, Some(output), "{x}");
        }
    }
}

#[tokio::test]
async fn a_step_runs_though_all_that_it_needs_was_skipped() {
    let (executor, _) = executor().await;
    let definition = "
        name: p
        inputs: {}
        steps:
          - { id: a, use: t/transform@1, needs: [], when: 'false' }
          - { id: b, use: t/transform@1, needs: [], with: { fail: trap }, on_error: skip }
          - { id: c, use: t/transform@1, needs: [a, b], with: { json: ran } }
        output: '${ steps.c.output }'
    ";
    let outcome = run(&executor, definition, RunInputs::default()).await;
    assert_eq!(
        statuses(&outcome),
        ["a skipped", "b failed trap", "c succeeded ok"]
    );
    assert_eq!(outcome.output, Some(json!("ran")));
}

#[tokio::test]
async fn pauses_double_are_spread_and_respect_what_the_plugin_asks_for() {
    let (executor, _) = executor().await;
    let timed = async |with: &str| {
        let begun = Clock::now();
        let outcome = run(&executor, &around(with), RunInputs::default()).await;
        assert_eq!(outcome.status, Status::Succeeded, "{:?}", outcome.error);
        begun.elapsed()
    };
    let took = timed("with: {fail: plugin-unavailable, times: 2}, retry: {attempts: 3, backoff: 40ms}").await;
    assert!(
        (Duration::from_millis(96)..Duration::from_millis(400)).contains(&took),
        "{took:?}"
    );
    let took = timed(
        "with: {fail: plugin-unavailable, times: 1, retry_after: 150}, retry: {attempts: 2, backoff: 1ms}",
    )
    .await;
    assert!(
        (Duration::from_millis(150)..Duration::from_millis(400)).contains(&took),
        "{took:?}"
    );
}

#[tokio::test]
async fn the_deadline_ends_the_run_whatever_the_steps_say() {
    let (executor, _) = executor().await;
    for x in [
        "with: {sleep: 5000}, on_error: skip",
        "with: {sleep: 5000}, retry: {attempts: 10, backoff: 1ms, any_failure: true}",
        "with: {fail: plugin-unavailable}, retry: {attempts: 10, backoff: 30s}",
        "for_each: '[1, 2, 3]', with: {sleep: 5000}, on_error: skip",
    ] {
        let begun = Clock::now();
        let deadline = Instant::now() + Duration::from_millis(100);
        let context = RunContext {
            deadline: Some(deadline),
            ..context()
        };
        let (outcome, _) = execute(
            &executor,
            tenant(),
            &planned(&around(x)),
            RunInputs::default(),
            context,
        )
        .await;
        assert!(
            begun.elapsed() < Duration::from_millis(700),
            "{x}: {:?}",
            begun.elapsed()
        );
        assert_eq!(outcome.status, Status::Failed, "{x}");
        assert_eq!(status(&outcome, "after"), Some(StepStatus::Skipped), "{x}");
    }
}

#[tokio::test]
async fn a_failure_stops_what_runs_beside_it_and_so_does_a_lost_caller() {
    let (executor, asked) = executor().await;
    let definition = "
        name: p
        inputs: {}
        steps:
          - { id: slow, use: t/transform@1, needs: [], with: { sleep: 3000 } }
          - { id: bad, use: t/transform@1, needs: [], with: { fail: trap, sleep: 20 } }
    ";
    let begun = Clock::now();
    let outcome = run(&executor, definition, RunInputs::default()).await;
    assert!(begun.elapsed() < Duration::from_secs(1));
    assert_eq!(statuses(&outcome), ["slow skipped", "bad failed trap"]);
    assert_eq!(
        asked.at_once.load(Ordering::SeqCst),
        0,
        "the slow one was dropped"
    );

    let plan = planned(&around("with: {sleep: 3000}"));
    let lost = execute(&executor, tenant(), &plan, RunInputs::default(), context());
    assert!(
        tokio::time::timeout(Duration::from_millis(50), lost)
            .await
            .is_err()
    );
    assert_eq!(asked.at_once.load(Ordering::SeqCst), 0);
    assert_eq!(
        asked.finished.load(Ordering::SeqCst),
        1,
        "only `bad` came to its end"
    );
}

#[tokio::test]
async fn logs_are_kept_of_failures_and_for_debugging_with_outputs() {
    let (executor, _) = executor().await;
    let x = "with: {fail: plugin-unavailable, times: 1}, retry: {attempts: 2, backoff: 1ms}";
    let outcome = run(&executor, &around(x), RunInputs::default()).await;
    let logs: Vec<_> = outcome.steps[0]
        .attempts
        .iter()
        .map(|a| a.log.as_deref())
        .collect();
    assert_eq!(logs, [Some("it failed"), None]);
    assert_eq!(outcome.steps[0].output, None);
    let debug = around("with: {json: 1}").replace("name: p", "name: p, retain: debug");
    let outcome = run(&executor, &debug, RunInputs::default()).await;
    assert_eq!(outcome.steps[0].attempts[0].log.as_deref(), Some("it went well"));
    assert_eq!(outcome.steps[0].output.as_deref(), Some(&serde_json::json!(1)));
}

#[tokio::test]
async fn an_output_that_fails_fails_the_run_and_keeps_what_was_found() {
    let (executor, _) = executor().await;
    let definition =
        "{name: p, inputs: {}, steps: [{id: v, use: t/validate@1}], output: { a: '${ 1 / 0 }' }}";
    let outcome = run(&executor, definition, RunInputs::default()).await;
    assert_eq!(outcome.error.map(|e| e.code), Some(Code::ExpressionFailed));
    assert_eq!((outcome.verdict, outcome.checks.len()), (None, 1));
}
