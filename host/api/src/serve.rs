//! Connections: accepted up to a cap, given a time for their heads, closed when nothing happens on them, ended in order.

mod connection;
mod peers;

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

use crate::routes::router;
use crate::state::ApiState;
use connection::Times;
use peers::Peers;

/// Largest head of a request, in bytes, in either version of HTTP; with HTTP/1 also the most that is read of a body at once.
const MAX_HEAD: u32 = 64 * 1024;
/// Most header lines of a request.
const MAX_HEADERS: usize = 100;
/// Most requests at once on one HTTP/2 connection.
const MAX_STREAMS: u32 = 128;
/// After a failed accept (too many open files, most often).
const BREATH: Duration = Duration::from_millis(50);
/// How often refused connections are told of in the log.
const TELL: Duration = Duration::from_secs(60);
/// What one address may have of the connections, as a divisor: two addresses are needed to take them all, and a proxy in
/// front, which is one address, still has plenty.
const PEER_SHARE: usize = 2;

/// Serves until `stop` resolves; then accepts nothing more, lets requests in flight end for at most `patience` and
/// returns. Whoever calls this says to [`ApiState::readiness`] when the host wants requests.
///
/// # Errors
/// When the listener has no address any more.
pub async fn serve(
    listener: TcpListener,
    state: ApiState,
    stop: impl Future<Output = ()>,
    patience: Duration,
) -> io::Result<()> {
    let router = router(state.clone());
    let settings = state.settings();
    let connections = Arc::new(Semaphore::new(settings.connections));
    let peers = Peers::new(settings.connections.div_ceil(PEER_SHARE));
    let times = Times::new(settings.head);
    let builder = Arc::new(builder(&state));
    // Every connection holds a receiver: when the last one is gone, so are they.
    let (ending, ended) = watch::channel(());
    let mut told: Option<Instant> = None;
    let mut stop = std::pin::pin!(stop);
    loop {
        // The permit comes first: over the cap, connections wait in the kernel's queue.
        let accepted = async {
            let permit = connections
                .clone()
                .acquire_owned()
                .await
                .map_err(io::Error::other)?;
            listener
                .accept()
                .await
                .map(|(stream, peer)| (permit, stream, peer))
        };
        let (permit, stream, peer) = tokio::select! {
            () = &mut stop => break,
            accepted = accepted => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(BREATH).await;
                    continue;
                }
            },
        };
        let Some(place) = peers.enter(peer.ip()) else {
            if told.is_none_or(|at| at.elapsed() > TELL) {
                told = Some(Instant::now());
                tracing::warn!(client.ip = %peer.ip(), "an address has as many connections as it may; more are closed");
            }
            continue;
        };
        let (state, router, builder, ended) = (state.clone(), router.clone(), builder.clone(), ended.clone());
        tokio::spawn(async move {
            let metrics = state.metrics();
            metrics.connections.fetch_add(1, Ordering::Relaxed);
            if let Err(error) = connection::serve(&builder, stream, peer, router, times, ended).await {
                tracing::debug!(%error, client.ip = %peer.ip(), "a connection ended badly");
            }
            metrics.connections.fetch_sub(1, Ordering::Relaxed);
            drop((place, permit));
        });
    }
    drop((listener, ended));
    ending.send_replace(());
    if tokio::time::timeout(patience, ending.closed()).await.is_err() {
        tracing::warn!(?patience, "requests were still in flight when the patience ended");
    }
    Ok(())
}

fn builder(state: &ApiState) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        // Also the longest pause between two requests on a connection.
        .header_read_timeout(state.settings().head)
        .max_buf_size(MAX_HEAD as usize)
        .max_headers(MAX_HEADERS)
        .half_close(false);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(Some(Duration::from_secs(20)))
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(MAX_HEAD);
    builder
}
