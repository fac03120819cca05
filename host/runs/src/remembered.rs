//! Answers of the store that are needed before every run (who calls, which plan), kept in memory. Fresh ones are taken
//! as they are, older ones are asked for again; while the store does not answer, the last answer goes on being served
//! for a stated time.

use std::hash::Hash;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use docmill_model::failure::{Code, Failure};
use docmill_store::Health;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

/// Longest wait for an answer: a store that hangs is away, too.
const PATIENCE: Duration = Duration::from_millis(900);
/// Answers kept; the least used go first.
const MAX_ENTRIES: u64 = 10_000;

/// A memory of the store's answers.
pub struct Remembered<K, V> {
    slots: moka::sync::Cache<K, Arc<Slot<V>>>,
    fresh: Duration,
    grace: Duration,
    health: Health,
}

struct Slot<V> {
    state: RwLock<State<V>>,
    asking: Mutex<()>,
}

struct State<V> {
    value: Option<V>,
    since: Instant,
    /// Set: it is to be asked for again however fresh it is.
    doubted: bool,
    /// The last to ask got no answer.
    away: bool,
}

enum Look<V> {
    Take(V),
    Fail,
    Ask(Option<V>),
}

impl<K, V> Remembered<K, V>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// Answers are taken as they are for `fresh`, and for `grace` while the store does not answer.
    pub fn new(fresh: Duration, grace: Duration, health: Health) -> Self {
        Self {
            slots: moka::sync::Cache::new(MAX_ENTRIES),
            fresh,
            grace,
            health,
        }
    }

    /// The answer for `key`. `ask` is called when it is not fresh, by one caller at a time for each key, with the last
    /// answer.
    ///
    /// # Errors
    /// What `ask` says; [`Code::StoreUnavailable`] only if there is no answer within the grace.
    pub async fn get<F>(&self, key: &K, ask: impl FnOnce(Option<V>) -> F) -> Result<V, Failure>
    where
        F: Future<Output = Result<V, Failure>>,
    {
        let slot = match self.slots.get(key) {
            Some(slot) => slot,
            None => self.slots.get_with_by_ref(key, || Arc::new(Slot::new())),
        };
        let look = |asked| slot.look(self.fresh, self.grace, asked, self.health.just_failed());
        match look(slot.asking.try_lock().is_err()) {
            Look::Take(value) => return Ok(value),
            Look::Fail => return Err(away()),
            Look::Ask(_) => {}
        }
        let _alone = slot.asking.lock().await;
        // Whoever had the lock before may have brought the answer.
        let last = match look(false) {
            Look::Take(value) => return Ok(value),
            Look::Fail => return Err(away()),
            Look::Ask(last) => last,
        };
        let answer = timeout(PATIENCE, ask(last)).await.unwrap_or_else(|_| Err(away()));
        match &answer {
            Err(failure) if failure.code == Code::StoreUnavailable => self.health.failed(),
            Ok(_) | Err(_) => self.health.answered(),
        }
        if matches!(&answer, Err(failure) if failure.code != Code::StoreUnavailable) {
            self.slots.invalidate(key);
            return answer;
        }
        slot.keep(answer, self.grace)
    }

    /// Makes the answers whose keys fit be asked for again; they still serve while the store is away.
    pub fn doubt(&self, fits: impl Fn(&K) -> bool) {
        self.doubt_those(|key, _| fits(key));
    }

    /// The same for answers that fit, and those that are still being asked for.
    pub fn doubt_answers(&self, fits: impl Fn(&V) -> bool) {
        self.doubt_those(|_, value| value.is_none_or(&fits));
    }

    fn doubt_those(&self, fits: impl Fn(&K, Option<&V>) -> bool) {
        for (key, slot) in &self.slots {
            let state = slot.state.read().unwrap_or_else(PoisonError::into_inner);
            let fit = fits(&key, state.value.as_ref());
            drop(state);
            if fit {
                slot.state.write().unwrap_or_else(PoisonError::into_inner).doubted = true;
            }
        }
    }
}

/// What is said when the store does not answer.
pub fn away() -> Failure {
    let mut failure = Failure::new(
        Code::StoreUnavailable,
        "the database does not answer; try again soon",
    );
    failure.retry_after_ms = Some(1_000);
    failure
}

impl<V: Clone> Slot<V> {
    fn new() -> Self {
        let state = State {
            value: None,
            since: Instant::now(),
            doubted: false,
            away: false,
        };
        Self {
            state: RwLock::new(state),
            asking: Mutex::new(()),
        }
    }

