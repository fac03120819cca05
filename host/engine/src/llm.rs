//! Language models as the engine knows them: somebody who answers, and where an adapter puts the pieces of an answer.

use docmill_model::failure::Failure;
use docmill_model::llm::{Delta, Request, Response};
use futures_util::future::BoxFuture;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Answers what one call of a plugin asks language models, within that call's grant.
pub trait Models: Send + Sync + std::fmt::Debug {
    /// Asks once. Runs on the I/O runtime; dropping the future stops it. The question keeps the contract's rules.
    ///
    /// # Errors
    /// What the plugin reads as the contract's error: `Denied`, `Exhausted`, `PluginUnavailable`, …
    fn complete(&self, request: Request, deadline: Instant) -> BoxFuture<'static, Result<Response, Failure>>;

    /// What was done, for the record of the attempt, one line each; nothing, if nothing was.
    fn effects(&self) -> Vec<String>;
}

/// Pieces of text that cross at once at most; larger ones are split.
const PIECE_BYTES: usize = 64 << 10;
/// Bytes of a call of a tool.
pub(crate) const CALL_BYTES: usize = 1 << 20;
/// Pieces that may wait for a slow reader.
const WAITING: usize = 16;

/// Where an adapter puts the pieces of its answer.
#[derive(Debug, Clone)]
pub struct Sink(mpsc::Sender<Delta>);

/// The other end: who reads them. Dropping it tells the adapter that nobody does any more.
#[derive(Debug)]
pub struct Deltas(mpsc::Receiver<Delta>);

/// The reader of pieces is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NobodyReads;

impl Sink {
    /// A sink and its reader. A few pieces wait for a slow reader, then the adapter does.
    pub fn new() -> (Self, Deltas) {
        let (sender, receiver) = mpsc::channel(WAITING);
        (Self(sender), Deltas(receiver))
    }

    pub(crate) async fn push(&self, delta: Delta) -> Result<(), NobodyReads> {
        let Delta::Text(text) = delta else {
            return self.send(delta).await;
        };
        let mut rest = text.as_str();
        while rest.len() > PIECE_BYTES {
            let (piece, more) = rest.split_at(rest.floor_char_boundary(PIECE_BYTES));
            self.send(Delta::Text(piece.to_owned())).await?;
            rest = more;
        }
        self.send(Delta::Text(rest.to_owned())).await
    }

    async fn send(&self, delta: Delta) -> Result<(), NobodyReads> {
        self.0.send(delta).await.map_err(|_| NobodyReads)
    }
}

impl Deltas {
    /// The next piece; none at the end.
    pub async fn next(&mut self) -> Option<Delta> {
        self.0.recv().await
    }
}
