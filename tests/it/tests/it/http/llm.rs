//! Language models from end to end: a model set up, a grant, a plugin that asks, a provider that answers or does not, and what is
//! written down of it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use docmill_egress::{Egress, Settings};
use serde_json::{Value as Json, json};
use sqlx::{Connection as _, PgConnection, Row as _};

use super::TEXT;
use crate::support::Host;
use crate::support::client::Reply;
use crate::support::host::{Setup, component};
use crate::support::provider::{Act, Provider, answer, answer_with, refusal};

const KEY: &str = "sk-canary-7f3a9c";
const PRICES: &str = r#"{"currency": "USD", "input": "2.5", "cached_input": "1.25", "output": "10"}"#;

/// A host with docmill/openai and a plugin that asks, and the provider that it may reach.
struct World {
    host: Host,
    provider: Provider,
}

impl World {
    async fn new() -> Self {
        let mut setup = Setup::new().await;
        let settings = Settings {
            networks: vec!["127.0.0.0/8".parse().unwrap()],
            ..Settings::default()
        };
        let resolver: docmill_egress::Resolver = Arc::new(|name| {
            let loopback: IpAddr = [127, 0, 0, 1].into();
            Box::pin(async move {
                Ok(if name == "models.example" {
                    vec![loopback]
                } else {
                    vec![]
                })
            })
        });
        setup.engine.egress = Some(Egress::with_resolver(settings, resolver).unwrap());
        let host = setup.start().await;
        host.install(&["text", "openai"]).await;
        let put = host.call("PUT", "/v1/plugins/test/hostile-llm/versions/0.1.0");
        put.body("application/wasm", component("hostile_llm"))
            .send()
            .await
            .ok(201);
        Self {
            host,
            provider: Provider::start().await,
        }
    }

    /// The same with a secret, a grant for the adapter, and the model `default`.
    async fn ready() -> Self {
        let world = Self::new().await;
        world.connect(KEY).await;
        world.model("default", json!({})).await.ok(201);
        world.grant(json!({})).await.ok(200);
        world
    }

    async fn put(&self, path: &str, body: Json) -> Reply {
        let call = self.host.call("PUT", path);
        call.body("application/json", body.to_string()).send().await
    }

    async fn connect(&self, key: &str) {
        let secret = json!({ "value": key, "hosts": ["models.example"] });
        let kept = self.put("/v1/secrets/provider", secret).await;
        assert!(kept.status < 300, "{}", kept.text());
        let bounds = json!({
            "hosts": ["models.example"], "ports": [self.provider.port], "plaintext": true, "methods": ["POST"],
            "secrets": [{ "header": "authorization", "secret": "provider" }], "time": "20s",
        });
        self.put("/v1/plugins/docmill/openai/grants/http", bounds)
            .await
            .ok(200);
    }

    async fn model(&self, alias: &str, change: Json) -> Reply {
        let mut setting = json!({
            "use": "docmill/openai@0.1", "model": "gpt-x", "prices": serde_json::from_str::<Json>(PRICES).unwrap(),
            "with": { "base_url": format!("http://models.example:{}/v1", self.provider.port), "secret": "provider" },
        });
        setting
            .as_object_mut()
            .unwrap()
            .extend(change.as_object().unwrap().clone());
        self.put(&format!("/v1/models/{alias}"), setting).await
    }

    async fn grant(&self, change: Json) -> Reply {
        let mut bounds = json!({ "models": ["default"], "cost": "0.50 USD" });
        bounds
            .as_object_mut()
            .unwrap()
            .extend(change.as_object().unwrap().clone());
        self.put("/v1/plugins/test/hostile-llm/grants/llm", bounds).await
    }

    async fn save(&self, config: Json) -> Reply {
        let text = format!(
            "name: ask\nretain: debug\nsteps:\n  - {{ id: parse, use: docmill/text@0.1 }}\n  - {{ id: ask, use: test/hostile-llm@0.1, \
             with: {config} }}\n"
        );
        let call = self.host.call("PUT", "/v1/pipelines/ask");
        call.body("application/yaml", text).send().await
    }

