//! Reading bodies: bounded in bytes, in time and, over all requests together, in memory; hashed while they stream.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::http::{HeaderMap, header};
use bytes::{Bytes, BytesMut};
use docmill_model::digest::{Digest, Hasher};
use docmill_model::failure::{Code, Failure};
use docmill_model::size::ByteSize;
use futures_util::StreamExt as _;
use serde::de::DeserializeOwned;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

use crate::problem::Problem;
use crate::state::ApiState;

/// The largest body that says what somebody wants changed.
const SMALL: ByteSize = ByteSize::kib(32);

/// Reads a small body that is one JSON object. `form` shows how it is written.
///
/// # Errors
/// [`Code::EmptyBody`], [`Code::MalformedRequest`]; what [`Reader`] says.
pub async fn object<T: DeserializeOwned>(
    state: &ApiState,
    headers: &HeaderMap,
    body: Body,
    form: &str,
) -> Result<T, Problem> {
    let (bytes, _) = Reader::new(state, headers, body, SMALL)?.whole().await?;
    if bytes.is_empty() {
        return Err(Problem::new(Code::EmptyBody, format!("send {form}")));
    }
    object_of(&bytes, form)
}

/// The same of bytes that are there.
///
/// # Errors
/// [`Code::MalformedRequest`]
pub fn object_of<T: DeserializeOwned>(bytes: &[u8], form: &str) -> Result<T, Problem> {
    let said = |why: String| Problem::malformed(format!("the body is not of the form {form}: {why}"));
    // A list would be read as the values of the members in their order.
    if !bytes.trim_ascii_start().starts_with(b"{") {
        return Err(said("it is no JSON object".to_owned()));
    }
    serde_json::from_slice(bytes).map_err(|error| said(error.to_string()))
}

/// Memory that is reserved in one go for a body of unknown length.
const RESERVE_KIB: u32 = 64;
/// How long bytes that nobody wants are still taken, so that the client reads the refusal before it sees a reset.
const LINGER: Duration = Duration::from_secs(2);

/// Why a body could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// Larger than it may be.
    #[error("the body is larger than {0}, which is all that this route takes")]
    TooLarge(ByteSize),
    /// No byte for too long, or too long altogether.
    #[error("the body came too slowly: no more than {0:?} may pass without a byte, or altogether")]
    Slow(Duration),
    /// The connection ended or broke the transfer coding.
    #[error("the connection ended before the whole body had arrived")]
    Broken,
    /// The memory for bodies is used up by other requests.
    #[error("the memory for request bodies is used up by other requests; try again shortly")]
    NoMemory,
}

impl From<BodyError> for Problem {
    fn from(error: BodyError) -> Self {
        let code = match error {
            BodyError::TooLarge(_) => Code::BodyTooLarge,
            BodyError::Slow(_) => Code::SlowBody,
            BodyError::Broken => Code::TruncatedBody,
            BodyError::NoMemory => Code::Overloaded,
        };
        Failure::new(code, error.to_string()).into()
    }
}

/// Memory for bodies of all requests together, in KiB.
#[derive(Clone)]
pub struct Memory(Arc<Semaphore>);

impl Memory {
    /// So many bytes in all.
    pub fn new(size: ByteSize) -> Self {
        let kib = usize::try_from(size.0 / 1024).unwrap_or(usize::MAX);
        Self(Arc::new(Semaphore::new(kib.clamp(1, Semaphore::MAX_PERMITS))))
    }

    /// Memory for so many bytes of what came with a body, given back when it is dropped.
    ///
    /// # Errors
    /// [`BodyError::NoMemory`]
    pub fn reserve(&self, bytes: usize) -> Result<Reserved, BodyError> {
        let kib = u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX);
        let permit = self.0.clone().try_acquire_many_owned(kib);
        permit
            .map(|permit| Reserved { _permit: permit })
            .map_err(|_| BodyError::NoMemory)
    }
}

/// A part of the [`Memory`].
pub struct Reserved {
    _permit: OwnedSemaphorePermit,
}

/// A body that is being read. The memory that it holds is given back when it is dropped: keep it as long as the bytes.
pub struct Reader {
    stream: Option<BodyDataStream>,
    limit: ByteSize,
    taken: u64,
    reserved: u64,
    deadline: Instant,
    total: Duration,
    idle: Duration,
    memory: Memory,
    held: Option<OwnedSemaphorePermit>,
    hasher: Option<Hasher>,
    state: ApiState,
}

impl Reader {
    /// Begins to read.
    ///
    /// # Errors
    /// At once, if the announced length is over the limit.
    pub fn new(
        state: &ApiState,
        headers: &HeaderMap,
        body: Body,
        limit: ByteSize,
    ) -> Result<Self, BodyError> {
        let settings = state.settings();
        let announced = headers
            .get(header::CONTENT_LENGTH)
            .and_then(|value| value.to_str().ok())
            .and_then(|text| text.parse::<u64>().ok());
        let mut reader = Self {
            stream: Some(body.into_data_stream()),
            limit,
            taken: 0,
            reserved: 0,
            deadline: Instant::now() + settings.body_total,
            total: settings.body_total,
            idle: settings.body_idle,
            memory: state.body_memory().clone(),
            held: None,
            hasher: None,
            state: state.clone(),
        };
        if announced.is_some_and(|length| length > limit.0) {
            return Err(reader.refuse(BodyError::TooLarge(limit)));
        }
        Ok(reader)
    }

