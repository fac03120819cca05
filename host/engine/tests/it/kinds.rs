//! Every kind is inspected, loaded, described and called.

use std::sync::Arc;

use docmill_engine::{Call, Engine, Output};
use docmill_model::chunk::Purpose;
use docmill_model::limits::Limits;
use docmill_model::plugin::Kind;
use docmill_model::reading::Inputs;

use crate::support::*;

async fn knows_itself(package: &'static str, kind: Kind) -> docmill_engine::Plugin {
    let plugin = plugin(package).await;
    let inspection = Engine::inspect(&component(package)).unwrap();
    assert_eq!((inspection.kind, plugin.kind()), (kind, kind));
    assert_eq!(inspection.contract, "0.1.0");
    let manifest = engine().describe(&plugin).await.unwrap().unwrap();
    assert!(
        manifest
            .name
            .to_string()
            .ends_with(package.strip_prefix("docmill-").unwrap())
    );
    plugin
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parser() {
    let plugin = knows_itself("docmill-text", Kind::Parser).await;
    let text = "Invoice No. 17\n\nTotal: 42.00";
    let call = Call::Parse {
        source: source("text/plain", "a.txt", text),
        config: "{}".into(),
    };
    let invocation = engine().invoke(&plugin, call, &Limits::default(), &CONTEXT).await;
    let Ok(Output::Reading(reading)) = &invocation.result else {
        panic!("{:?}", invocation.result)
    };
    assert_eq!(reading.source_media_type, "text/plain");
    assert!(reading.whole_text().contains("Total: 42.00"));
    assert_eq!(reading.key, "");
    let usage = &invocation.usage;
    assert!(
        usage.wall_us > 0 && usage.cpu_us > 0 && usage.host_calls > 2,
        "{usage:?}"
    );
    assert!(
        usage.peak_memory_bytes >= 65_536 && usage.host_call_bytes >= text.len() as u64,
        "{usage:?}"
    );
    assert_eq!(usage.effects, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_extractor() {
    let plugin = plugin("docmill-hostile").await;
    assert_eq!(plugin.kind(), Kind::Extractor);
    let invocation = engine()
        .invoke(
            &plugin,
            attack(r#"{"attack":"quote","text":"TWO  three"}"#),
            &tight(),
            &CONTEXT,
        )
        .await;
    let citation = &fields(&invocation)[0].citations[0];
    assert_eq!(citation.quote, "two\nthree");
    assert_eq!(citation.range.map(|r| (r.start, r.end)), Some((4, 13)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_validator() {
    let plugin = knows_itself("docmill-rules", Kind::Validator).await;
    let call = Call::Validate {
        inputs: inputs("x"),
        config: r#"{"rules":[]}"#.into(),
    };
    let invocation = engine().invoke(&plugin, call, &Limits::default(), &CONTEXT).await;
    match &invocation.result {
        Ok(Output::Checks(checks)) => assert!(checks.is_empty()),
        Ok(other) => panic!("{other:?}"),
        Err(failure) => assert_eq!(failure.code.as_str(), "invalid-config", "{failure}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transformer() {
    let plugin = knows_itself("docmill-template", Kind::Transformer).await;
    let inputs = Inputs {
        params: Arc::new(serde_json::json!({ "who": "Аня" })),
        ..Inputs::default()
    };
    let config = r#"{"template":"Hello {{ params.who }}"}"#;
    let call = Call::Transform {
        inputs: Arc::new(inputs),
        config: config.into(),
    };
    let invocation = engine().invoke(&plugin, call, &Limits::default(), &CONTEXT).await;
    let shown = match &invocation.result {
        Ok(Output::Json(json)) => json.to_string(),
        Ok(Output::Artifact(artifact)) => String::from_utf8_lossy(&artifact.content).into_owned(),
        other => panic!("{other:?}"),
    };
    assert!(shown.contains("Hello Аня"), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chunker() {
    let plugin = knows_itself("docmill-chunks", Kind::Chunker).await;
    let call = Call::Split {
        reading: Arc::new(reading("Жил-был пёс. Он лаял.\nИ кот.")),
        config: r#"{"max_chars": 20}"#.into(),
    };
    let invocation = engine().invoke(&plugin, call, &Limits::default(), &CONTEXT).await;
    let Ok(Output::Chunks(chunks)) = &invocation.result else {
        panic!("{:?}", invocation.result)
    };
    let texts: Vec<&str> = chunks.iter().map(|chunk| chunk.text.as_str()).collect();
    assert_eq!(texts, ["Жил-был пёс.", "Он лаял.\nИ кот."]);
    for chunk in chunks {
        let quotes: Vec<&str> = chunk.citations.iter().map(|c| c.quote.as_str()).collect();
        assert_eq!(quotes.join("\n"), chunk.text);
        assert!(
            chunk
                .citations
                .iter()
                .all(|c| c.reading.as_deref() == Some("main"))
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_embedder() {
    let plugin = knows_itself("docmill-hashed-ngrams", Kind::Embedder).await;
    let call = Call::Embed {
        texts: Arc::new(["Жил-был пёс".into(), "".into(), "пёс жил".into()]),
        purpose: Purpose::Query,
        config: r#"{"dimensions": 64}"#.into(),
    };
    let invocation = engine().invoke(&plugin, call, &Limits::default(), &CONTEXT).await;
    let Ok(Output::Embeddings(embeddings)) = &invocation.result else {
        panic!("{:?}", invocation.result)
    };
    assert_eq!(embeddings.model, "docmill/hashed-ngrams v1 d64 words2 chars3-5");
    assert!(embeddings.vectors.iter().all(|vector| vector.len() == 64));
    let near = |a: usize, b: usize| -> f32 {
        let (a, b) = (&embeddings.vectors[a], &embeddings.vectors[b]);
        a.iter().zip(b).map(|(a, b)| a * b).sum()
    };
    assert!(near(0, 2) > 0.4, "{}", near(0, 2));
    assert!(near(0, 1).abs() < f32::EPSILON);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_of_another_kind_is_refused() {
    let plugin = plugin("docmill-text").await;
    let invocation = engine()
        .invoke(&plugin, attack("nothing"), &tight(), &CONTEXT)
        .await;
    assert_eq!(code(&invocation).as_str(), "internal");
}
