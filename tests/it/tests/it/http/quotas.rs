//! What tenants may use: refused with what was used up and when to come back, shared by hosts, changed while somebody waits.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use docmill_store::who::LimitChange;
use serde_json::{Value as Json, json};

use super::{NOTE, TEXT};
use crate::support::client::{Call, Reply};
use crate::support::redis::Redis;
use crate::support::{Host, Setup, component};

/// As the operator does; `seen` are the hosts that must have taken it up, within two seconds.
async fn limit(host: &Host, settings: &[(&str, &str)], seen: &[&docmill_api::ApiState]) {
    let (store, tenant) = (&host.database.store, host.database.tenant);
    let row = store.get_tenant(tenant).await.unwrap();
    let mut limits = row.limits.clone();
    for (name, value) in settings {
        limits.set(name, value).unwrap();
    }
    let change = LimitChange {
        limits: &limits,
        edition: None,
        expected_version: row.version,
        changes: &json!({}),
    };
    store.change_limits(tenant, &change).await.unwrap();
    let began = Instant::now();
    for state in seen {
        let limiter = state.runs().quotas().limiter();
        let holds = || {
            limiter
                .get(tenant, Duration::MAX)
                .map(|held| (*held.allowance()).clone())
        };
        // Nobody asked yet: it is read with the first request.
        while holds().is_some_and(|held| held != limits.or(limiter.defaults())) {
            assert!(
                began.elapsed() < Duration::from_secs(4),
                "a host does not take up what changed"
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

fn me(address: SocketAddr, host: &Host) -> Call {
    Call::new(address, "GET", "/v1/me").key(&host.key)
}

/// How many of `count` requests to each of the hosts were answered, sent at once.
async fn answered(host: &Host, addresses: &[SocketAddr], count: usize) -> usize {
    let calls = (0..count).flat_map(|_| addresses.iter().map(|address| me(*address, host).send()));
    let replies: Vec<Reply> = futures_util::future::join_all(calls).await;
    for reply in &replies {
        assert!(matches!(reply.status, 200 | 429), "{}", reply.text());
    }
    replies.iter().filter(|reply| reply.status == 200).count()
}

fn of<'a>(quotas: &'a Json, name: &str) -> &'a Json {
    let items = quotas["items"].as_array().unwrap();
    items.iter().find(|item| item["quota"] == name).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_says_which_quota_and_when_to_come_back() {
    let host = Host::with(&[]).await;
    let open = host.get("/v1/me").send().await;
    assert!(open.header("ratelimit").is_none() && open.header("ratelimit-policy").is_none());
    limit(
        &host,
        &[("requests_per_second", "1"), ("requests_burst", "3")],
        &[&host.state],
    )
    .await;
    let first = host.get("/v1/quotas").send().await;
    let policy = "\"requests_per_second\";q=1;w=1";
    assert_eq!(first.header("ratelimit-policy"), Some(policy));
    assert_eq!(first.header("ratelimit"), Some("\"requests_per_second\";r=2;t=1"));
    let shown = first.ok(200);
    let second = of(&shown, "requests_per_second");
    assert_eq!(
        (&second["limit"], &second["used"], &second["remaining"]),
        (&1.into(), &1.into(), &2.into())
    );
    assert_eq!(
        (&second["policy"], &second["unit"]),
        (&"reject".into(), &"requests".into())
    );
    assert!(second["resets_at"].as_str().unwrap().ends_with('Z'));
    assert!(of(&shown, "stored_bytes")["limit"].is_null());

    let mut refused = None;
    for _ in 0..10 {
        let reply = host.get("/v1/me").header("Accept-Language", "ru").send().await;
        if reply.status == 429 {
            refused = Some(reply);
            break;
        }
    }
    let refused = refused.expect("refused after three");
    let problem = refused.problem(429, "quota-exceeded");
    assert_eq!(
        (&problem["quota"], &problem["value"], &problem["unit"]),
        (&"requests_per_second".into(), &1.into(), &"requests".into())
    );
    assert_eq!(problem["title"], "Квота исчерпана");
    assert!(
        problem["retry_after_ms"]
            .as_u64()
            .is_some_and(|ms| (1..=1_000).contains(&ms)),
        "{problem}"
    );
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(refused.header("ratelimit-policy"), Some(policy));
    assert!(
        refused
            .header("ratelimit")
            .unwrap()
            .starts_with("\"requests_per_second\";r=0;t=")
    );

    // The body of who is refused is not waited for.
    let mut slow = host
        .run("note")
        .begin("Content-Type: text/plain\r\nContent-Length: 10\r\n")
        .await;
    crate::support::client::read(&mut slow)
        .await
        .problem(429, "quota-exceeded");
    // Somebody else's quota is somebody else's.
    let (_, other) = host.database.another_tenant("other").await.unwrap();
    for _ in 0..10 {
        host.anonymous("GET", "/v1/me")
            .key(other.expose())
            .send()
            .await
            .ok(200);
    }
    let figures = host.anonymous("GET", "/metrics").send().await.text();
    let line = figures
        .lines()
        .find(|l| l.starts_with("docmill_quota_refusals_total{quota=\"requests_per_second\"}"));
    assert!(
        line.unwrap().split(' ').nth(1).unwrap().parse::<u64>().unwrap() >= 2,
        "{figures}"
    );
    limit(
        &host,
        &[("requests_per_second", "default"), ("requests_burst", "default")],
        &[&host.state],
    )
    .await;
    for _ in 0..20 {
        host.get("/v1/me").send().await.ok(200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_days_requests_outlive_a_host_and_are_counted_over_all() {
    let host = Host::with(&[]).await;
    limit(&host, &[("requests_per_day", "30")], &[]).await;
    assert_eq!(answered(&host, &[host.address], 20).await, 20);
    let counted = async || {
        let sql = "select coalesce(sum(requests), 0)::bigint from docmill.request_count";
        let mut owner = <sqlx::PgConnection as sqlx::Connection>::connect(&host.database.url)
            .await
            .unwrap();
        sqlx::query_scalar::<_, i64>(sql)
            .fetch_one(&mut owner)
            .await
            .unwrap()
    };
    let began = Instant::now();
    while counted().await < 20 {
        assert!(
            began.elapsed() < Duration::from_secs(5),
            "nobody writes what was counted"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let (another, state) = host.another(None).await;
    assert_eq!(answered(&host, &[another], 30).await, 10);
    let refused = me(another, &host).send().await.problem(429, "quota-exceeded");
    assert_eq!(
        (&refused["quota"], &refused["value"]),
        (&"requests_per_day".into(), &30.into())
    );
    assert!(refused["retry_after_ms"].as_u64().unwrap() <= 24 * 3_600_000);
    // The first one hears of it.
    let began = Instant::now();
    while me(host.address, &host).send().await.status != 429 {
        assert!(
            began.elapsed() < Duration::from_secs(5),
            "the first host does not hear of the second"
        );
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    drop(state);
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_share_a_limit_through_redis_and_hold_it_alone_without() {
    let mut redis = Redis::start();
    let mut setup = Setup::new().await;
    setup.redis_url = Some(redis.url());
    let host = setup.start().await;
    let (another, other) = host.another(Some(redis.url())).await;
    let both = [host.address, another];
    let errors = || {
        let of = |state: &docmill_api::ApiState| state.runs().quotas().limiter().figures().shared_errors;
        (of(&host.state), of(&other))
    };
    limit(
        &host,
        &[("requests_per_second", "40"), ("requests_per_day", "100000")],
        &[],
    )
    .await;
    answered(&host, &both, 1).await;

    // Whatever comes within `took`, at most the burst and what was added since.
    let flood = async || {
        tokio::time::sleep(Duration::from_millis(1_100)).await;
        let began = Instant::now();
        let mut got = 0;
        while began.elapsed() < Duration::from_millis(500) {
            got += answered(&host, &both, 15).await;
        }
        (got as f64, began.elapsed().as_secs_f64())
    };
    let (got, took) = flood().await;
    // Two more: a portion that a host had from before.
    assert!(
        got <= 40.0 + 40.0 * took + 4.0 && got >= 38.0,
        "{got} in {took} s"
    );
    assert_eq!(errors(), (0, 0));

    // In the middle of a window: each host's own bucket goes on, which what it gave is counted in.
    redis.stop();
    let began = Instant::now();
    let mut got = 0;
    while began.elapsed() < Duration::from_millis(500) {
        got += answered(&host, &both, 15).await;
    }
    let most = 2.0 * (40.0 + 40.0 * began.elapsed().as_secs_f64()) + 8.0;
    assert!(f64::from(u32::try_from(got).unwrap()) <= most, "{got} of {most}");
    let (one, two) = errors();
    assert!(one + two > 0);
    let (got, took) = flood().await;
    assert!(got <= 2.0 * (40.0 + 40.0 * took), "never open: {got} in {took} s");
    assert!(
        got > 45.0 + 40.0 * took,
        "each gives the whole limit: {got} in {took} s"
    );

    redis.start_again();
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let before = errors();
        let (got, took) = flood().await;
        if got <= 40.0 + 40.0 * took + 4.0 && errors() == before {
            break;
        }
        assert!(
            Instant::now() < deadline,
            "redis is not found again: {got} in {took} s"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_days_requests_are_shared_at_once_through_redis() {
    let redis = Redis::start();
    let mut setup = Setup::new().await;
    setup.redis_url = Some(redis.url());
    let host = setup.start().await;
    let (another, state) = host.another(Some(redis.url())).await;
    limit(&host, &[("requests_per_day", "60")], &[]).await;
    // Faster than hosts tell each other through PostgreSQL.
    let got = answered(&host, &[host.address, another], 60).await;
    assert!((56..=60).contains(&got), "{got}");
    let refused = me(another, &host).send().await.problem(429, "quota-exceeded");
    assert_eq!(refused["quota"], "requests_per_day");
    drop(state);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_user_has_runs_a_minute_of_their_own_on_all_hosts_together() {
    let mut redis = Redis::start();
    let mut setup = Setup::new().await;
    setup.redis_url = Some(redis.url());
    let host = setup.start().await;
    host.install(&["text"]).await;
    host.save("name: say\nretain: none\nsteps:\n  - { id: parse, use: docmill/text@* }\n")
        .await;
    let (another, state) = host.another(Some(redis.url())).await;
    let states = [&host.state, &state];
    limit(&host, &[("subject_runs_per_minute", "6")], &states).await;
    let run = |address, subject: Option<&str>| {
        let call = Call::new(address, "POST", "/v1/pipelines/say/runs")
            .key(&host.key)
            .body("text/plain", "text");
        match subject {
            Some(subject) => call.header("Docmill-Subject", subject),
            None => call,
        }
    };
    let got = async |subject: &str, tries: usize| {
        let calls = (0..tries).map(|n| run([host.address, another][n % 2], Some(subject)).send());
        let replies = futures_util::future::join_all(calls).await;
        assert!(replies.iter().all(|reply| matches!(reply.status, 200 | 429)));
        replies.iter().filter(|reply| reply.status == 200).count()
    };
    assert_eq!(got("анна@пример.рф", 20).await, 6, "of both hosts together");
    assert_eq!(got("boris", 5).await, 5);
    for _ in 0..10 {
        run(another, None).send().await.ok(200);
    }
    let reply = run(another, Some("анна@пример.рф")).send().await;
    let refused = reply.problem(429, "quota-exceeded");
    assert_eq!(
        (&refused["quota"], &refused["value"]),
        (&"subject_runs_per_minute".into(), &6.into())
    );
    let seconds: u64 = reply.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=10).contains(&seconds), "{seconds}");

    // Without Redis each host goes on with what it counted itself: never open.
    redis.stop();
    let more = got("clara", 40).await;
    assert!((6..=12).contains(&more), "{more}");
    assert_eq!(got("clara", 20).await, 0);
    drop(state);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_runs_use_is_limited() {
    let mut setup = Setup::new().await;
    setup.runs.queue = Duration::from_millis(300);
    let host = setup.start().await;
    host.install(&["text", "patterns"]).await;
    let put = host.call("PUT", "/v1/plugins/test/hostile/versions/0.1.0");
    put.body("application/wasm", component("hostile"))
        .send()
        .await
        .ok(201);
    let attack = |name: &str, with: &str, more: &str| {
        format!(
            "name: {name}\nretain: none\n{more}\nsteps:\n  - {{ id: parse, use: docmill/text@* }}\n  - {{ id: a, use: test/hostile@*, with: {with} }}\n"
        )
    };
    host.save(NOTE).await;
    host.save(&attack("spin", "{attack: spin}", "limits: {timeout: 2s}"))
        .await;
    host.save(&attack(
        "burn",
        "{attack: burn, size: 60000000}",
        "limits: {timeout: 2s}",
    ))
    .await;
    host.save(&attack("eat", "{attack: allocate, size: 32}", ""))
        .await;
    let run = |name: &str| host.run(name).body("text/plain", TEXT).send();
    run("eat").await.ok(200);

    // Runs at work.
    limit(&host, &[("concurrent_runs", "1")], &[&host.state]).await;
    let (long, refused) = tokio::join!(run("spin"), async {
        while host.state.runs().figures().working == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        run("note").await
    });
    assert_eq!(long.status, 504, "{}", long.text());
    let problem = refused.problem(429, "quota-exceeded");
    assert_eq!(
        (&problem["quota"], &problem["value"]),
        (&"concurrent_runs".into(), &1.into())
    );
    run("note").await.ok(200);

    // Memory of a call.
    limit(
        &host,
        &[("concurrent_runs", "default"), ("memory", "16MiB")],
        &[&host.state],
    )
    .await;
    run("eat").await.problem(502, "memory-limit");
    limit(&host, &[("memory", "default")], &[&host.state]).await;
    run("eat").await.ok(200);

    // CPU time: the next run would have to wait longer than it may last.
    limit(&host, &[("cpu_ms_per_minute", "10")], &[&host.state]).await;
    run("burn").await.ok(200);
    let refused = run("burn").await;
    let problem = refused.problem(429, "quota-exceeded");
    assert_eq!(
        (&problem["quota"], &problem["unit"]),
        (&"cpu_ms_per_minute".into(), &"ms".into())
    );
    assert!(refused.header("retry-after").unwrap().parse::<u64>().unwrap() >= 2);
    limit(&host, &[("cpu_ms_per_minute", "10000000")], &[&host.state]).await;
    run("burn").await.ok(200);
    limit(&host, &[("cpu_ms_per_minute", "default")], &[&host.state]).await;

    // Stored bytes: what is kept already counts, what is not to be kept does not.
    limit(&host, &[("stored_bytes", "150")], &[&host.state]).await;
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let refused = host.run("note").body("text/plain", "x".repeat(140)).send().await;
    let problem = refused.problem(429, "quota-exceeded");
    assert_eq!(
        (&problem["quota"], &problem["value"]),
        (&"stored_bytes".into(), &150.into())
    );
    host.run("note")
        .body("text/plain", "x".repeat(60))
        .send()
        .await
        .ok(200);
    host.run("note")
        .body("text/plain", "y".repeat(60))
        .send()
        .await
        .problem(429, "quota-exceeded");
    host.run("eat")
        .body("text/plain", "x".repeat(500))
        .send()
        .await
        .ok(200);
    let shown = host.get("/v1/quotas").send().await.ok(200);
    let stored = of(&shown, "stored_bytes");
    assert_eq!(stored["used"].as_u64(), Some(TEXT.len() as u64 + 60), "{stored}");

    // Plugins: when a pipeline is saved, and when it runs.
    limit(
        &host,
        &[("stored_bytes", "default"), ("allowed_plugins", "docmill/*")],
        &[&host.state],
    )
    .await;
    let problem = run("eat").await.problem(403, "plugin-not-allowed");
    assert!(
        problem["detail"].as_str().unwrap().contains("test/hostile"),
        "{problem}"
    );
    let put = host
        .call("PUT", "/v1/pipelines/more")
        .body("application/yaml", attack("more", "{attack: nothing}", ""));
    let problem = put.send().await.problem(403, "plugin-not-allowed");
    assert_eq!(problem["step"], "a");
    run("note").await.ok(200);
}

/// A quota that changes reaches a thousand that wait for it, each on a connection of its own.
#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_that_wait_go_on_when_there_is_more() {
    const WAIT: usize = 1_000;
    let mut setup = Setup::alone().await;
    setup.runs.in_flight = 2 * WAIT;
    setup.runs.per_tenant = 2 * WAIT;
    setup.runs.queue = Duration::from_secs(50);
    let host = setup.start().await;
    host.install(&["text"]).await;
    let put = host.call("PUT", "/v1/plugins/test/hostile/versions/0.1.0");
    put.body("application/wasm", component("hostile"))
        .send()
        .await
        .ok(201);
    host.save("name: quick\nretain: none\nsteps: [ { id: a, use: docmill/text@* } ]\n")
        .await;
    host.save("name: spin\nretain: none\nlimits: {timeout: 50s}\nsteps:\n  - { id: parse, use: docmill/text@* }\n  - { id: a, use: test/hostile@*, with: {attack: spin}, limits: {timeout: 50s, cpu: 50s} }\n").await;
    limit(&host, &[("concurrent_runs", "1")], &[&host.state]).await;
    let run = |name: &str| host.run(name).body("text/plain", TEXT).send();
    // One holds the only turn for longer than this test lasts.
    let held = tokio::spawn(run("spin"));
    while host.state.runs().figures().working == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let waiting = futures_util::future::join_all((0..WAIT).map(|_| run("quick")));
    let (replies, ()) = tokio::join!(waiting, async {
        while host.state.runs().figures().queued < WAIT {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        limit(&host, &[("concurrent_runs", "9")], &[&host.state]).await;
    });
    assert!(!held.is_finished());
    held.abort();
    for reply in replies {
        reply.ok(200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn guesses_of_keys_are_limited_by_address() {
    let mut setup = Setup::new().await;
    setup.quotas.failed_keys = 5;
    let host = setup.start().await;
    host.get("/v1/me").send().await.ok(200);
    let guess = |n: usize| host.anonymous("GET", "/v1/me").key(&format!("dm_{n:064}")).send();
    for n in 0..5 {
        guess(n).await.problem(401, "unauthenticated");
    }
    let refused = guess(6).await;
    let problem = refused.problem(429, "quota-exceeded");
    assert_eq!(
        (&problem["quota"], &problem["value"]),
        (&"failed_keys_per_minute".into(), &5.into())
    );
    assert!(refused.header("retry-after").is_some());
    // Who has a key that the host knows goes on.
    host.get("/v1/me").send().await.ok(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_sees_its_limits_and_cannot_change_them() {
    let mut setup = Setup::new().await;
    setup.quotas.defaults.set("batch_size", "500").unwrap();
    let host = setup.start().await;
    host.install(&["text", "patterns"]).await;
    host.save(NOTE).await;
    limit(
        &host,
        &[("requests_per_second", "500"), ("allowed_models", "small-1")],
        &[&host.state],
    )
    .await;
    let shown = host.get("/v1/tenant").send().await.ok(200);
    let limits = &shown["limits"];
    assert_eq!(
        limits["requests_per_second"],
        json!({"value": 500, "unit": "requests", "default": false})
    );
    assert_eq!(
        limits["batch_size"],
        json!({"value": 500, "unit": "runs", "default": true})
    );
    assert_eq!(limits["stored_bytes"]["value"], Json::Null);
    assert_eq!(
        limits["allowed_models"],
        json!({"value": ["small-1"], "default": false})
    );
    let patch = |body: Json| {
        let call = host.call("PATCH", "/v1/tenant");
        call.body("application/merge-patch+json", body.to_string()).send()
    };
    for bad in [
        json!({"limits": {"requests_per_second": 5000}}),
        json!({"requests_per_second": 5000}),
        json!({"edition": "pro"}),
        json!({"contacts": "me"}),
        json!({"contacts": {"a": "x".repeat(20_000)}}),
        json!({"billing": []}),
        json!({"default_pipeline": "nothing"}),
        json!({"default_pipeline": "No Name"}),
    ] {
        patch(bad).await.problem(400, "malformed-request");
    }
    let own = json!({"contacts": {"owner": "a@example.org"}, "billing": {"bin": "123"}, "default_pipeline": "note"});
    let changed = patch(own.clone()).await.ok(200);
    for name in ["contacts", "billing", "default_pipeline"] {
        assert_eq!(changed[name], own[name]);
    }
    let back = patch(json!({"contacts": null, "default_pipeline": null}))
        .await
        .ok(200);
    assert_eq!(
        (&back["contacts"], &back["default_pipeline"], &back["billing"]),
        (&json!({}), &Json::Null, &own["billing"])
    );
    assert_eq!(back["limits"], shown["limits"]);
}