    /// Saves the pipeline with these questions and runs it.
    async fn ask(&self, asks: Json) -> Reply {
        let saved = self.save(json!({ "asks": asks })).await;
        assert!(saved.status < 300, "{}", saved.text());
        self.host.run("ask").body("text/plain", TEXT).send().await
    }

    /// What the first question came to, and its message.
    async fn error(&self, ask: Json) -> (String, String) {
        let ran = self.ask(json!([ask])).await.ok(200);
        let of = |name: &str| field(&ran, &format!("answers[0].{name}"));
        (of("error"), of("message"))
    }

    async fn record(&self, ran: &Json) -> Json {
        let path = format!("/v1/runs/{}", ran["id"].as_str().unwrap());
        self.host.get(&path).send().await.ok(200)
    }

    /// What the ledger has, newest run last.
    async fn ledger(&self) -> Vec<Json> {
        let mut owner = PgConnection::connect(&self.host.database.url).await.unwrap();
        let rows = sqlx::query("select to_json(c)::text from docmill.llm_call c order by run_id, ordinal")
            .fetch_all(&mut owner)
            .await
            .unwrap();
        rows.iter()
            .map(|row| serde_json::from_str(row.get::<&str, _>(0)).unwrap())
            .collect()
    }
}

fn field(ran: &Json, path: &str) -> String {
    let fields = ran["fields"].as_array().unwrap().iter();
    let mut found = fields.filter(|field| field["path"] == path);
    let found = found.next().unwrap_or_else(|| panic!("no {path} in {ran}"));
    found["value"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_finds_fields_and_everything_is_written_down_but_what_was_said() {
    let world = World::ready().await;
    let found = json!({ "number": "A-17", "total": "1 234,56 KZT" }).to_string();
    world.provider.will([answer(&found)]);
    let schema = json!({
        "type": "object", "additionalProperties": false, "required": ["number", "total"],
        "properties": { "number": { "type": "string" }, "total": { "type": "string" } },
    });
    let ask = json!({
        "prompt": "document", "system": "Find number and total.", "schema": schema.to_string(), "fields": true,
        "max_output_tokens": 200, "temperature": 0,
    });
    let ran = world.ask(json!([ask])).await.ok(200);
    assert_eq!(
        (field(&ran, "number"), field(&ran, "total")),
        ("A-17".to_owned(), "1 234,56 KZT".to_owned())
    );
    // A model's quote is looked for in the document, and gets its place.
    assert_eq!(ran["fields"][0]["citations"][0]["match"], "exact", "{ran}");

    // What the provider was asked, with the key that the host put in.
    let asked = world.provider.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].line, "POST /v1/chat/completions HTTP/1.1");
    assert_eq!(
        asked[0].header("authorization"),
        Some(format!("Bearer {KEY}").as_str())
    );
    let body = &asked[0].body;
    assert_eq!(
        (&body["model"], &body["max_completion_tokens"]),
        (&json!("gpt-x"), &json!(200))
    );
    assert_eq!(body["response_format"]["json_schema"]["schema"], schema);
    assert!(
        body["messages"][1]["content"]
            .as_str()
            .unwrap()
            .contains("Invoice No: A-17"),
        "{body}"
    );

    // The ledger: (120 - 20) × 2.5 + 20 × 1.25 + 30 × 10 millionths.
    let ledger = world.ledger().await;
    let row = &ledger[0];
    assert_eq!(
        (&row["alias"], &row["model"], &row["answered_by"], &row["adapter"]),
        (
            &json!("default"),
            &json!("gpt-x"),
            &json!("gpt-x-2026-01-01"),
            &json!("docmill/openai@0.1.0")
        )
    );
    assert_eq!(
        (
            &row["input"],
            &row["cached_input"],
            &row["output"],
            &row["reasoning"]
        ),
        (&json!(120), &json!(20), &json!(30), &json!(5))
    );
    assert_eq!(
        (&row["cost_micros"], &row["currency"]),
        (&json!(575), &json!("USD"))
    );
    assert_eq!(row["outcome"], "succeeded");
    assert!(row["wall_us"].as_i64().unwrap() > 0);
    assert!(!row.to_string().contains("Invoice"), "{row}");
    // The same question has the same digest, whichever run asks it, and another another.
    world.provider.will([answer(&found)]);
    world.ask(json!([ask])).await.ok(200);
    let mut other = ask.clone();
    other["system"] = json!("Find the number and the total.");
    world.provider.will([answer(&found)]);
    world.ask(json!([other])).await.ok(200);
    let prompts: Vec<Json> = world
        .ledger()
        .await
        .iter()
        .map(|row| row["prompt"].clone())
        .collect();
    assert_eq!(prompts[0], prompts[1]);
    assert_ne!(prompts[0], prompts[2]);

    // And summed, in the usage.
    let usage = world.host.get("/v1/usage").send().await.ok(200);
    assert_eq!(
        usage["models"],
        json!([{
            "alias": "default", "model": "gpt-x", "calls": 3, "failed": 0, "uncounted": 0, "input_tokens": 360,
            "cached_input_tokens": 60, "output_tokens": 90, "reasoning_tokens": 15, "cost": "0.001725 USD",
        }])
    );

    // The run's record: an effect, so nothing is reused; the adapter's request and the use of the secret.
    let record = world.record(&ran).await.to_string();
    for part in ["llm default asked=1 failed=0", "secrets=provider"] {
        assert!(record.contains(part), "{part} in {record}");
    }
    assert_eq!(world.host.database.audited("model.set").await.unwrap().len(), 1);
    let used = world.host.database.audited("secret.use").await.unwrap();
    assert!(
        used.len() == 3 && used[0].contains("secrets=provider"),
        "{used:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_ask_is_told_why() {
    let world = World::new().await;
    let config = json!({ "asks": [{ "prompt": "hello" }] });
    // Nothing granted: the pipeline is refused, with the fix.
    let refused = world
        .save(config.clone())
        .await
        .problem(422, "invalid-definition")
        .to_string();
    for part in [
        "steps.ask.use",
        "capability llm",
        "docmill plugin grant test/hostile-llm llm",
    ] {
        assert!(refused.contains(part), "{part} in {refused}");
    }
    // An adapter is no step.
    let text = "name: ask\nsteps:\n  - { id: parse, use: docmill/text@0.1 }\n  - { id: ask, use: docmill/openai@0.1 }\n";
    let call = world.host.call("PUT", "/v1/pipelines/ask");
    let refused = call.body("application/yaml", text).send().await;
    let refused = refused.problem(422, "invalid-definition").to_string();
    assert!(refused.contains("docmill model set"), "{refused}");
    world
        .grant(json!({ "models": ["default", "cheap"] }))
        .await
        .ok(200);
    // No model, none of that name, none that could be asked.
    assert_eq!(world.error(json!({})).await.0, "InvalidInput unknown-model");
    assert_eq!(
        world.error(json!({ "model": "other" })).await.0,
        "Denied not-granted"
    );
    assert_eq!(
        world.error(json!({ "model": "NO SUCH" })).await.0,
        "InvalidInput unknown-model"
    );
    world.model("default", json!({})).await.ok(201);
    let (error, message) = world.error(json!({})).await;
    assert_eq!(error, "InvalidConfig unusable-model");
    assert!(
        message.contains("docmill plugin grant docmill/openai http"),
        "{message}"
    );
    // Granted, without the secret: the host sends nothing.
    let bounds = json!({
        "hosts": ["models.example"], "ports": [world.provider.port], "plaintext": true, "methods": ["POST"],
        "secrets": [{ "header": "authorization", "secret": "provider" }],
    });
    world
        .put("/v1/plugins/docmill/openai/grants/http", bounds)
        .await
        .ok(200);
    assert_eq!(world.error(json!({})).await.0, "Denied egress");
    assert!(world.provider.asked().is_empty());
    world.connect(KEY).await;
    let ran = world.ask(json!([{}])).await.ok(200);
    assert_eq!(field(&ran, "answers[0].text"), "hello");
    // Refusals stand in the record, and cost nothing.
    let ran = world.ask(json!([{ "model": "other" }])).await.ok(200);
    let record = world.record(&ran).await.to_string();
    assert!(
        record.contains("llm refused: the plugin's grant for llm does not name the model other"),
        "{record}"
    );
    let withdrawn = world
        .host
        .call("DELETE", "/v1/plugins/test/hostile-llm/grants/llm")
        .send()
        .await;
    assert_eq!(withdrawn.status, 204);
    let run = world.host.run("ask").body("text/plain", TEXT).send().await;
    run.problem(422, "invalid-definition");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_provider_does_wrong_is_told_by_kind_and_counted() {
    let world = World::ready().await;
    let canary = format!("Incorrect API key provided: {KEY}");
    for (act, error) in [
        (
            refusal(
                429,
                vec![("retry-after", "7")],
                "rate_limit_exceeded",
                "slow down",
            ),
            "Exhausted rate-limit 7000",
        ),
        (refusal(401, vec![], "invalid_api_key", &canary), "Denied refused"),
        (refusal(500, vec![], "server_error", "oops"), "Unavailable server"),
        (
            refusal(404, vec![], "model_not_found", "no"),
            "InvalidInput unknown-model",
        ),
        (
            Act::Answer(200, vec![], "{\"choices\": ".to_owned()),
            "Failed bad-answer",
        ),
        (Act::Answer(200, vec![], "[]".to_owned()), "Failed bad-answer"),
        (Act::Cut, "Unavailable connection"),
        (Act::Endless, "Failed oversized-answer"),
    ] {
        world.provider.will([act]);
        let (found, message) = world.error(json!({})).await;
        assert_eq!(found, error, "{message}");
        assert!(!message.contains("canary"), "{message}");
    }
    let outcomes: Vec<Json> = world
        .ledger()
        .await
        .iter()
        .map(|row| row["outcome"].clone())
        .collect();
    let expected = [
        "exhausted",
        "denied",
        "plugin-unavailable",
        "invalid-input",
        "plugin-failed",
        "plugin-failed",
        "plugin-unavailable",
        "plugin-failed",
    ];
    assert_eq!(outcomes, expected.map(Json::from));
    // Handed on, the client is told when to come back.
    world.provider.will([refusal(
        429,
        vec![("retry-after", "7")],
        "rate_limit_exceeded",
        "slow down",
    )]);
    let saved = world.save(json!({ "asks": [{}], "strict": true })).await;
    assert!(matches!(saved.status, 200 | 201), "{}", saved.text());
    let run = world.host.run("ask").body("text/plain", TEXT).send().await;
    assert_eq!(run.header("retry-after"), Some("7"));
    run.problem(429, "exhausted");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_hangs_is_given_up() {
    let world = World::ready().await;
    let with = json!({
        "base_url": format!("http://models.example:{}/v1", world.provider.port), "secret": "provider", "timeout_ms": 300,
    });
    world.model("default", json!({ "with": with })).await.ok(200);
    world.provider.will([Act::Hang]);
    let begun = Instant::now();
    assert_eq!(world.error(json!({})).await.0, "Unavailable timeout");
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    // The plugin's own time, where the adapter would wait longer; the question is in the ledger all the same.
    world.connect(KEY).await;
    world.model("default", json!({})).await.ok(200);
    world.provider.will([Act::Hang]);
    let text = "name: ask\nsteps:\n  - { id: parse, use: docmill/text@0.1 }\n  - { id: ask, use: test/hostile-llm@0.1, timeout: 700ms, \
                with: { asks: [{}] } }\n";
    world.host.save(text).await;
    let begun = Instant::now();
    let run = world.host.run("ask").body("text/plain", TEXT).send().await;
    run.problem(504, "timeout");
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    let last = world.ledger().await.pop().unwrap();
    assert_eq!(
        (&last["outcome"], &last["input"]),
        (&json!("interrupted"), &Json::Null)
    );
    let place = world.host.engine.stats();
    assert_eq!(place.running, 0, "{place:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn budgets_hold() {
    let world = World::ready().await;
    // 30 tokens of an answer cost 300 millionths, what was cached and what was not 275.
    let errors = async |asks: Json| {
        let ran = world.ask(asks).await.ok(200);
        let fields = ran["fields"].as_array().unwrap().clone();
        let errors = fields
            .iter()
            .filter(|field| field["path"].as_str().unwrap().ends_with(".error"));
        let errors: Vec<String> = errors
            .map(|field| field["value"].as_str().unwrap().to_owned())
            .collect();
        (errors, world.provider.asked().len())
    };
    world.grant(json!({ "calls": 2 })).await.ok(200);
    assert_eq!(
        errors(json!([{ "times": 4 }])).await,
        (vec!["Exhausted budget".to_owned(); 2], 2)
    );
    world.grant(json!({ "input_bytes": "1KiB" })).await.ok(200);
    assert_eq!(
        errors(json!([{ "filler": 2_000 }])).await,
        (vec!["Exhausted budget".to_owned()], 0)
    );
    world.grant(json!({ "output_tokens": 50 })).await.ok(200);
    // The second may have 20 tokens more, and the server gives 30.
    assert_eq!(
        errors(json!([{ "times": 3 }])).await,
        (vec!["Exhausted budget".to_owned()], 2)
    );
    // 1000 tokens could cost a cent, and 10 do not.
    world.grant(json!({ "cost": "0.01 USD" })).await.ok(200);
    assert_eq!(
        errors(json!([{ "max_output_tokens": 1_000 }])).await,
        (vec!["Exhausted budget".to_owned()], 0)
    );
    assert_eq!(errors(json!([{ "max_output_tokens": 10 }])).await, (vec![], 1));
    world.grant(json!({ "cost": "1 EUR" })).await.ok(200);
    assert_eq!(
        errors(json!([{}])).await,
        (vec!["Exhausted budget".to_owned()], 0)
    );
    // The model's own bound.
    world.grant(json!({})).await.ok(200);
    world
        .model("default", json!({ "max_output_tokens": 7 }))
        .await
        .ok(200);
    world.ask(json!([{ "max_output_tokens": 500 }])).await.ok(200);
    assert_eq!(world.provider.asked()[0].body["max_completion_tokens"], 7);
    // What the plugin reads says what to do.
    world.grant(json!({ "cost": "0.000001 USD" })).await.ok(200);
    let (_, message) = world.error(json!({})).await;
    assert!(message.contains("max-output-tokens"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_does_not_fit_its_schema_is_an_error_that_was_paid_for() {
    let world = World::ready().await;
    let schema = json!({ "type": "object", "required": ["total"] }).to_string();
    for said in ["not JSON", "[]", "{\"number\": 1}", ""] {
        world.provider.will([answer(said)]);
        assert_eq!(
            world.error(json!({ "schema": schema })).await.0,
            "Failed misfit",
            "{said}"
        );
    }
    let call = json!({ "content": null, "tool_calls": [{ "id": "1", "function": { "name": "a", "arguments": "{}" } }] });
    world.provider.will([answer_with(call, 10, 10)]);
    assert_eq!(world.error(json!({ "schema": schema })).await.0, "Failed misfit");
    // Schemas that cannot be used come from the plugin.
    let endless = json!({ "$ref": "#" }).to_string();
    world.provider.asked();
    assert_eq!(
        world.error(json!({ "schema": endless })).await.0,
        "InvalidInput invalid-schema"
    );
    assert!(
        world.provider.asked().is_empty(),
        "nobody was asked, and nobody paid"
    );
    let ledger = world.ledger().await;
    assert!(
        ledger
            .iter()
            .all(|row| row["outcome"] == "plugin-failed" && row["cost_micros"].as_i64() > Some(0)),
        "{ledger:?}"
    );
    world.provider.will([answer("{\"total\": 1}")]);
    let ran = world.ask(json!([{ "schema": schema }])).await.ok(200);
    assert_eq!(field(&ran, "answers[0].text"), "{\"total\": 1}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_nowhere_but_in_the_request() {
    let world = World::ready().await;
    // A provider that says the key again, in an answer and in a refusal.
    let echo = format!("your key is {KEY}, is it not");
    world
        .provider
        .will([answer(&echo), refusal(401, vec![], "invalid_api_key", &echo)]);
    let ran = world.ask(json!([{ "times": 2 }])).await;
    let answered = ran.text();
    let ran = ran.ok(200);
    assert!(
        field(&ran, "answers[0].text").contains("your key is ****"),
        "{ran}"
    );
    let asked = world.provider.asked();
    assert!(asked.iter().all(|it| {
        it.header("authorization")
            .is_some_and(|value| value.ends_with(KEY))
    }));
    let record = world
        .host
        .get(&format!("/v1/runs/{}", ran["id"].as_str().unwrap()))
        .send()
        .await;
    let metrics = world.host.anonymous("GET", "/metrics").send().await;
    let audit = world.host.get("/v1/audit").send().await;
    let models = world.host.get("/v1/models").send().await;
    let texts = [
        answered,
        record.text(),
        metrics.text(),
        audit.text(),
        models.text(),
    ];
    for text in texts {
        assert!(!text.contains("canary"), "{text}");
    }
    let dumped = world.host.database.dump().await.unwrap();
    for (table, row) in &dumped {
        assert!(!row.contains("canary"), "{table}");
    }
    let asked_rows = dumped.iter().filter(|(table, _)| table == "llm_call").count();
    assert_eq!(asked_rows, 2);
    // A prompt that looks like a placeholder is no way to it.
    let (error, _) = world.error(json!({ "prompt": "{{secret:provider}}" })).await;
    assert_eq!(error, "Denied egress");
}

#[tokio::test(flavor = "multi_thread")]
async fn models_are_judged_when_they_are_set_and_belong_to_one_organisation() {
    let world = World::ready().await;
    for (change, code, said) in [
        (
            json!({ "use": "docmill/openai@9" }),
            "invalid-definition",
            "no version",
        ),
        (
            json!({ "use": "docmill/text@0.1" }),
            "invalid-definition",
            "llm-adapter",
        ),
        (
            json!({ "use": "docmill/nothing@1" }),
            "invalid-definition",
            "there is no plugin",
        ),
        (
            json!({ "with": { "base_url": "ftp://a" } }),
            "invalid-definition",
            "with.base_url",
        ),
        (
            json!({ "with": { "api_key": "sk-1" } }),
            "invalid-definition",
            "api_key",
        ),
        (json!({ "model": "" }), "malformed-request", "model"),
        (json!({ "model": "a\u{1b}[31m" }), "malformed-request", "model"),
        (
            json!({ "max_output_tokens": 0 }),
            "malformed-request",
            "max_output_tokens",
        ),
        (
            json!({ "prices": { "currency": "usd", "input": "1", "output": "1" } }),
            "malformed-request",
            "currency",
        ),
        (
            json!({ "prices": { "currency": "USD", "input": 1.5, "output": "1" } }),
            "malformed-request",
            "string",
        ),
        (
            json!({ "prices": { "currency": "USD", "input": "1" } }),
            "malformed-request",
            "output",
        ),
        (json!({ "key": "sk-1" }), "malformed-request", "unknown field"),
    ] {
        let refused = world.model("default", change.clone()).await;
        let status = if code == "malformed-request" { 400 } else { 422 };
        let refused = refused.problem(status, code).to_string();
        assert!(refused.contains(said), "{change}: {refused}");
    }
    for alias in ["A", "a_b", "a%20b", &"a".repeat(61)] {
        world
            .model(alias, json!({}))
            .await
            .problem(400, "malformed-request");
    }
    let shown = world.host.get("/v1/models/default").send().await.ok(200);
    assert_eq!(
        (&shown["model"], &shown["prices"]["input"]),
        (&json!("gpt-x"), &json!("2.5"))
    );
    world.model("default", json!({})).await.ok(200);
    assert_eq!(
        world.host.database.audited("model.set").await.unwrap().len(),
        1,
        "the same again is no change"
    );

    // Another organisation has none of it.
    let (_, stranger) = world.host.database.another_tenant("stranger").await.unwrap();
    let theirs = world
        .host
        .anonymous("GET", "/v1/models")
        .key(stranger.expose())
        .send()
        .await
        .ok(200);
    assert_eq!(theirs, json!({ "items": [] }));
    let theirs = world
        .host
        .anonymous("GET", "/v1/models/default")
        .key(stranger.expose())
        .send()
        .await;
    theirs.problem(404, "not-found");

    // Removed, in runs that begin from now on.
    world.ask(json!([{}])).await.ok(200);
    assert_eq!(
        world
            .host
            .call("DELETE", "/v1/models/default")
            .send()
            .await
            .status,
        204
    );
    world
        .host
        .call("DELETE", "/v1/models/default")
        .send()
        .await
        .problem(404, "not-found");
    assert_eq!(world.error(json!({})).await.0, "InvalidInput unknown-model");
    assert_eq!(
        world.host.database.audited("model.remove").await.unwrap().len(),
        1
    );
}
