//! Single flight: the first to ask for a key computes, the others wait until it is done or gone.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use docmill_model::digest::Digest;
use tokio::sync::watch;

/// Keys that somebody computes right now.
#[derive(Clone, Default)]
pub(crate) struct Flights(Arc<Mutex<HashMap<Digest, watch::Receiver<()>>>>);

/// What a caller of [`Flights::board`] is.
pub(crate) enum Boarding {
    /// The first: whoever waits goes on when the flight is dropped.
    Pilot(Flight),
    /// Another one computes; [`landed`] waits for it.
    Passenger(watch::Receiver<()>),
}

/// The right to compute a key, given back when dropped, on whatever way.
pub(crate) struct Flight {
    flights: Flights,
    key: Digest,
    _end: watch::Sender<()>,
}

impl Flights {
    pub(crate) fn board(&self, key: Digest) -> Boarding {
        let mut flights = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(other) = flights.get(&key) {
            return Boarding::Passenger(other.clone());
        }
        let (sender, receiver) = watch::channel(());
        flights.insert(key, receiver);
        Boarding::Pilot(Flight {
            flights: self.clone(),
            key,
            _end: sender,
        })
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        let mut flights = self.flights.0.lock().unwrap_or_else(PoisonError::into_inner);
        flights.remove(&self.key);
    }
}

/// Waits until the pilot's flight is dropped.
pub(crate) async fn landed(mut passenger: watch::Receiver<()>) {
    // Nothing is ever sent: the end of the channel is the message.
    while passenger.changed().await.is_ok() {}
}
