//! Bodies on their way: counted, watched, in time.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use docmill_model::duration::Span;
use docmill_model::grant::HttpBudget;
use docmill_model::size::ByteSize;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinHandle;
use tokio::time::{Instant, Sleep, timeout_at};

use crate::error::EgressError;
use crate::secret::{Placeholder, Redaction, Redactor, Watch};
use crate::session::{Budgets, RequestBody};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// How long after its time a connection is ended by itself, should nobody have dropped it.
const GRACE: Duration = Duration::from_secs(1);

/// The task that reads and writes a connection. It ends with its handle, and with its time.
pub(crate) struct Driver(JoinHandle<()>);

impl Driver {
    pub(crate) fn spawn<E>(
        places: [OwnedSemaphorePermit; 2],
        until: Instant,
        connection: impl Future<Output = Result<(), E>> + Send + 'static,
    ) -> Self {
        Self(tokio::spawn(async move {
            let _places = places;
            // How it ended is seen by who waits for the answer, who also sees first that the time is over.
            let _ = timeout_at(until + GRACE, connection).await;
        }))
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Whether that many more bytes are within the budget.
fn take(count: &AtomicU64, bytes: usize, most: ByteSize) -> bool {
    let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
    let before = count.fetch_add(bytes, Ordering::Relaxed);
    before.saturating_add(bytes) <= most.0
}

/// A request's body: counted, and searched for placeholders.
pub(crate) struct RequestBodyWatch {
    body: RequestBody,
    budgets: Arc<Budgets>,
    most: ByteSize,
    watch: Watch,
    refused: Refused,
}

/// Why a request's body was cut, for who waits for the answer: the HTTP library tells it to the connection alone.
pub(crate) type Refused = Arc<OnceLock<EgressError>>;

impl RequestBodyWatch {
    pub(crate) fn new(body: RequestBody, budgets: Arc<Budgets>, most: ByteSize, refused: Refused) -> Self {
        Self {
            body,
            budgets,
            most,
            watch: Watch::new(),
            refused,
        }
    }

    fn judge(&mut self, bytes: &Bytes) -> Result<(), EgressError> {
        if !take(&self.budgets.sent, bytes.len(), self.most) {
            return Err(EgressError::RequestTooLarge(self.most));
        }
        if self.watch.sees(bytes) {
            return Err(Placeholder::Misplaced("the body").into());
        }
        Ok(())
    }
}

impl Body for RequestBodyWatch {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        loop {
            let frame = match std::task::ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => frame,
                Some(Err(error)) => {
                    let _ = self.refused.set(EgressError::BodyAborted);
                    return Poll::Ready(Some(Err(error)));
                }
                None => return Poll::Ready(None),
            };
            // Trailers would be headers that nobody judged.
            let Ok(bytes) = frame.into_data() else { continue };
            return Poll::Ready(Some(match self.judge(&bytes) {
                Ok(()) => Ok(Frame::data(bytes)),
                Err(refused) => {
                    let _ = self.refused.set(refused.clone());
                    Err(Box::new(refused))
                }
            }));
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The body of an answer, as it comes. Dropping it ends the connection.
pub struct ResponseBody {
    incoming: Incoming,
    _driver: Driver,
    budgets: Arc<Budgets>,
    most: ByteSize,
    header_bytes: ByteSize,
    time: Span,
    over: Pin<Box<Sleep>>,
    redaction: Option<Redaction>,
    refused: Refused,
    ended: bool,
}

impl std::fmt::Debug for ResponseBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ResponseBody")
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}

impl ResponseBody {
    pub(crate) fn new(
        incoming: Incoming,
        driver: Driver,
        budgets: Arc<Budgets>,
        budget: &HttpBudget,
        until: Instant,
        redactor: Option<Arc<Redactor>>,
        refused: Refused,
    ) -> Self {
        Self {
            incoming,
            _driver: driver,
            budgets,
            most: budget.response_bytes,
            header_bytes: budget.header_bytes,
            time: budget.time,
            over: Box::pin(tokio::time::sleep_until(until)),
            redaction: redactor.map(Redaction::new),
            refused,
            ended: false,
        }
    }

    fn end(&mut self, error: EgressError) -> Poll<Option<Result<Frame<Bytes>, EgressError>>> {
        self.ended = true;
        Poll::Ready(Some(Err(error)))
    }

    /// What is left when the other side has sent everything.
    fn rest(&mut self) -> Option<Result<Frame<Bytes>, EgressError>> {
        self.ended = true;
        let rest = self.redaction.as_mut().map(Redaction::end)?;
        (!rest.is_empty()).then(|| Ok(Frame::data(rest)))
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = EgressError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, EgressError>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        if self.over.as_mut().poll(cx).is_ready() {
            let time = self.time;
            return self.end(EgressError::Timeout(time));
        }
        loop {
            let frame = match std::task::ready!(Pin::new(&mut self.incoming).poll_frame(cx)) {
                None => return Poll::Ready(self.rest()),
                Some(Err(error)) => {
                    let error = EgressError::of(&error, &self.refused, self.header_bytes);
                    return self.end(error);
                }
                Some(Ok(frame)) => frame,
            };
            // Nobody asked for trailers, and they are not searched for secrets.
            let Ok(bytes) = frame.into_data() else { continue };
            if !take(&self.budgets.received, bytes.len(), self.most) {
                let most = self.most;
                return self.end(EgressError::ResponseTooLarge(most));
            }
            let bytes = match &mut self.redaction {
                Some(redaction) => redaction.push(&bytes),
                None => bytes,
            };
            if !bytes.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(bytes))));
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ended
    }
}
