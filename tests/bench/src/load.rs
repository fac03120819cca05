//! The load generator, a process of its own: some connections that send the same kind of request as fast as they are
//! answered, or at a steady rate. Plain HTTP/1.1 over sockets, so that it takes as little of the machine as it can.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::document;

/// `__load ADDRESS METHOD PATH KEY CONNECTIONS SECONDS RATE`: prints latencies of good answers, of refusals (429), and the number
/// of other answers as JSON. With a RATE above 0, so many requests a second of all connections together, as far as they are
/// answered in time. The method ASYNC is a POST whose sender does not wait for what it comes to.
pub fn generate(arguments: &[&str]) -> Result<()> {
    let [address, method, path, key, connections, seconds, rate] = arguments else {
        bail!("__load takes seven arguments")
    };
    let (connections, seconds) = (connections.parse::<usize>()?, seconds.parse::<f64>()?);
    let rate = rate.parse::<f64>()?;
    let pause = (rate > 0.0).then(|| Duration::from_secs_f64(connections as f64 / rate));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let until = Instant::now() + Duration::from_secs_f64(seconds);
    let results = runtime.block_on(async {
        let tasks: Vec<_> = (0..connections)
            .map(|n| {
                let (address, request) = ((*address).to_owned(), Request::new(method, path, key, n));
                // One after the other: connections in step would send bursts, and the rate would be anything but steady.
                let begin = pause.map(|pause| Pace {
                    first: pause.mul_f64(n as f64 / connections as f64),
                    pause,
                });
                tokio::spawn(async move { connection(&address, request, until, begin).await })
            })
            .collect();
        let mut results = Vec::new();
        for task in tasks {
            results.push(task.await??);
        }
        anyhow::Ok(results)
    })?;
    let latencies: Vec<f64> = results.iter().flat_map(|r| r.latencies.iter().copied()).collect();
    let refused: Vec<f64> = results.iter().flat_map(|r| r.refused.iter().copied()).collect();
    let others: usize = results.iter().map(|r| r.others).sum();
    println!(
        "{}",
        serde_json::json!({ "latencies_us": latencies, "refused_us": refused, "others": others })
    );
    Ok(())
}

/// When a connection sends.
#[derive(Clone, Copy)]
struct Pace {
    /// After so long.
    first: Duration,
    /// Then each time after so long, unless the answer before took longer.
    pause: Duration,
}

struct Request {
    head: String,
    body: Vec<u8>,
    /// Where the body has eight digits that differ from request to request: nothing may be answered from a cache.
    digits: usize,
    number: usize,
}

impl Request {
    fn new(method: &str, path: &str, key: &str, connection: usize) -> Self {
        let (method, prefer) = match method {
            "ASYNC" => ("POST", "prefer: respond-async\r\n"),
            method => (method, ""),
        };
        let mut body = if method == "POST" { document() } else { Vec::new() };
        let digits = body.len();
        if method == "POST" {
            body.extend_from_slice(b"00000000");
        }
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {key}\r\ncontent-type: text/plain\r\n{prefer}content-length: {}\r\n\r\n",
            body.len()
        );
        Self {
            head,
            body,
            digits,
            number: connection * 1_000_000,
        }
    }

    fn next(&mut self) -> Vec<u8> {
        self.number += 1;
        let mut bytes = self.head.clone().into_bytes();
        bytes.extend_from_slice(self.body.get(..self.digits).unwrap_or_default());
        if self.body.len() > self.digits {
            bytes.extend_from_slice(format!("{:08}", self.number).as_bytes());
        }
        bytes
    }
}

#[derive(Default)]
struct Results {
    latencies: Vec<f64>,
    refused: Vec<f64>,
    others: usize,
}

async fn connection(
    address: &str,
    mut request: Request,
    until: Instant,
    pace: Option<Pace>,
) -> Result<Results> {
    let mut socket = TcpStream::connect(address).await?;
    socket.set_nodelay(true)?;
    let mut results = Results::default();
    let mut buffer = Vec::with_capacity(64 * 1024);
    let mut next = Instant::now() + pace.map_or(Duration::ZERO, |pace| pace.first);
    while Instant::now() < until {
        if let Some(pace) = pace {
            tokio::time::sleep_until(next.into()).await;
            next += pace.pause;
        }
        let started = Instant::now();
        socket.write_all(&request.next()).await?;
        let status = answer(&mut socket, &mut buffer).await?;
        let took = started.elapsed().as_secs_f64() * 1e6;
        match status {
            200 | 202 => results.latencies.push(took),
            429 => results.refused.push(took),
            _ => results.others += 1,
        }
    }
    Ok(results)
}

/// Reads one answer with a Content-Length; gives its status.
async fn answer(socket: &mut TcpStream, buffer: &mut Vec<u8>) -> Result<u16> {
    buffer.clear();
    let head = loop {
        if let Some(at) = buffer.windows(4).position(|w| w == b"\r\n\r\n") {
            break at + 4;
        }
        if socket.read_buf(buffer).await? == 0 {
            bail!("the server closed the connection");
        }
    };
    let text = String::from_utf8_lossy(buffer.get(..head).unwrap_or_default()).to_ascii_lowercase();
    let status = text
        .get(9..12)
        .and_then(|s| s.parse().ok())
        .context("an answer begins with a status")?;
    let length = text
        .lines()
        .find_map(|l| l.strip_prefix("content-length:"))
        .context("an answer has a length")?;
    let whole = head + length.trim().parse::<usize>()?;
    while buffer.len() < whole {
        if socket.read_buf(buffer).await? == 0 {
            bail!("the server closed the connection");
        }
    }
    Ok(status)
}
