//! Connections: accepted up to a cap, given a time for their heads, ended in order.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::http::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tower::ServiceExt as _;

use crate::routes::router;
use crate::state::ApiState;

/// Largest head of a request.
const MAX_HEAD: usize = 32 * 1024;
/// Most header lines of a request.
const MAX_HEADERS: usize = 100;
/// Most requests at once on one HTTP/2 connection.
const MAX_STREAMS: u32 = 128;
/// After a failed accept (too many open files, most often).
const BREATH: Duration = Duration::from_millis(50);

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
    let connections = Arc::new(Semaphore::new(state.settings().connections));
    let graceful = GracefulShutdown::new();
    let builder = Arc::new(builder(&state));
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
        let watcher = graceful.watcher();
        let (state, router, builder) = (state.clone(), router.clone(), builder.clone());
        tokio::spawn(async move {
            let metrics = state.metrics();
            metrics.connections.fetch_add(1, Ordering::Relaxed);
            let connection = connect(&builder, stream, peer, router);
            if let Err(error) = watcher.watch(connection).await {
                tracing::debug!(%error, client.ip = %peer.ip(), "a connection ended badly");
            }
            metrics.connections.fetch_sub(1, Ordering::Relaxed);
            drop(permit);
        });
    }
    drop(listener);
    if tokio::time::timeout(patience, graceful.shutdown()).await.is_err() {
        tracing::warn!(?patience, "requests were still in flight when the patience ended");
    }
    Ok(())
}

fn builder(state: &ApiState) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(state.settings().head)
        .max_buf_size(MAX_HEAD.max(64 * 1024))
        .max_headers(MAX_HEADERS)
        .half_close(false);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(Some(Duration::from_secs(20)))
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(MAX_HEAD as u32);
    builder
}

fn connect(
    builder: &Builder<TokioExecutor>,
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
) -> impl hyper_util::server::graceful::GracefulConnection<Error = Box<dyn std::error::Error + Send + Sync>> + use<>
{
    // Small answers leave at once.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY could not be set");
    }
    let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        router.clone().oneshot(request.map(axum::body::Body::new))
    });
    builder
        .serve_connection(TokioIo::new(stream), service)
        .into_owned()
}
