//! One connection: watched from outside, because a client may be silent in ways of which HTTP knows nothing: before its first
//! byte, with pings on an HTTP/2 connection, by not reading what it asked for.

use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::http::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tower::ServiceExt as _;

/// How often a connection is looked at. One on which no request came, none is worked on and nothing is sent between two
/// looks is closed: after one to two of these. With HTTP/1 the time for a head ends an idle connection before that.
const LOOK: Duration = Duration::from_secs(60);
/// Bytes between two looks that count as sending: pings and their like are less.
const SENDING: u64 = 1024;
/// Looks at a client that takes nothing of its answer while more waits for it: slow lines empty a full buffer of the kernel
/// in that time.
const PATIENT_LOOKS: u32 = 4;
/// For a farewell.
const GOODBYE: Duration = Duration::from_secs(1);

type Error = Box<dyn std::error::Error + Send + Sync>;

/// When a connection is looked at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    /// From the connection's begin to the end of its first head.
    head: Duration,
    /// Between two looks.
    look: Duration,
}

impl Times {
    pub(super) fn new(head: Duration) -> Self {
        // Whoever gives heads little time gives idle connections no more than six times that: 10 s and 60 s by default.
        Self {
            head,
            look: LOOK.min(head.saturating_mul(6)),
        }
    }
}

/// Serves a connection to its end.
pub(super) async fn serve(
    builder: &Builder<TokioExecutor>,
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    times: Times,
    mut ended: watch::Receiver<()>,
) -> Result<(), Error> {
    // Small answers leave at once.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY could not be set");
    }
    let activity = Arc::new(Activity::default());
    let seen = Arc::clone(&activity);
    let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        let working = Working::begin(&seen);
        let answer = router.clone().oneshot(request.map(axum::body::Body::new));
        async move {
            let answer = answer.await;
            drop(working);
            answer
        }
    });
    let watched = Watched {
        stream,
        activity: Arc::clone(&activity),
    };
    let mut connection = pin!(builder.serve_connection(TokioIo::new(watched), service));
    let mut look = pin!(sleep_until(Instant::now() + times.head));
    let mut last = activity.figures();
    let (mut quiet, mut leaving) = (0, false);
    loop {
        tokio::select! {
            result = connection.as_mut() => return result,
            // An error says that the server is gone, which is an end, too.
            _ = ended.changed(), if !leaving => {
                leaving = true;
                connection.as_mut().graceful_shutdown();
            }
            () = look.as_mut() => {
                let now = activity.figures();
                quiet = if now.busy_since(last) { 0 } else { quiet + 1 };
                last = now;
                let patient = if activity.blocked.load(Ordering::Relaxed) { PATIENT_LOOKS } else { 1 };
                let next = if quiet < patient {
                    times.look
                } else if quiet == patient && !leaving {
                    // HTTP/2 says goodbye; HTTP/1 ends at once.
                    leaving = true;
                    connection.as_mut().graceful_shutdown();
                    GOODBYE
                } else {
                    return Err("nothing happened on it".into());
                };
                look.as_mut().reset(Instant::now() + next);
            }
        }
    }
}

/// What happened on a connection.
#[derive(Debug, Default)]
struct Activity {
    /// Requests whose heads came.
    requests: AtomicU64,
    /// Of these, those that are worked on.
    working: AtomicUsize,
    /// Bytes sent.
    sent: AtomicU64,
    /// Whether the client has not taken what was sent so far, so that the rest waits.
    blocked: AtomicBool,
}

#[derive(Debug, Clone, Copy)]
struct Figures {
    requests: u64,
    working: usize,
    sent: u64,
}

impl Activity {
    fn figures(&self) -> Figures {
        Figures {
            requests: self.requests.load(Ordering::Relaxed),
            working: self.working.load(Ordering::Relaxed),
            sent: self.sent.load(Ordering::Relaxed),
        }
    }
}

impl Figures {
    fn busy_since(self, before: Self) -> bool {
        self.working > 0
            || self.requests > before.requests
            || self.sent >= before.sent.saturating_add(SENDING)
    }
}

/// A request that is worked on, until it is answered or nobody waits for it any more.
struct Working(Arc<Activity>);

impl Working {
    fn begin(activity: &Arc<Activity>) -> Self {
        activity.requests.fetch_add(1, Ordering::Relaxed);
        activity.working.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(activity))
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        self.0.working.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A stream whose sending is counted.
struct Watched {
    stream: TcpStream,
    activity: Arc<Activity>,
}

impl Watched {
    fn sent(&self, polled: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        self.activity
            .blocked
            .store(polled.is_pending(), Ordering::Relaxed);
        let count = ready!(polled)?;
        self.activity.sent.fetch_add(count as u64, Ordering::Relaxed);
        Poll::Ready(Ok(count))
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.sent(polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, pieces);
        self.sent(polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
