//! Clients that take more than their share: of connections, of memory, of processors. No key is needed for the first.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use docmill_model::size::ByteSize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use super::NOTE;
use crate::support::client::{self, Part};
use crate::support::{Host, Setup};

/// Longer than anything here may take on a busy machine, shorter than anything that was not stopped.
const SOON: Duration = Duration::from_secs(20);

/// Params alone, a record, two documents.
const PARAMS: &str = "{name: params, inputs: {}, params: {type: object, properties: {l: {type: array}}}, retain: none, \
    steps: [{id: a, use: docmill/template@0.1, with: {template: x, name: a.txt}}]}";
const RECORD: &str = "{name: record, inputs: {r: {kind: record}}, retain: none, \
    steps: [{id: a, use: docmill/template@0.1, with: {template: x, name: a.txt}}]}";

/// JSON of so many zeros.
fn zeros(name: &str, count: usize) -> String {
    format!("{{\"{name}\": [{}0]}}", "0,".repeat(count))
}

/// A connection on which nothing is sent; whether the host closes it soon.
async fn closes(stream: &mut TcpStream) -> bool {
    let mut sink = Vec::new();
    timeout(SOON, stream.read_to_end(&mut sink)).await.is_ok()
}

/// Until the host has no connection left.
async fn until_alone(host: &Host) {
    let gone = async {
        while host.state.metrics().connections.load(Ordering::Relaxed) > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(timeout(SOON, gone).await.is_ok(), "connections are still open");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_params_is_refused_at_once() {
    let host = Host::with(&["template"]).await;
    host.save(PARAMS).await;
    let flood: String = (0..300_000).map(|n| format!("p{n}&")).collect();
    let started = Instant::now();
    let reply = host
        .run("params")
        .body("application/x-www-form-urlencoded", flood)
        .send()
        .await;
    let problem = reply.problem(422, "invalid-params");
    assert!(
        problem["detail"].as_str().unwrap().contains("one by one"),
        "{problem}"
    );
    assert!(started.elapsed() < SOON, "{:?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn json_that_is_long_or_heavy_is_refused_before_it_is_built() {
    let host = Host::with(&["template"]).await;
    host.save(PARAMS).await;
    host.save(RECORD).await;
    for count in [1_000_000, 3_000_000] {
        let params = host.run("params").body("application/json", zeros("l", count));
        params.send().await.problem(422, "invalid-params");
        let list = zeros("l", count);
        let part = host.run("params").form(&[Part::param("params", &list)]);
        part.send().await.problem(422, "invalid-params");
        let record = zeros("a", count);
        let record = host.run("record").form(&[Part::param("r", &record)]);
        record.send().await.problem(413, "body-too-large");
    }
    // What is merely large is taken, and so is what is small.
    for count in [0, 50_000] {
        let record = zeros("a", count);
        let record = host.run("record").form(&[Part::param("r", &record)]);
        assert_eq!(record.send().await.status, 200, "{count}");
        let params = host.run("params").body("application/json", zeros("l", count));
        assert_eq!(params.send().await.status, 200, "{count}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn json_counts_with_what_it_takes_in_memory() {
    let mut setup = Setup::new().await;
    setup.api.body_memory = ByteSize::mib(4);
    let host = setup.start().await;
    host.install(&["template"]).await;
    host.save(RECORD).await;
    let heavy = zeros("a", 50_000);
    let reply = host.run("record").form(&[Part::param("r", &heavy)]).send().await;
    reply.problem(503, "overloaded");
    let light = zeros("a", 5_000);
    for _ in 0..8 {
        let reply = host.run("record").form(&[Part::param("r", &light)]).send().await;
        assert_eq!(reply.status, 200, "{}", reply.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_whose_head_does_not_end_is_refused() {
    let host = Host::with(&["text", "patterns"]).await;
    host.save(NOTE).await;
    let head = "Content-Type: multipart/form-data; boundary=XyZ\r\nContent-Length: 60000000\r\n";
    let mut stream = host.run("note").begin(head).await;
    let begin = b"--XyZ\r\nContent-Disposition: form-data; name=\"file\"; x=\"";
    stream.write_all(begin).await.unwrap();
    for _ in 0..512 {
        if stream.write_all(&[b'x'; 1024]).await.is_err() {
            break;
        }
        tokio::time::sleep(Duration::from_micros(200)).await;
    }
    let reply = timeout(SOON, client::read(&mut stream)).await.expect("an answer");
    let problem = reply.problem(400, "malformed-request");
    assert!(problem["detail"].as_str().unwrap().contains("head"), "{problem}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_comes_with_its_file_may_be_followed_by_megabytes() {
    let host = Host::with(&["text", "patterns"]).await;
    host.save(NOTE).await;
    let long = format!("{}{}", super::TEXT, "x\n".repeat(2 << 20));
    let part = Part::file("file", "a.txt", long.as_bytes());
    for _ in 0..3 {
        let more = Part::param("copies", "1");
        let reply = host.run("note").form(&[part, more]).send().await;
        assert_eq!(reply.status, 200, "{}", reply.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn more_of_a_role_than_it_takes_is_refused_before_it_is_fetched() {
    let host = Host::with(&["text", "patterns"]).await;
    let kept = NOTE.replace("name: note\n", "name: kept\n").replace(
        "{ file: { accept: [text/plain, text/markdown, text/csv] } }",
        "{ paper: { kind: document, max: 2 } }",
    );
    host.save(&kept).await;
    // They do not exist: whoever looks first answers 404.
    let ids: Vec<String> = (0..3)
        .map(|_| docmill_model::id::DocumentId::new().to_string())
        .collect();
    let parts: Vec<Part<'_>> = ids.iter().map(|id| Part::param("paper", id)).collect();
    let reply = host.run("kept").form(&parts).send().await;
    reply.problem(422, "duplicate-input");
    let reply = host.run("kept").form(&parts[..2]).send().await;
    reply.problem(404, "not-found");
}

/// A host that gives a head 200 ms, and so looks at connections every 1.2 s.
async fn impatient() -> Host {
    let mut setup = Setup::new().await;
    setup.api.head = Duration::from_millis(200);
    setup.start().await
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_connections_are_closed() {
    let host = impatient().await;
    for begin in [
        &b""[..],
        b"PRI * HT",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HT",
    ] {
        let mut stream = TcpStream::connect(host.address).await.unwrap();
        stream.write_all(begin).await.unwrap();
        assert!(closes(&mut stream).await, "{:?}", String::from_utf8_lossy(begin));
    }
    until_alone(&host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_cannot_take_all_connections() {
    let mut setup = Setup::new().await;
    setup.api.connections = 4;
    let host = setup.start().await;
    let (mut mine, mut more) = (Vec::new(), Vec::new());
    for list in [&mut mine, &mut more] {
        for _ in 0..2 {
            list.push(TcpStream::connect(host.address).await.unwrap());
        }
    }
    for stream in &mut more {
        let refused = timeout(Duration::from_secs(5), stream.read_u8()).await;
        assert!(refused.expect("closed at once").is_err());
    }
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from(([127, 0, 0, 2], 0))).unwrap();
    let mut other = socket.connect(host.address).await.unwrap();
    let request = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
    other.write_all(request).await.unwrap();
    assert_eq!(client::read(&mut other).await.text(), "ok\n");
    // A place that is left is free again.
    drop(mine.pop());
    let served = async {
        loop {
            let mut stream = TcpStream::connect(host.address).await.unwrap();
            stream.write_all(request).await.ok();
            if stream.read_u8().await.is_ok() {
                break;
            }
        }
    };
    assert!(timeout(SOON, served).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_takes_nothing_of_its_answers_is_left() {
    let host = impatient().await;
    let mut stream = TcpStream::connect(host.address).await.unwrap();
    let request = b"GET /v1/openapi.json HTTP/1.1\r\nHost: a\r\n\r\n".repeat(2_000);
    // The host stops reading while it cannot write.
    timeout(SOON, stream.write_all(&request)).await.ok();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(host.state.metrics().connections.load(Ordering::Relaxed), 1);
    until_alone(&host).await;
}

/// HTTP/2 by hand: frames of a type, flags and a payload.
fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![
        0,
        0,
        u8::try_from(payload.len()).unwrap(),
        kind,
        flags,
        0,
        0,
        0,
        stream,
    ];
    bytes.extend_from_slice(payload);
    bytes
}

const SETTINGS: u8 = 4;
const HEADERS: u8 = 1;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const ACK: u8 = 1;

/// The next frame: type, flags, payload.
async fn next_frame(stream: &mut TcpStream) -> std::io::Result<(u8, u8, Vec<u8>)> {
    let mut head = [0; 9];
    stream.read_exact(&mut head).await?;
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
    let mut payload = vec![0; length as usize];
    stream.read_exact(&mut payload).await?;
    Ok((head[3], head[4], payload))
}

async fn http2(host: &Host) -> TcpStream {
    let mut stream = TcpStream::connect(host.address).await.unwrap();
    let mut begin = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    begin.extend(frame(SETTINGS, 0, 0, &[]));
    // GET http /healthz, authority `a`; the request ends with its head.
    begin.extend(frame(HEADERS, 0b101, 1, b"\x82\x86\x04\x08/healthz\x01\x01a"));
    stream.write_all(&begin).await.unwrap();
    stream
}

#[tokio::test(flavor = "multi_thread")]
async fn pings_do_not_keep_an_idle_connection() {
    let host = impatient().await;
    let mut stream = http2(&host).await;
    let (mut answered, mut farewell, mut pings) = (false, false, 0);
    let talk = async {
        loop {
            match timeout(Duration::from_millis(100), next_frame(&mut stream)).await {
                Err(_) => {
                    pings += 1;
                    if stream.write_all(&frame(PING, 0, 0, &[7; 8])).await.is_err() {
                        return;
                    }
                }
                Ok(Err(_)) => return,
                Ok(Ok((SETTINGS, 0, _))) => stream.write_all(&frame(SETTINGS, ACK, 0, &[])).await.unwrap(),
                Ok(Ok((HEADERS, ..))) => answered = true,
                Ok(Ok((GOAWAY, ..))) => farewell = true,
                Ok(Ok(_)) => {}
            }
        }
    };
    assert!(timeout(SOON, talk).await.is_ok(), "{pings} pings, and still open");
    assert!(
        answered && farewell,
        "answered {answered}, said goodbye {farewell}"
    );
    // Not at once: two looks, of which the first saw the request.
    assert!(pings >= 5, "{pings}");
    until_alone(&host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_may_be_equally_large_in_both_versions_of_http() {
    let host = Host::with(&[]).await;
    let mut stream = http2(&host).await;
    let (kind, _, settings) = next_frame(&mut stream).await.unwrap();
    assert_eq!(kind, SETTINGS);
    let largest = settings
        .chunks_exact(6)
        .find(|s| s[..2] == [0, 6])
        .map(|s| u32::from_be_bytes([s[2], s[3], s[4], s[5]]));
    let largest = usize::try_from(largest.expect("the largest list of headers")).unwrap();
    let filled = |size: usize| host.get("/healthz").header("X-Filler", "x".repeat(size));
    assert_eq!(filled(largest - 1024).send().await.status, 200);
    assert_eq!(filled(largest).send().await.status, 431);
}
