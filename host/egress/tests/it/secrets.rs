//! A secret goes to the server that it is bound to, in the header that the grant names, and comes back from nowhere.

use std::sync::{Arc, Mutex};

use docmill_egress::{Egress, EgressError, Placeholder, Request, Secret, SecretValue};
use docmill_model::grant::HttpGrant;
use serde_json::json;
use tokio::io::AsyncWriteExt as _;

use crate::support::{Sink, body, bounded, egress, get, names, send_with, server};

const SECRET: &str = "canary-5f2b/+\"x\"&y";

fn inside() -> Egress {
    let loopback: &[&[&str]] = &[&["127.0.0.1"]];
    egress(
        &["127.0.0.0/8"],
        names(&[("fine.example", loopback), ("other.example", loopback)]),
    )
}

fn granted() -> Arc<HttpGrant> {
    let secrets = json!([{"header": "authorization", "secret": "key"}]);
    bounded(&["fine.example", "other.example"], json!({"secrets": secrets}))
}

fn secrets() -> Vec<Secret> {
    vec![Secret {
        name: "key".into(),
        hosts: vec!["fine.example".parse().unwrap()],
        value: SecretValue::new(SECRET.into()).unwrap(),
    }]
}

fn with_header(url: &str, name: &'static str, value: &str) -> Request {
    let mut request = get(url);
    request.headers.insert(name, value.parse().unwrap());
    request
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_arrives_and_its_echo_does_not() {
    let heard = Arc::new(Mutex::new(String::new()));
    let hears = Arc::clone(&heard);
    let port = server(move |head, mut stream| {
        hears.lock().unwrap().push_str(&head);
        async move {
            // Byte by byte, so that no piece holds it whole.
            let echo = format!(
                "{head}|{}|{}",
                hex::encode(&head),
                serde_json::to_string(&head).unwrap()
            );
            let start = "HTTP/1.1 200 OK\r\nx-echo: ".to_owned() + SECRET;
            let answer = format!("{start}\r\ncontent-length: {}\r\n\r\n{echo}", echo.len());
            for byte in answer.as_bytes().chunks(7) {
                let _ = stream.write_all(byte).await;
                let _ = stream.flush().await;
                tokio::task::yield_now().await;
            }
        }
    })
    .await;
    let mut request = with_header(
        &format!("http://fine.example:{port}/"),
        "authorization",
        "Bearer {{secret:key}}",
    );
    request
        .headers
        .insert("accept-encoding", "gzip, br".parse().unwrap());
    let session = inside().session(granted(), secrets(), None);
    drop(
        session
            .send(get(&format!("http://fine.example:{port}/")))
            .await
            .unwrap(),
    );
    assert!(!heard.lock().unwrap().contains("canary"));
    let answer = send_with(&inside(), &granted(), secrets(), request)
        .await
        .unwrap();
    let heard = heard.lock().unwrap().clone();
    assert!(
        heard.contains(&format!("authorization: Bearer {SECRET}\r\n")),
        "{heard}"
    );
    assert!(heard.contains("accept-encoding: identity\r\n"), "{heard}");
    let seen = format!("{:?} {}", answer.headers, answer.text);
    for spelling in [
        SECRET.to_owned(),
        hex::encode(SECRET),
        SECRET.replace('"', "\\\""),
        "canary".to_owned(),
        hex::encode("canary"),
    ] {
        assert!(!seen.contains(&spelling), "{spelling} in {seen}");
    }
    assert!(answer.text.contains("Bearer *****"), "{}", answer.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_placeholder_anywhere_else_sends_nothing() {
    let sink = Sink::new().await;
    let fine = format!("http://fine.example:{}/", sink.port);
    let other = format!("http://other.example:{}/", sink.port);
    let placeholder = "{{secret:key}}";
    for (what, request) in [
        ("another header", with_header(&fine, "x-other", placeholder)),
        ("cookie", with_header(&fine, "cookie", placeholder)),
        (
            "another secret",
            with_header(&fine, "authorization", "{{secret:other}}"),
        ),
        ("malformed", with_header(&fine, "authorization", "{{secret:key")),
        ("path", get(&format!("{fine}{placeholder}"))),
        ("query", get(&format!("{fine}?a=%7B%7Bsecret%3Akey%7D%7D"))),
        ("another host", with_header(&other, "authorization", placeholder)),
    ] {
        let refused = send_with(&inside(), &granted(), secrets(), request).await.err();
        assert!(
            matches!(refused, Some(EgressError::Placeholder(_))),
            "{what}: {refused:?}"
        );
    }
    assert!(sink.came().is_empty());
    // Without a grant that names it, and without the secret itself.
    let bare = bounded(&["fine.example"], json!({}));
    let refused = send_with(
        &inside(),
        &bare,
        Vec::new(),
        with_header(&fine, "authorization", placeholder),
    )
    .await;
    assert!(matches!(
        refused.err(),
        Some(EgressError::Placeholder(Placeholder::Misplaced(_)))
    ));
    let refused = send_with(
        &inside(),
        &granted(),
        Vec::new(),
        with_header(&fine, "authorization", placeholder),
    )
    .await;
    assert_eq!(
        refused.err(),
        Some(EgressError::Placeholder(Placeholder::Missing("key".into())))
    );
    assert!(sink.came().is_empty());
    // A body is seen as it is sent: the request breaks off.
    let mut request = get(&fine);
    request.method = http::Method::POST;
    request.body = body(format!("{}{placeholder}", "x".repeat(100_000)));
    let refused = send_with(&inside(), &granted(), secrets(), request).await.err();
    assert_eq!(
        refused,
        Some(EgressError::Placeholder(Placeholder::Misplaced("the body")))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_in_which_nothing_can_be_found_is_refused() {
    let port = server(|_, mut stream| async move {
        let _ = stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 2\r\n\r\nxx")
            .await;
    })
    .await;
    let request = with_header(
        &format!("http://fine.example:{port}/"),
        "authorization",
        "{{secret:key}}",
    );
    let refused = send_with(&inside(), &granted(), secrets(), request).await.err();
    assert_eq!(refused, Some(EgressError::Encoded));
}
