//! Connections that are slow, doubled or wrong.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Host, Setup, client};

#[tokio::test(flavor = "multi_thread")]
async fn headers_that_must_stand_once() {
    let host = Host::with(&[]).await;
    let doubled = [
        ("Content-Type", "text/plain"),
        ("Authorization", "Bearer x"),
        ("Host", "elsewhere"),
    ];
    for (name, value) in doubled {
        let call = host
            .get("/v1/me")
            .header("Content-Type", "text/plain")
            .header("Host", "here")
            .header(name, value);
        call.send().await.problem(400, "malformed-request");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_paths_and_methods_are_problems() {
    let host = Host::with(&[]).await;
    for path in ["/v2/runs", "/v1/run", "/v1/runs/", "//", "/v1/pipelines/a/b/c"] {
        host.get(path).send().await.problem(404, "not-found");
    }
    let reply = host.call("PATCH", "/v1/runs").send().await;
    reply.problem(405, "method-not-allowed");
    assert!(
        reply.header("allow").unwrap().contains("GET"),
        "{:?}",
        reply.headers
    );
    host.call("BREW", "/")
        .send()
        .await
        .problem(405, "method-not-allowed");
    for path in [
        "/v1/runs",
        "/v1/me",
        "/v1/plugins",
        "/v1/documents",
        "/v1/pipelines/x",
        "/v1/keys",
    ] {
        host.anonymous("GET", path)
            .send()
            .await
            .problem(401, "unauthenticated");
        let reply = host.anonymous("GET", path).key("dm_wrong").send().await;
        reply.problem(401, "unauthenticated");
        assert!(reply.header("www-authenticate").unwrap().starts_with("Bearer"));
    }
    for query in [
        "/v1/runs?colour=red",
        "/v1/runs?limit=0",
        "/v1/runs?limit=x",
        "/v1/runs?status=odd",
        "/v1/runs?since=soon",
    ] {
        host.get(query).send().await.problem(400, "malformed-request");
    }
    host.get("/v1/runs/run_1").send().await.problem(404, "not-found");
    let absent = docmill_model::id::RunId::new();
    host.get(&format!("/v1/runs/{absent}"))
        .send()
        .await
        .problem(404, "not-found");
    host.get(&format!("/v1/documents/{absent}"))
        .send()
        .await
        .problem(404, "not-found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_head_is_cut_off() {
    let mut setup = Setup::new().await;
    setup.api.head = Duration::from_millis(300);
    let host = setup.start().await;
    let mut stream = TcpStream::connect(host.address).await.unwrap();
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHo").await.unwrap();
    let started = Instant::now();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.ok();
    assert!(
        started.elapsed() < Duration::from_secs(3),
        "{:?}",
        started.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_serves_many_requests_and_ends_in_order() {
    let host = Setup::new().await.start().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(docmill_api::serve(
        listener,
        host.state.clone(),
        async { stopped.await.unwrap_or_default() },
        Duration::from_secs(5),
    ));
    let mut stream = TcpStream::connect(address).await.unwrap();
    for _ in 0..3 {
        stream
            .write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
            .await
            .unwrap();
        assert_eq!(client::read(&mut stream).await.text(), "ok\n");
    }
    stop.send(()).unwrap();
    let started = Instant::now();
    serving.await.unwrap().unwrap();
    assert!(
        started.elapsed() < Duration::from_secs(2),
        "an idle connection does not hold the end up"
    );
    assert!(
        TcpStream::connect(address).await.is_err(),
        "nothing is accepted any more"
    );
}
