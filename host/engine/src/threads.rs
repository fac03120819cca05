//! Who runs when: the guests' threads, the ticks, deadlines, CPU time, and stopping.
//!
//! A guest is a future that yields at every tick. It is polled once where the caller is; if it needs more, it goes to the
//! end of one queue that the guest threads serve in turn, so that any number of spinning guests share them a tick at a
//! time. Whoever is over its deadline, or is to stop, comes first: it is only dropped.

mod control;

use std::collections::VecDeque;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use async_task::Runnable;
use docmill_model::failure::{Code, Failure};
use tokio::runtime::Handle;
use wasmtime::EngineWeak;

pub(crate) use control::{Control, Stoppable, thread_cpu};

/// Gives others their turn once.
pub(crate) async fn yield_now() {
    let mut yielded = false;
    std::future::poll_fn(|cx| {
        if yielded {
            return Poll::Ready(());
        }
        yielded = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[derive(Default)]
struct Ready {
    tasks: VecDeque<Runnable<Arc<Control>>>,
    closed: bool,
}

#[derive(Default)]
struct Queue {
    ready: Mutex<Ready>,
    filled: Condvar,
}

impl Queue {
    fn push(&self, task: Runnable<Arc<Control>>) {
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        if !ready.closed {
            ready.tasks.push_back(task);
            self.filled.notify_one();
        }
    }

    /// The next task, whoever is over first; none: the engine is gone.
    fn next(&self) -> Option<Runnable<Arc<Control>>> {
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if ready.closed {
                return None;
            }
            if !ready.tasks.is_empty() {
                let now = Instant::now();
                let over = ready.tasks.iter().position(|task| task.metadata().is_over(now));
                return ready.tasks.remove(over.unwrap_or(0));
            }
            ready = self.filled.wait(ready).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// The guest threads and the ticker of an engine.
pub(crate) struct Threads {
    queue: Arc<Queue>,
    ticker: Arc<Ticker>,
}

#[derive(Default)]
struct Ticker {
    guests: AtomicUsize,
    asleep: AtomicBool,
    closed: AtomicBool,
    thread: Mutex<Option<std::thread::Thread>>,
}

/// One guest is there; the ticker ticks while one is.
pub(crate) struct Presence(Arc<Ticker>);

impl Drop for Presence {
    fn drop(&mut self) {
        self.0.guests.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The ticker stays awake for so many ticks without a guest, because waking it costs a system call.
const IDLE_TICKS: u32 = 250;

impl Ticker {
    fn run(&self, engine: &EngineWeak, tick: Duration) {
        let mut idle = 0;
        while !self.closed.load(Ordering::Relaxed) {
            std::thread::sleep(tick);
            match engine.upgrade() {
                Some(engine) => engine.increment_epoch(),
                None => return,
            }
            idle = if self.guests.load(Ordering::SeqCst) == 0 {
                idle + 1
            } else {
                0
            };
            if idle > IDLE_TICKS {
                self.asleep.store(true, Ordering::SeqCst);
                while self.guests.load(Ordering::SeqCst) == 0 && !self.closed.load(Ordering::Relaxed) {
                    std::thread::park();
                }
                self.asleep.store(false, Ordering::SeqCst);
                idle = 0;
            }
        }
    }

    fn wake(&self) {
        if let Some(thread) = &*self.thread.lock().unwrap_or_else(PoisonError::into_inner) {
            thread.unpark();
        }
    }
}

impl Threads {
    /// Starts `guests` threads for guests and one that ticks.
    pub(crate) fn start(engine: EngineWeak, guests: usize, tick: Duration) -> std::io::Result<Self> {
        let threads = Self {
            queue: Arc::default(),
            ticker: Arc::default(),
        };
        for number in 0..guests.max(1) {
            let queue = Arc::clone(&threads.queue);
            std::thread::Builder::new()
                .name(format!("guest-{number}"))
                .spawn(move || serve(&queue))?;
        }
        let ticker = Arc::clone(&threads.ticker);
        let thread = std::thread::Builder::new()
            .name("guest-tick".to_owned())
            .spawn(move || ticker.run(&engine, tick))?;
        *threads
            .ticker
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(thread.thread().clone());
        Ok(threads)
    }

    /// Ticks from now until the presence is dropped.
    pub(crate) fn enter(&self) -> Presence {
        self.ticker.guests.fetch_add(1, Ordering::SeqCst);
        if self.ticker.asleep.load(Ordering::SeqCst) {
            self.ticker.wake();
        }
        Presence(Arc::clone(&self.ticker))
    }

    /// Runs a guest to its end. Dropping this future stops the guest at the next tick and drops it.
    ///
    /// # Errors
    /// When the host panicked while the guest ran.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        control: &Arc<Control>,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Failure> {
        let mut work = Box::pin(work);
        if let Some(output) = first_slice(work.as_mut()) {
            return output;
        }
        let queue = Arc::clone(&self.queue);
        let runtime = control.runtime().cloned();
        let (runnable, task) = async_task::Builder::new().metadata(Arc::clone(control)).spawn(
            |_| InRuntime { work, runtime },
            move |runnable| queue.push(runnable),
        );
        runnable.schedule();
        let mut task = std::pin::pin!(task.fallible());
        // A guest that waits in a host call is not polled; its deadline wakes it.
        let deadline = tokio::time::sleep_until(control.deadline().into());
        tokio::select! {
            biased;
            output = &mut task => return output.ok_or_else(panicked),
            () = deadline => control.wake(),
        }
        task.await.ok_or_else(panicked)
    }
}

/// The first slice, where the caller is: most calls end in it, and a change of threads costs as much as they do.
fn first_slice<T>(work: Pin<&mut impl Future<Output = T>>) -> Option<Result<T, Failure>> {
    let mut nobody = Context::from_waker(Waker::noop());
    match catch_unwind(AssertUnwindSafe(|| work.poll(&mut nobody))) {
        Ok(Poll::Ready(output)) => Some(Ok(output)),
        Ok(Poll::Pending) => None,
        Err(_) => Some(Err(panicked())),
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        let left = {
            let mut ready = self.queue.ready.lock().unwrap_or_else(PoisonError::into_inner);
            ready.closed = true;
            std::mem::take(&mut ready.tasks)
        };
        self.queue.filled.notify_all();
        drop(left);
        self.ticker.closed.store(true, Ordering::Relaxed);
        self.ticker.wake();
    }
}

fn panicked() -> Failure {
    tracing::error!("the host panicked while a guest ran");
    Failure::new(
        Code::Internal,
        "docmill failed while the plugin ran; this is a fault of docmill",
    )
}

/// Host functions may need the caller's runtime, whose thread this is not.
struct InRuntime<F> {
    work: Pin<Box<F>>,
    runtime: Option<Handle>,
}

impl<F: Future> Future for InRuntime<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        let _entered = this.runtime.as_ref().map(Handle::enter);
        this.work.as_mut().poll(cx)
    }
}

/// The body of a guest thread.
fn serve(queue: &Queue) {
    // Guests that last yield to the threads that answer requests.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::setpriority_process(None, 5);
    while let Some(task) = queue.next() {
        // A panic is a bug of the host, and survivable: the call fails, the thread goes on.
        let _ = catch_unwind(AssertUnwindSafe(|| task.run()));
    }
}
