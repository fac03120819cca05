//! `wasi:keyvalue` from inside a guest, over stores that misbehave. The real one is met by the tests over HTTP.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use docmill_engine::{Answer, Granted, Invocation, KeyValue, KeyValueError, Start};
use docmill_model::duration::Span;
use docmill_model::failure::Code;
use docmill_model::limits::Limits;
use docmill_model::value::Value;
use serde_json::json;

use crate::support::*;

/// Answers every request alike, and counts them.
#[derive(Debug)]
struct Odd {
    how: How,
    asked: AtomicUsize,
}

#[derive(Debug, Clone, Copy)]
enum How {
    Hangs,
    Fails,
    Panics,
    /// So many bytes, whatever was asked for.
    Floods(usize),
}

impl Odd {
    fn new(how: How) -> Arc<Self> {
        let asked = AtomicUsize::new(0);
        Arc::new(Self { how, asked })
    }

    fn answer<T: Send + 'static>(&self, flood: impl FnOnce(usize) -> T + Send + 'static) -> Answer<'_, T> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let how = self.how;
        Box::pin(async move {
            match how {
                How::Hangs => std::future::pending().await,
                How::Fails => Err(KeyValueError::Unavailable),
                How::Panics => panic!("as told"),
                How::Floods(bytes) => Ok(flood(bytes)),
            }
        })
    }
}

impl KeyValue for Odd {
    fn get(&self, keys: Vec<String>) -> Answer<'_, Vec<Option<Vec<u8>>>> {
        self.answer(move |bytes| keys.iter().map(|_| Some(vec![b'x'; bytes])).collect())
    }

    fn set(&self, _: Vec<(String, Vec<u8>)>) -> Answer<'_, ()> {
        self.answer(|_| ())
    }

    fn delete(&self, _: Vec<String>) -> Answer<'_, ()> {
        self.answer(|_| ())
    }

    fn list(&self, _: Start) -> Answer<'_, (Vec<String>, bool)> {
        self.answer(|bytes| (vec!["x".repeat(bytes)], true))
    }

    fn increment(&self, _: String, _: i64) -> Answer<'_, i64> {
        self.answer(|_| 1)
    }

    fn swap(&self, _: String, _: Option<[u8; 32]>, _: Vec<u8>) -> Answer<'_, bool> {
        // Somebody else is always there first.
        self.answer(|_| false)
    }
}

async fn call(
    ask: serde_json::Value,
    store: Option<Arc<Odd>>,
    change: impl FnOnce(&mut Limits),
) -> Invocation {
    let plugin = plugin("docmill-hostile-keyvalue").await;
    let mut limits = tight();
    change(&mut limits);
    let granted = Granted {
        keyvalue: store.map(|store| {
            let grant = serde_json::from_value(json!({ "calls": 10_000 })).unwrap();
            (Arc::new(grant), store as Arc<dyn KeyValue>)
        }),
        ..Granted::default()
    };
    let call = attack(&json!({ "ask": ask }).to_string());
    engine()
        .invoke_granted(&plugin, call, &limits, &CONTEXT, granted)
        .await
}

fn answers(invocation: &Invocation) -> Vec<String> {
    let docmill_engine::Output::Fields(fields) = invocation.result.as_ref().unwrap() else {
        panic!("fields")
    };
    let text = |value: &Option<Value>| match value {
        Some(Value::Text(text)) => text.to_string(),
        other => panic!("{other:?}"),
    };
    fields.iter().map(|field| text(&field.value)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_grant_nothing_is_asked() {
    let ask = json!([
        ["get", "a"],
        ["set", "a", "1"],
        ["second.swap", "a", "1"],
        ["list"]
    ]);
    let refused = call(ask, None, |_| {}).await;
    assert_eq!(answers(&refused), ["error: access-denied"; 4]);
    assert!(refused.log.contains("docmill plugin grant"), "{}", refused.log);
    assert_eq!(refused.usage.effects[0], "keyvalue");
    assert!(
        refused.usage.effects[1].contains("refused=4"),
        "{:?}",
        refused.usage.effects
    );
    // Who asks for nothing has done nothing.
    assert!(call(json!([]), None, |_| {}).await.usage.effects.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_hangs_ends_the_call_in_time() {
    for ask in ["get", "set", "delete", "list", "increment", "second.swap"] {
        let store = Odd::new(How::Hangs);
        let ended = call(json!([[ask, "a", "1"]]), Some(Arc::clone(&store)), |limits| {
            limits.timeout = Span::millis(300);
        });
        let ended = ended.await;
        // As the engine measured it: the plugin may have to be built and compiled first.
        assert!(
            ended.usage.wall_us < 5_000_000,
            "{ask}: {} µs",
            ended.usage.wall_us
        );
        assert_eq!(ended.result.unwrap_err().code, Code::Timeout, "{ask}");
        assert_eq!(store.asked.load(Ordering::Relaxed), 1, "{ask}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_fails_is_told_of() {
    let ask = json!([
        ["get", "a"],
        ["set", "a", "1"],
        ["list"],
        ["second.swap", "a", "1"]
    ]);
    let failed = call(ask, Some(Odd::new(How::Fails)), |_| {}).await;
    for answer in answers(&failed) {
        assert!(answer.contains("the store does not answer"), "{answer}");
    }
    let broken = call(json!([["get", "a"]]), Some(Odd::new(How::Panics)), |_| {}).await;
    assert!(broken.result.is_err());
    let works = call(
        json!([["second.swap", "a", "1"]]),
        Some(Odd::new(How::Floods(1))),
        |_| {},
    )
    .await;
    assert_eq!(answers(&works), ["saw x, there is x"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_back_is_counted() {
    let flood = Odd::new(How::Floods(8 << 20));
    let many: Vec<_> = (0..64).map(|_| json!(["get", "a"])).collect();
    let ended = call(many.into(), Some(flood), |limits| {
        limits.host_call_bytes = docmill_model::size::ByteSize::mib(20);
    });
    assert_eq!(ended.await.result.unwrap_err().code, Code::HostCallLimit);
    // More keys at once than the host would hold the values of.
    let keys: Vec<String> = (0..9_000).map(|n| format!("k{n}")).collect();
    let mut question = vec!["get-many".to_owned()];
    question.extend(keys);
    let store = Odd::new(How::Floods(1));
    let said = answers(&call(json!([question]), Some(Arc::clone(&store)), |_| {}).await);
    assert!(said[0].contains("ask for fewer"), "{said:?}");
    assert_eq!(store.asked.load(Ordering::Relaxed), 0);
}
