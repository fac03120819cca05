//! Nothing lasts longer, is larger or comes more often than the grant says.

use std::sync::Arc;
use std::time::{Duration, Instant};

use docmill_egress::{Egress, EgressError};
use docmill_model::duration::Span;
use docmill_model::grant::HttpGrant;
use docmill_model::size::ByteSize;
use http_body_util::BodyExt as _;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::{OK, Sink, body, bounded, egress, get, names, send, server};

fn inside() -> Egress {
    egress(&["127.0.0.0/8"], names(&[("fine.example", &[&["127.0.0.1"]])]))
}

fn granted(with: serde_json::Value) -> Arc<HttpGrant> {
    bounded(&["fine.example"], with)
}

fn url(port: u16) -> String {
    format!("http://fine.example:{port}/path?query#fragment")
}

async fn says(answer: Vec<u8>) -> u16 {
    server(move |_, mut stream| {
        let answer = answer.clone();
        async move {
            let _ = stream.write_all(&answer).await;
            let _ = stream.shutdown().await;
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_arrives_as_it_was_sent_with_its_own_host_and_nothing_else() {
    let heard = Arc::new(std::sync::Mutex::new(String::new()));
    let hears = Arc::clone(&heard);
    let port = server(move |head, mut stream| {
        *hears.lock().unwrap() = head;
        async move {
            let _ = stream.write_all(OK.as_bytes()).await;
        }
    })
    .await;
    let mut request = get(&url(port));
    request.headers.insert("x-own", "1".parse().unwrap());
    let answer = send(&inside(), &granted(json!({})), request).await.unwrap();
    assert_eq!((answer.status, answer.text.as_str()), (200, "ok"));
    let head = heard.lock().unwrap().to_lowercase();
    assert!(head.starts_with("get /path?query http/1.1\r\n"), "{head}");
    assert!(
        head.contains(&format!("host: fine.example:{port}\r\n")) && head.contains("x-own: 1\r\n"),
        "{head}"
    );
    assert_eq!(head.lines().filter(|line| !line.is_empty()).count(), 3, "{head}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hosts_own_headers_are_refused() {
    let sink = Sink::new().await;
    for name in [
        "connection",
        "te",
        "transfer-encoding",
        "upgrade",
        "proxy-authorization",
        "expect",
        "keep-alive",
    ] {
        let mut request = get(&url(sink.port));
        request.headers.insert(name, "x".parse().unwrap());
        let refused = send(&inside(), &granted(json!({})), request).await.err();
        assert_eq!(refused, Some(EgressError::Header(name.to_owned())));
    }
    // `Host` is always the URL's.
    let mut request = get(&url(sink.port));
    request.headers.insert("host", "other.example".parse().unwrap());
    assert!(send(&inside(), &granted(json!({})), request).await.is_ok());
    assert_eq!(sink.came().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_makes_so_many_requests_and_no_more() {
    let sink = Sink::new().await;
    let session = inside().session(granted(json!({"calls": 3})), Vec::new(), None);
    for n in 0..10 {
        let sent = session.send(get(&url(sink.port))).await.err();
        assert_eq!(sent, (n >= 3).then_some(EgressError::CallsSpent(3)), "{n}");
    }
    assert_eq!(sink.came().len(), 3);
    assert_eq!((session.traffic()[0].sent, session.traffic()[0].refused), (3, 7));
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_are_counted_over_all_requests_of_a_call() {
    let port = server(|_, mut stream| async move {
        let mut sink = vec![0; 64 << 10];
        let _ = tokio::time::timeout(Duration::from_millis(50), stream.read(&mut sink)).await;
        let _ = stream.write_all(OK.as_bytes()).await;
    })
    .await;
    let session = inside().session(granted(json!({"request_bytes": "1KiB"})), Vec::new(), None);
    let post = |bytes: usize| {
        let mut request = get(&url(port));
        request.method = http::Method::POST;
        request.body = body(vec![b'x'; bytes]);
        request
    };
    let too_large = EgressError::RequestTooLarge(ByteSize::kib(1));
    assert_eq!(session.send(post(1_025)).await.err(), Some(too_large.clone()));
    assert!(session.send(post(600)).await.is_ok());
    assert_eq!(session.send(post(600)).await.err(), Some(too_large));

    let port = says([b"HTTP/1.1 200 OK\r\n\r\n".as_slice(), &vec![b'x'; 600]].concat()).await;
    let session = inside().session(granted(json!({"response_bytes": "1KiB"})), Vec::new(), None);
    let read = async || {
        session
            .send(get(&url(port)))
            .await?
            .into_body()
            .collect()
            .await
            .map(|b| b.to_bytes().len())
    };
    assert_eq!(read().await, Ok(600));
    assert_eq!(read().await, Err(EgressError::ResponseTooLarge(ByteSize::kib(1))));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_without_end_is_cut() {
    for head in [
        "HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
    ] {
        let port = server(move |_, mut stream| async move {
            let _ = stream.write_all(head.as_bytes()).await;
            let chunk = if head.contains("chunked") {
                format!("1000\r\n{}\r\n", "x".repeat(0x1000))
            } else {
                "x".repeat(0x1000)
            };
            while stream.write_all(chunk.as_bytes()).await.is_ok() {}
        })
        .await;
        let sent = send(
            &inside(),
            &granted(json!({"response_bytes": "100KiB"})),
            get(&url(port)),
        )
        .await;
        assert_eq!(
            sent.err(),
            Some(EgressError::ResponseTooLarge(ByteSize::kib(100)))
        );
    }
    // One that says so is not even begun.
    let port = says(b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n".to_vec()).await;
    let session = inside().session(granted(json!({})), Vec::new(), None);
    let refused = session.send(get(&url(port))).await.err();
    assert_eq!(refused, Some(EgressError::ResponseTooLarge(ByteSize::mib(8))));
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_are_bounded_both_ways() {
    let limit = json!({"header_bytes": "8KiB"});
    let sink = Sink::new().await;
    let mut request = get(&url(sink.port));
    request.headers.insert("x", "y".repeat(8 << 10).parse().unwrap());
    let refused = send(&inside(), &granted(limit.clone()), request).await.err();
    assert_eq!(
        refused,
        Some(EgressError::RequestHeadersTooLarge(ByteSize::kib(8)))
    );
    assert!(sink.came().is_empty());
    for answer in [
        format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(9 << 10)),
        format!("HTTP/1.1 200 {}\r\n\r\n", "y".repeat(9 << 10)),
        format!("HTTP/1.1 200 OK\r\nx: {}", "y".repeat(1 << 20)),
    ] {
        let port = says(answer.into_bytes()).await;
        let refused = send(&inside(), &granted(limit.clone()), get(&url(port)))
            .await
            .err();
        assert_eq!(
            refused,
            Some(EgressError::ResponseHeadersTooLarge(ByteSize::kib(8)))
        );
    }
    let port = says(format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: y\r\n".repeat(1_000)).into_bytes()).await;
    let refused = send(&inside(), &granted(limit), get(&url(port))).await.err();
    assert!(
        matches!(refused, Some(EgressError::ResponseHeadersTooLarge(_))),
        "{refused:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_hangs_ends_with_the_time() {
    let forever = || std::future::pending::<()>();
    let silent = server(move |_, stream| async move {
        forever().await;
        drop(stream);
    })
    .await;
    let half = server(move |_, mut stream| async move {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-le").await;
        forever().await;
    })
    .await;
    let body = server(move |_, mut stream| async move {
        let _ = stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nab")
            .await;
        forever().await;
    })
    .await;
    let drip = server(move |_, mut stream| async move {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
        while stream.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    let continues = server(move |_, mut stream| async move {
        while stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    let time = json!({"time": "300ms"});
    let over = Some(EgressError::Timeout(Span::millis(300)));
    for (what, port) in [
        ("silent", silent),
        ("half", half),
        ("body", body),
        ("drip", drip),
        ("continues", continues),
    ] {
        let began = Instant::now();
        assert_eq!(
            send(&inside(), &granted(time.clone()), get(&url(port)))
                .await
                .err(),
            over,
            "{what}"
        );
        assert!(
            began.elapsed() < Duration::from_secs(3),
            "{what}: {:?}",
            began.elapsed()
        );
        // TLS with somebody who never answers, or does not speak it.
        let url = format!("https://fine.example:{port}/");
        let refused = send(&inside(), &granted(time.clone()), get(&url)).await.err();
        assert!(
            refused == over || matches!(refused, Some(EgressError::Tls(_))),
            "{what}: {refused:?}"
        );
    }
    // A name server that never answers; a connection that nobody takes.
    let deaf = egress(&[], Arc::new(|_| Box::pin(std::future::pending())));
    assert_eq!(
        send(&deaf, &granted(time.clone()), get(&url(1))).await.err(),
        over
    );
    // The call's own deadline is earlier than the request's.
    let deadline = tokio::time::Instant::now() + Duration::from_millis(100);
    let session = inside().session(granted(json!({"time": "60s"})), Vec::new(), Some(deadline));
    let began = Instant::now();
    assert!(session.send(get(&url(silent))).await.is_err());
    assert!(began.elapsed() < Duration::from_secs(3));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_speak_http_is_an_error_and_no_panic() {
    let mut junk = vec![
        b"".to_vec(),
        b"SSH-2.0-OpenSSH_9.2\r\n".to_vec(),
        b"HTTP/9.9 200 OK\r\n\r\n".to_vec(),
        b"HTTP/1.1 99999 No\r\n\r\n".to_vec(),
        b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab".to_vec(),
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n".to_vec(),
        b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nab".to_vec(),
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n".to_vec(),
        b"\0\0\0\0".to_vec(),
    ];
    let mut state = 7_u64;
    junk.extend((0..40).map(|_| {
        (0..200)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (state >> 56) as u8
            })
            .collect()
    }));
    for answer in junk {
        let shown = String::from_utf8_lossy(&answer).into_owned();
        let port = says(answer).await;
        let sent = send(&inside(), &granted(json!({"time": "2s"})), get(&url(port))).await;
        assert!(matches!(sent.err(), Some(EgressError::Protocol(_))), "{shown:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn more_requests_than_there_are_places_wait_and_none_hangs() {
    let sink = Sink::new().await;
    let settings = docmill_egress::Settings {
        networks: vec!["127.0.0.0/8".parse().unwrap()],
        at_once: 2,
        ..docmill_egress::Settings::default()
    };
    let out = Egress::with_resolver(settings, names(&[("fine.example", &[&["127.0.0.1"]])])).unwrap();
    let url = url(sink.port);
    let all = (0..40).map(|_| {
        let (out, url) = (out.clone(), url.clone());
        tokio::spawn(async move {
            send(&out, &granted(json!({})), get(&url))
                .await
                .map(|answer| answer.status)
        })
    });
    for sent in futures_util::future::join_all(all).await {
        assert_eq!(sent.unwrap(), Ok(200));
    }
    assert_eq!(sink.came().len(), 40);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_of_the_environment_is_not_asked() {
    // Its own process: the environment is everybody's.
    const PROXY: &str = "DOCMILL_TEST_PROXY";
    if let Ok(port) = std::env::var(PROXY) {
        let sent = send(&inside(), &granted(json!({})), get(&url(port.parse().unwrap()))).await;
        assert_eq!(sent.map(|answer| answer.status), Ok(200));
        return;
    }
    let (proxy, sink) = (Sink::new().await, Sink::new().await);
    let address = format!("http://127.0.0.1:{}", proxy.port);
    let mut child = tokio::process::Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "bounds::a_proxy_of_the_environment_is_not_asked"]);
    for name in [
        "http_proxy",
        "HTTP_PROXY",
        "https_proxy",
        "HTTPS_PROXY",
        "all_proxy",
        "ALL_PROXY",
    ] {
        child.env(name, &address);
    }
    let ended = child.env(PROXY, sink.port.to_string()).output().await.unwrap();
    assert!(
        ended.status.success(),
        "{}",
        String::from_utf8_lossy(&ended.stdout)
    );
    assert_eq!((proxy.came().len(), sink.came().len()), (0, 1));
}
