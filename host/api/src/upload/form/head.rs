//! Heads of parts are short. multer looks through everything that it holds each time that bytes come while it waits for
//! the end of one: a head that goes on for a whole body in small pieces would keep a core busy.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::Stream;

use crate::body::BodyError;

/// Longest head of a part, and longest text before the first one, in bytes.
const MAX_PART_HEAD: usize = 64 * 1024;

/// Counts what comes while a head is not complete.
#[derive(Default)]
pub(crate) struct HeadWatch(Arc<Watch>);

#[derive(Default)]
struct Watch {
    /// Whether a head is waited for.
    waits: AtomicBool,
    /// Bytes that came since then.
    came: AtomicUsize,
    /// Of these, bytes that multer has looked through in vain.
    looked: AtomicUsize,
}

/// A head is too long.
#[derive(Debug, thiserror::Error)]
#[error(
    "the head of a part of the form is longer than {MAX_PART_HEAD} bytes, or its end (an empty line) is missing"
)]
struct TooLong;

impl HeadWatch {
    /// A head is waited for.
    pub(crate) fn begins(&self) {
        self.0.came.store(0, Ordering::Relaxed);
        self.0.looked.store(0, Ordering::Relaxed);
        self.0.waits.store(true, Ordering::Relaxed);
    }

    /// It is complete.
    pub(crate) fn ended(&self) {
        self.0.waits.store(false, Ordering::Relaxed);
    }

    /// The same bytes; an error once a head is too long.
    pub(crate) fn watch<S>(&self, stream: S) -> Watched<S> {
        Watched {
            stream: Box::pin(stream),
            watch: Arc::clone(&self.0),
        }
    }
}

pub(crate) struct Watched<S> {
    stream: Pin<Box<S>>,
    watch: Arc<Watch>,
}

impl<S: Stream<Item = Result<Bytes, BodyError>>> Stream for Watched<S> {
    type Item = Result<Bytes, Box<dyn std::error::Error + Send + Sync>>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let waits = self.watch.waits.load(Ordering::Relaxed);
        // Whatever came before the last pause was looked through, and still more is asked for.
        if waits && self.watch.looked.load(Ordering::Relaxed) > MAX_PART_HEAD {
            return Poll::Ready(Some(Err(TooLong.into())));
        }
        let polled = self.stream.as_mut().poll_next(cx);
        match &polled {
            Poll::Ready(Some(Ok(bytes))) if waits => {
                self.watch.came.fetch_add(bytes.len(), Ordering::Relaxed);
            }
            Poll::Pending if waits => {
                let came = self.watch.came.load(Ordering::Relaxed);
                self.watch.looked.store(came, Ordering::Relaxed);
            }
            _ => {}
        }
        polled.map(|item| item.map(|result| result.map_err(Into::into)))
    }
}
