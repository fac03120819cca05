//! Reads on their way into the audit log. An answer does not wait for the disk: a read is handed over and written with others
//! a moment later, at the end of the host at the latest. None is dropped silently: while PostgreSQL is away they wait here;
//! when as many wait as can be held, further reads wait and are refused; what cannot be written at all is told by the log.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use docmill_model::id::TenantId;
use docmill_store::audit::NewEntry;
use docmill_store::{Store, StoreError};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, timeout, timeout_at};

/// Reads that may wait here: some megabytes.
const CAPACITY: usize = 4_096;
/// Reads that are written together.
const BATCH: usize = 512;
/// How long a read waits for others: with how long it takes to write them, a crash loses the reads of a quarter of a second.
const GATHER: Duration = Duration::from_millis(200);
/// How long a read waits for room before it is refused.
const ROOM: Duration = Duration::from_secs(2);
/// While PostgreSQL is away.
const AGAIN: Duration = Duration::from_millis(500);
/// How long somebody who wants to see his own reads waits for them.
const FLUSH: Duration = Duration::from_secs(1);

/// There is no room, and there was none for a while.
#[derive(Debug)]
pub(super) struct Full;

enum Message {
    Read(TenantId, NewEntry),
    /// Answered when all that came before is written.
    Flush(oneshot::Sender<()>),
}

/// The way into the audit log; cheap to clone.
#[derive(Clone)]
pub struct Journal(Arc<Shared>);

struct Shared {
    messages: mpsc::Sender<Message>,
    /// Until when what waits may still be tried: the host is ending.
    ending: watch::Sender<Option<Instant>>,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    written: AtomicU64,
    refused: AtomicU64,
    lost: AtomicU64,
}

/// What the journal did since this process started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JournalFigures {
    /// Reads that wait to be written.
    pub waiting: usize,
    /// Reads that were written.
    pub written: u64,
    /// Requests that were refused because as many waited as can.
    pub refused: u64,
    /// Reads that could not be written and are in the host's log instead.
    pub lost: u64,
}

impl Journal {
    /// A journal that writes to this store. Must be called inside a Tokio runtime.
    pub(crate) fn new(store: Store) -> Self {
        let (messages, received) = mpsc::channel(CAPACITY);
        let (ending, ended) = watch::channel(None);
        let counts = Arc::new(Counts::default());
        let writer = Writer {
            store,
            received,
            ending: ended,
            counts: counts.clone(),
        };
        tokio::spawn(writer.work());
        Self(Arc::new(Shared {
            messages,
            ending,
            counts,
        }))
    }

    /// Takes a read; it is written soon.
    pub(super) async fn take(&self, tenant: TenantId, entry: NewEntry) -> Result<(), Full> {
        let message = Message::Read(tenant, entry);
        let Err(refused) = self.0.messages.send_timeout(message, ROOM).await else {
            return Ok(());
        };
        drop(refused);
        self.0.counts.refused.fetch_add(1, Ordering::Relaxed);
        Err(Full)
    }

    /// Waits until what was taken before is written, for a second at most.
    pub async fn flush(&self) {
        timeout(FLUSH, self.flushed()).await.ok();
    }

    /// The host is ending: waits until everything is written, for at most so long. What is not written by then is told by the
    /// log.
    pub async fn close(&self, patience: Duration) {
        let until = Instant::now() + patience;
        self.0.ending.send_replace(Some(until));
        // The writer gives up by itself, and says what.
        timeout_at(until + Duration::from_secs(1), self.flushed())
            .await
            .ok();
    }

    async fn flushed(&self) {
        let (answer, answered) = oneshot::channel();
        if self.0.messages.send(Message::Flush(answer)).await.is_ok() {
            answered.await.ok();
        }
    }

    /// What it did.
    pub fn figures(&self) -> JournalFigures {
        let shared = &*self.0;
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        JournalFigures {
            waiting: shared.messages.max_capacity() - shared.messages.capacity(),
            written: count(&shared.counts.written),
            refused: count(&shared.counts.refused),
            lost: count(&shared.counts.lost),
        }
    }
}

struct Writer {
    store: Store,
    received: mpsc::Receiver<Message>,
    ending: watch::Receiver<Option<Instant>>,
    counts: Arc<Counts>,
}

