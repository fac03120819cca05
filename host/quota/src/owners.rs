//! Rates of many owners who come and go: addresses, end users. The memory is bounded: when it is full, those that owe nothing
//! are forgotten, and if all of them do, new ones share one count.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::rate::Rate;

/// Most owners that are told apart.
pub(crate) const MAX_OWNERS: usize = 10_000;
/// Over what their rates are.
const SPAN: Duration = Duration::from_secs(60);

/// So many a minute of each owner.
#[derive(Debug)]
pub(crate) struct Owners<K>(Mutex<HashMap<Option<K>, Rate>>);

impl<K> Default for Owners<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash> Owners<K> {
    /// Acts on the owner's rate, which is `per_minute` from now on.
    pub(crate) fn with<T>(&self, owner: K, per_minute: u64, now: u64, act: impl FnOnce(&Rate) -> T) -> T {
        let mut rates = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut owner = Some(owner);
        if rates.len() >= MAX_OWNERS && !rates.contains_key(&owner) {
            rates.retain(|_, rate| !rate.left(now).1.is_zero());
            if rates.len() >= MAX_OWNERS {
                owner = None;
            }
        }
        let rate = rates.entry(owner).or_insert_with(|| Rate::new(SPAN));
        if rate.per() != per_minute {
            rate.set(now, per_minute, per_minute);
        }
        act(rate)
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_owners_do_not_fill_the_memory() {
        let owners = Owners::<u32>::default();
        let take = |owner: u32, now: u64| owners.with(owner, 1, now, |rate| rate.take(now));
        for owner in 0..(MAX_OWNERS as u32 + 100) {
            let _ = take(owner, 0);
        }
        assert!(owners.len() <= MAX_OWNERS + 1);
        assert!(take(7, 0).is_err() && take(u32::MAX, 0).is_err());
        // A minute later they owe nothing, and are forgotten for others.
        take(u32::MAX, 61_000_000_000).unwrap();
        assert!(owners.len() < 10);
    }

    #[test]
    fn a_limit_that_changes_counts_at_once() {
        let owners = Owners::<&str>::default();
        let taken = |per: u64| {
            (0..100)
                .filter(|_| owners.with("a", per, 0, |rate| rate.take(0)).is_ok())
                .count()
        };
        assert_eq!(taken(3), 3);
        assert_eq!(taken(10), 7);
        assert_eq!(taken(5), 0);
    }
}