    /// What to do without asking; `asked` tells that somebody else asks at this moment, `just_failed` that the store did
    /// not answer a moment ago.
    fn look(&self, fresh: Duration, grace: Duration, asked: bool, just_failed: bool) -> Look<V> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let age = state.since.elapsed();
        match &state.value {
            Some(value) if age < fresh && !state.doubted => Look::Take(value.clone()),
            // One asks, the others go on: for a moment, or for as long as the store is away.
            Some(value) if asked && !state.doubted && age < fresh.saturating_mul(2) => {
                Look::Take(value.clone())
            }
            Some(value) if (asked && state.away || just_failed) && age < grace => Look::Take(value.clone()),
            _ if just_failed => Look::Fail,
            value => Look::Ask(value.clone()),
        }
    }

    fn keep(&self, answer: Result<V, Failure>, grace: Duration) -> Result<V, Failure> {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        state.away = answer.is_err();
        match answer {
            Ok(value) => {
                state.value = Some(value.clone());
                state.since = Instant::now();
                state.doubted = false;
                Ok(value)
            }
            Err(failure) => match &state.value {
                Some(value) if state.since.elapsed() < grace => Ok(value.clone()),
                _ => Err(failure),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use docmill_store::health::RETRY;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_fresh_then_asked_for_then_served_while_the_store_is_away() {
        let memory =
            Remembered::<&str, u32>::new(Duration::from_secs(1), Duration::from_secs(60), Health::default());
        assert_eq!(memory.get(&"a", |_| async { Ok(1) }).await, Ok(1));
        assert_eq!(memory.get(&"a", |_| async { Ok(2) }).await, Ok(1));
        tokio::time::advance(Duration::from_millis(1100)).await;
        assert_eq!(
            memory
                .get(&"a", |last| async move { Ok(last.unwrap() + 5) })
                .await,
            Ok(6)
        );
        tokio::time::advance(Duration::from_secs(30)).await;
        assert_eq!(memory.get(&"a", |_| async { Err(away()) }).await, Ok(6));
        // Just failed: not asked again at once, then asked, then answered.
        assert_eq!(memory.get(&"a", |_| async { Ok(7) }).await, Ok(6));
        tokio::time::advance(RETRY).await;
        assert_eq!(memory.get(&"a", |_| async { Ok(7) }).await, Ok(7));
        tokio::time::advance(Duration::from_secs(61)).await;
        assert_eq!(memory.get(&"a", |_| async { Err(away()) }).await, Err(away()));
    }

    #[tokio::test(start_paused = true)]
    async fn another_failure_forgets_and_doubt_asks_again() {
        let memory =
            Remembered::<&str, u32>::new(Duration::from_secs(5), Duration::from_secs(60), Health::default());
        let gone = Failure::new(Code::UnknownPipeline, "gone");
        assert_eq!(memory.get(&"a", |_| async { Ok(1) }).await, Ok(1));
        memory.doubt(|key| *key == "a");
        assert_eq!(
            memory.get(&"a", |_| async { Err(gone.clone()) }).await,
            Err(gone.clone())
        );
        assert_eq!(
            memory
                .get(&"a", |last| async move { Ok(last.unwrap_or_default()) })
                .await,
            Ok(0)
        );
        memory.doubt(|_| true);
        assert_eq!(memory.get(&"a", |_| async { Err(away()) }).await, Ok(0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_hangs_is_away() {
        let memory = Remembered::<&str, u32>::new(
            Duration::from_millis(1),
            Duration::from_secs(60),
            Health::default(),
        );
        let hang = |_| std::future::pending::<Result<u32, Failure>>();
        assert_eq!(
            memory.get(&"a", hang).await.unwrap_err().code,
            Code::StoreUnavailable
        );
        tokio::time::advance(RETRY).await;
        assert_eq!(memory.get(&"a", |_| async { Ok(1) }).await, Ok(1));
        tokio::time::advance(Duration::from_secs(1)).await;
        let started = Instant::now();
        assert_eq!(memory.get(&"a", hang).await, Ok(1));
        assert_eq!(started.elapsed(), PATIENCE);
        assert_eq!(memory.get(&"a", hang).await, Ok(1));
        assert_eq!(started.elapsed(), PATIENCE, "others do not wait again");
    }

    #[tokio::test(start_paused = true)]
    async fn many_callers_ask_once() {
        let memory = Arc::new(Remembered::<&str, u32>::new(
            Duration::from_secs(1),
            Duration::from_secs(60),
            Health::default(),
        ));
        let asked = Arc::new(AtomicUsize::new(0));
        let callers: Vec<_> = (0..50)
            .map(|_| {
                let (memory, asked) = (memory.clone(), asked.clone());
                tokio::spawn(async move {
                    memory
                        .get(&"a", |_| async {
                            asked.fetch_add(1, Ordering::Relaxed);
                            tokio::time::sleep(Duration::from_millis(20)).await;
                            Ok(3)
                        })
                        .await
                })
            })
            .collect();
        for caller in callers {
            assert_eq!(caller.await.unwrap(), Ok(3));
        }
        assert_eq!(asked.load(Ordering::Relaxed), 1);
    }
}
