//! `llm` and `deltas`: questions to language models, which somebody else answers on the I/O runtime, and the pieces of an
//! answer. A call without a grant is refused every question, by an error that the guest can read.

use docmill_model::failure::{Code, Failure};
use docmill_model::llm::{Delta, Request, Response};
use tokio::task::JoinHandle;
use wasmtime::component::Resource;

use super::documents::wrong;
use super::{Guest, SinkHandle};
use crate::bindings::types::Error;
use crate::bindings::{deltas, llm, llm_types};
use crate::convert;
use crate::llm::{CALL_BYTES, NobodyReads};

/// The code of the error that a guest gets when it may not ask.
const NOT_GRANTED: &str = "not-granted";
/// The code of the error that a guest gets when it asks what cannot be asked.
const INVALID_REQUEST: &str = "invalid-request";
/// The code of the error that an adapter gets when nobody reads its answer any more.
pub(super) const NOBODY_READS: &str = "nobody-reads";

/// The work ends with whoever waits for it.
struct Ended<T>(JoinHandle<T>);

impl<T> Drop for Ended<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl llm_types::Host for Guest {}
impl deltas::Host for Guest {}

impl llm::Host for Guest {
    async fn complete(
        &mut self,
        request: llm_types::Request,
    ) -> wasmtime::Result<Result<llm_types::Response, Error>> {
        let request: Request = request.into();
        self.meter
            .charge(usize::try_from(request.input_bytes()).unwrap_or(usize::MAX))?;
        if let Err(broken) = request.check() {
            let failure = Failure {
                reason: Some(INVALID_REQUEST.to_owned()),
                ..Failure::new(Code::InvalidInput, broken.to_string())
            };
            return Ok(Err(convert::told(&failure)));
        }
        match self.ask(request).await {
            Ok(response) => {
                self.meter.charge(response.weight())?;
                Ok(Ok(response.into()))
            }
            Err(failure) => Ok(Err(convert::told(&failure))),
        }
    }
}

impl Guest {
    async fn ask(&mut self, request: Request) -> Result<Response, Failure> {
        let Some(models) = self.reach.models.clone() else {
            if self.llm_ungranted == 0 {
                self.log.write(
                    b"docmill: a question to a language model was refused: the plugin has no grant for llm; an owner gives one \
                      with `docmill plugin grant`\n",
                );
            }
            self.llm_ungranted = self.llm_ungranted.saturating_add(1);
            let message = "the plugin may not ask language models: its organisation did not grant it llm";
            return Err(Failure {
                reason: Some(NOT_GRANTED.to_owned()),
                ..Failure::new(Code::Denied, message)
            });
        };
        let deadline = self.meter.control.deadline().into();
        let interrupted = || Failure::new(Code::Interrupted, "the host is shutting down");
        let Some(runtime) = self.meter.control.runtime() else {
            return Err(interrupted());
        };
        // Not here: whoever answers may run a guest of its own, whose time is not this one's.
        let mut work = Ended(runtime.spawn(models.complete(request, deadline)));
        (&mut work.0).await.unwrap_or_else(|_| Err(interrupted()))
    }

    /// What it asked language models, for the record of the attempt.
    pub(super) fn llm_effects(&self) -> Vec<String> {
        let mut effects: Vec<String> = self
            .reach
            .models
            .iter()
            .flat_map(|models| models.effects())
            .collect();
        if self.llm_ungranted > 0 {
            effects.push(format!("llm refused={} without a grant", self.llm_ungranted));
        }
        if !effects.is_empty() {
            effects.insert(0, "llm".to_owned());
        }
        effects
    }
}

impl deltas::HostDeltaSink for Guest {
    async fn push(
        &mut self,
        sink: Resource<SinkHandle>,
        delta: llm_types::Delta,
    ) -> wasmtime::Result<Result<(), Error>> {
        let delta: Delta = delta.into();
        let bytes = match &delta {
            Delta::Text(text) => text.len(),
            Delta::ToolCall(call) => call.id.len() + call.name.len() + call.arguments.len(),
        };
        self.meter.charge(bytes)?;
        if matches!(delta, Delta::ToolCall(_)) && bytes > CALL_BYTES {
            let message = format!("a call of a tool has at most {CALL_BYTES} bytes");
            return Ok(Err(wrong("invalid-output", message)));
        }
        let sink = self.table.get(&sink)?.clone();
        match sink.push(delta).await {
            Ok(()) => Ok(Ok(())),
            Err(NobodyReads) => {
                let message = "nobody reads the answer any more";
                self.meter.refuse(Code::Interrupted, message);
                Ok(Err(wrong(NOBODY_READS, message)))
            }
        }
    }

    fn drop(&mut self, sink: Resource<SinkHandle>) -> wasmtime::Result<()> {
        self.table.delete(sink)?;
        Ok(())
    }
}