/// What is written together.
#[derive(Default)]
struct Batch {
    entries: BTreeMap<TenantId, Vec<NewEntry>>,
    reads: usize,
    flushes: Vec<oneshot::Sender<()>>,
}

impl Batch {
    fn add(&mut self, message: Message) {
        match message {
            Message::Read(tenant, entry) => {
                self.reads += 1;
                self.entries.entry(tenant).or_default().push(entry);
            }
            Message::Flush(answer) => self.flushes.push(answer),
        }
    }

    fn is_due(&self) -> bool {
        self.reads >= BATCH || !self.flushes.is_empty()
    }
}

impl Writer {
    async fn work(mut self) {
        while let Some(batch) = self.gather().await {
            for (tenant, entries) in batch.entries {
                self.write(tenant, entries).await;
            }
            for flush in batch.flushes {
                flush.send(()).ok();
            }
        }
    }

    /// The next reads; none: nobody can send any more.
    async fn gather(&mut self) -> Option<Batch> {
        let mut batch = Batch::default();
        batch.add(self.received.recv().await?);
        let until = Instant::now() + GATHER;
        while !batch.is_due() {
            match timeout_at(until, self.received.recv()).await {
                Ok(Some(message)) => batch.add(message),
                Ok(None) | Err(_) => break,
            }
        }
        // Those who wait for a flush must not make each other's a commit of its own.
        while batch.reads < BATCH {
            match self.received.try_recv() {
                Ok(message) => batch.add(message),
                Err(_) => break,
            }
        }
        Some(batch)
    }

    async fn write(&mut self, tenant: TenantId, entries: Vec<NewEntry>) {
        match self.insist(tenant, &entries).await {
            Ok(()) => {}
            // One of them is wrong: it must not take the others along.
            Err(error) if !passes(&error) && entries.len() > 1 => {
                for entry in entries {
                    if let Err(error) = self.insist(tenant, std::slice::from_ref(&entry)).await {
                        self.lose(tenant, &entry, &error);
                    }
                }
            }
            Err(error) => {
                for entry in &entries {
                    self.lose(tenant, entry, &error);
                }
            }
        }
    }

    /// Tries until it is written, PostgreSQL refuses it, or the host's end is over.
    async fn insist(&mut self, tenant: TenantId, entries: &[NewEntry]) -> Result<(), StoreError> {
        let mut told = false;
        loop {
            if self
                .ending
                .borrow_and_update()
                .is_some_and(|until| Instant::now() >= until)
            {
                return Err(ended());
            }
            let Err(error) = self.store.audit_all(tenant, entries).await else {
                let count = u64::try_from(entries.len()).unwrap_or(u64::MAX);
                self.counts.written.fetch_add(count, Ordering::Relaxed);
                return Ok(());
            };
            if !passes(&error) {
                return Err(error);
            }
            if !told {
                told = true;
                tracing::warn!(%error, "reads wait to be written into the audit log");
            }
            // Who is told of the end meanwhile tries again at once; nobody is left to tell it when the host is gone already.
            if let Ok(Err(_)) = timeout(AGAIN, self.ending.changed()).await {
                return Err(ended());
            }
        }
    }

    /// The last resort: the host's log has it.
    fn lose(&self, tenant: TenantId, entry: &NewEntry, error: &StoreError) {
        self.counts.lost.fetch_add(1, Ordering::Relaxed);
        tracing::error!(
            %error,
            tenant.id = %tenant,
            audit.id = %entry.id,
            audit.at = entry.at,
            audit.action = entry.action,
            audit.subject = entry.subject,
            audit.detail = entry.detail.as_ref().map(tracing::field::display),
            key.id = entry.key.map(tracing::field::display),
            client.ip = entry.client_ip.map(tracing::field::display),
            request.id = entry.request.map(tracing::field::display),
            "a read is not in the audit log"
        );
    }
}

fn ended() -> StoreError {
    StoreError::Unavailable {
        reason: "the host ended before it could be written".to_owned(),
    }
}

/// Whether the same can be written later.
fn passes(error: &StoreError) -> bool {
    matches!(
        error,
        StoreError::Unavailable { .. } | StoreError::Unanswered { .. } | StoreError::NotMigrated { .. }
    )
}