    /// The same, which also makes the digest of all that comes.
    #[must_use]
    pub fn hashed(mut self) -> Self {
        self.hasher = Some(Hasher::default());
        self
    }

    /// The digest of all that came, of a reader that makes it.
    pub fn digest(&mut self) -> Digest {
        self.hasher.take().unwrap_or_default().finish()
    }

    /// The next bytes; none: the body is over.
    ///
    /// # Errors
    /// See [`BodyError`]; after one the body is over.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, BodyError> {
        let Some(stream) = &mut self.stream else {
            return Ok(None);
        };
        let left = self.deadline.saturating_duration_since(Instant::now());
        let (wait, said) = if left < self.idle {
            (left, self.total)
        } else {
            (self.idle, self.idle)
        };
        match timeout(wait, stream.next()).await {
            Err(_) => Err(self.refuse(BodyError::Slow(said))),
            Ok(None) => {
                self.stream = None;
                Ok(None)
            }
            Ok(Some(Err(error))) => {
                tracing::debug!(%error, "a body broke off");
                self.stream = None;
                Err(BodyError::Broken)
            }
            Ok(Some(Ok(bytes))) => {
                self.taken += bytes.len() as u64;
                self.state
                    .metrics()
                    .bytes_in
                    .fetch_add(bytes.len() as u64, Ordering::Relaxed);
                if self.taken > self.limit.0 {
                    return Err(self.refuse(BodyError::TooLarge(self.limit)));
                }
                self.reserve()?;
                if let Some(hasher) = &mut self.hasher {
                    hasher.update(&bytes);
                }
                Ok(Some(bytes))
            }
        }
    }

    /// Reserves memory for what was taken so far.
    fn reserve(&mut self) -> Result<(), BodyError> {
        if self.taken <= self.reserved {
            return Ok(());
        }
        let missing = u32::try_from((self.taken - self.reserved).div_ceil(1024)).unwrap_or(u32::MAX);
        // A small body takes what it needs, a growing one takes steps.
        let kib = if self.reserved == 0 {
            missing
        } else {
            missing.max(RESERVE_KIB)
        };
        let Ok(permit) = self.memory.0.clone().try_acquire_many_owned(kib) else {
            return Err(self.refuse(BodyError::NoMemory));
        };
        self.reserved += u64::from(kib) * 1024;
        match &mut self.held {
            Some(held) => held.merge(permit),
            None => self.held = Some(permit),
        }
        Ok(())
    }

    fn refuse(&mut self, error: BodyError) -> BodyError {
        if matches!(error, BodyError::Slow(_)) {
            self.stream = None;
        }
        self.abandon();
        error
    }

    /// Ends reading. What still comes is thrown away for a moment, because a connection that is closed with unread
    /// bytes is reset, and the client would see that instead of the answer.
    pub fn abandon(&mut self) {
        if let Some(mut stream) = self.stream.take() {
            tokio::spawn(timeout(LINGER, async move {
                while let Some(Ok(_)) = stream.next().await {}
            }));
        }
    }

    /// Everything that is left, in one piece, with its digest.
    ///
    /// # Errors
    /// See [`BodyError`].
    pub async fn whole(&mut self) -> Result<(Bytes, Digest), BodyError> {
        let mut gathered = Gathered::default();
        while let Some(bytes) = self.chunk().await? {
            gathered.push(bytes);
        }
        Ok(gathered.finish())
    }

    /// As a stream, for the reader of forms.
    pub fn stream(&mut self) -> impl futures_util::Stream<Item = Result<Bytes, BodyError>> + Send + '_ {
        futures_util::stream::unfold(self, |reader| async move {
            reader.chunk().await.transpose().map(|result| (result, reader))
        })
    }
}

/// Chunks that become one piece; a single chunk is not copied.
#[derive(Default)]
pub struct Gathered {
    first: Bytes,
    rest: BytesMut,
    hasher: Hasher,
}

impl Gathered {
    /// Adds a chunk.
    pub fn push(&mut self, bytes: Bytes) {
        self.hasher.update(&bytes);
        if self.first.is_empty() && self.rest.is_empty() {
            self.first = bytes;
        } else {
            if self.rest.is_empty() {
                self.rest.extend_from_slice(&std::mem::take(&mut self.first));
            }
            self.rest.extend_from_slice(&bytes);
        }
    }

    /// All of it, with its digest.
    pub fn finish(self) -> (Bytes, Digest) {
        let bytes = if self.rest.is_empty() {
            self.first
        } else {
            self.rest.freeze()
        };
        (bytes, self.hasher.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_joined_in_order() {
        for chunks in [&[][..], &["a"], &["a", "", "bc"], &["", "x", "y", "z"]] {
            let mut gathered = Gathered::default();
            for chunk in chunks {
                gathered.push(Bytes::from_static(chunk.as_bytes()));
            }
            let (bytes, digest) = gathered.finish();
            assert_eq!(bytes, chunks.concat());
            assert_eq!(digest, Digest::of(chunks.concat().as_bytes()));
        }
    }
}
