//! Models natively: a test says what they answer, and sees what was pushed.

use std::cell::RefCell;

use crate::Error;
use crate::llm::{Delta, Request, Response};

type Answers = Box<dyn FnMut(&Request) -> Result<Response, Error>>;

thread_local! {
    static MODEL: RefCell<Option<Answers>> = const { RefCell::new(None) };
}

/// Lets `model` answer every [`complete`] of this thread while `work` runs.
pub fn answering<T>(
    model: impl FnMut(&Request) -> Result<Response, Error> + 'static,
    work: impl FnOnce() -> T,
) -> T {
    let before = MODEL.replace(Some(Box::new(model)));
    let done = work();
    MODEL.set(before);
    done
}

/// Asks the model of the test; without one it is refused as a host refuses it.
///
/// # Errors
/// `denied` with code `not-granted` outside of [`answering`]; else what the test's model answers.
pub fn complete(request: &Request) -> Result<Response, Error> {
    MODEL.with_borrow_mut(|model| match model {
        Some(answer) => answer(request),
        None => Err(Error::denied(
            "not-granted",
            "Nobody answers natively: call it within `llm::answering`.",
        )),
    })
}

/// Takes what an adapter pushes, in memory.
#[derive(Debug, Default)]
pub struct DeltaSink {
    pushed: RefCell<Vec<Delta>>,
    room: Option<usize>,
}

impl DeltaSink {
    /// One that takes everything.
    pub fn new() -> Self {
        Self::default()
    }

    /// One whose reader goes away after so many deltas.
    pub fn leaving_after(deltas: usize) -> Self {
        Self {
            room: Some(deltas),
            ..Self::default()
        }
    }

    /// Takes one.
    ///
    /// # Errors
    /// When nobody reads any more.
    pub fn push(&self, delta: &Delta) -> Result<(), Error> {
        let mut pushed = self.pushed.borrow_mut();
        if self.room.is_some_and(|room| pushed.len() >= room) {
            return Err(Error::failed("nobody-reads", "Nobody reads the answer any more."));
        }
        pushed.push(delta.clone());
        Ok(())
    }

    /// What was pushed, in order.
    pub fn pushed(&self) -> Vec<Delta> {
        self.pushed.borrow().clone()
    }
}
