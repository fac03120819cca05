//! A plain `wasi:http` component, as other hosts of them run it, called as a transformer: it is posted one JSON document
//! ([`form`]), and its answer is the step's output or the step's failure ([`answer`]). The mapping is stated in `wit/README.md`.
//!
//! The answer's body is collected while the guest runs, because the guest can write no further than the host has read; what
//! is too long ends the guest at once. The answer counts when the guest has returned: who traps or spins afterwards fails.

mod answer;
mod form;

use std::convert::Infallible;
use std::future::{Future as _, poll_fn};
use std::pin::pin;
use std::task::Poll;

use bytes::Bytes;
use docmill_model::failure::{Code, Failure};
use docmill_model::reading::Inputs;
use http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE};
use http_body_util::{BodyExt as _, Full};
use tokio::sync::oneshot;
use wasmtime::Store;
use wasmtime::component::{Instance, Resource, TypedFunc};
use wasmtime_wasi_http::WasiHttpView as _;
use wasmtime_wasi_http::p2::bindings::http::types::Scheme;
use wasmtime_wasi_http::p2::types::{HostIncomingRequest, HostResponseOutparam};

use self::answer::{Answer, Sent};
use crate::call::Output;
use crate::classify::{self, Phase};
use crate::guest::Guest;
use crate::plugin::Plugin;

/// What such a component exports.
const INTERFACE: &str = "wasi:http/incoming-handler";
/// Where it is asked, a name that nobody has (RFC 6761).
const ADDRESS: &str = "http://docmill.invalid/";

type Handle = TypedFunc<(Resource<HostIncomingRequest>, Resource<HostResponseOutparam>), ()>;

/// The export to call: the greatest version of 0.2 that there is.
pub(crate) fn exported<'a>(exports: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let served = exports.filter_map(|export| {
        let (name, version) = export.split_once('@')?;
        let version: semver::Version = version.parse().ok()?;
        let fits = name == INTERFACE && (version.major, version.minor) == (0, 2) && version.pre.is_empty();
        fits.then_some((version, export))
    });
    served.max().map(|(_, export)| export)
}

/// The function to call, if it has the type that it should have.
pub(crate) fn function(
    store: &mut Store<Guest>,
    instance: Instance,
    plugin: &Plugin,
) -> Result<Handle, Failure> {
    instance
        .get_typed_func(&mut *store, plugin.call_export())
        .map_err(|error| classify::mistyped(&error))
}

/// How a call ended.
enum Ended {
    /// The guest trapped or was stopped.
    Stopped(wasmtime::Error),
    /// The answer is none.
    Refused(Failure),
    /// The guest returned, and has not answered.
    Unanswered,
    /// Both are over.
    Answered(Answer),
}

/// Posts the step's inputs and its configuration, a JSON text, and settles the answer.
pub(crate) async fn transform(
    store: &mut Store<Guest>,
    instance: Instance,
    plugin: &Plugin,
    inputs: &Inputs,
    config: &str,
) -> Result<Output, Failure> {
    let limits = store.data().meter.limits;
    let function = function(store, instance, plugin)?;
    let posted = form::write(inputs, config, &limits).await?;
    let (send, sent) = oneshot::channel();
    let given = match resources(store.data_mut(), posted, send) {
        Ok(given) => given,
        Err(error) => return Err(classify::failure(store.data_mut(), &error, Phase::Call)),
    };
    let ended = {
        let mut call = pin!(function.call_async(&mut *store, given));
        // What is pending here waits for the guest, and never for tokio's budget.
        let mut answer = pin!(tokio::task::unconstrained(answer::collect(sent, limits.output)));
        let (mut returned, mut collected) = (false, None);
        poll_fn(|cx| {
            if !returned && let Poll::Ready(ended) = call.as_mut().poll(cx) {
                match ended {
                    Ok(()) => returned = true,
                    Err(error) => return Poll::Ready(Ended::Stopped(error)),
                }
            }
            if collected.is_none()
                && let Poll::Ready(ended) = answer.as_mut().poll(cx)
            {
                match ended {
                    Ok(answer) => collected = Some(answer),
                    Err(failure) => return Poll::Ready(Ended::Refused(failure)),
                }
            }
            match (returned, collected.take()) {
                (true, Some(answer)) => Poll::Ready(Ended::Answered(answer)),
                (true, None) => Poll::Ready(Ended::Unanswered),
                (false, kept) => {
                    collected = kept;
                    Poll::Pending
                }
            }
        })
        .await
    };
    match ended {
        Ended::Answered(answer) => {
            if let Err(error) = store.data_mut().meter.charge(answer.bytes()) {
                return Err(classify::failure(store.data_mut(), &error, Phase::Call));
            }
            answer::settle(answer, &limits).await
        }
        Ended::Stopped(error) => Err(classify::failure(store.data_mut(), &error, Phase::Call)),
        Ended::Refused(failure) => Err(failure),
        Ended::Unanswered => Err(Failure::new(
            Code::InvalidOutput,
            "the handler returned before its answer was complete: set the `response-outparam`, and finish the body \
             (`outgoing-body.finish`)",
        )),
    }
}

type Given = (Resource<HostIncomingRequest>, Resource<HostResponseOutparam>);

/// What the handler is given, charged as what crosses the boundary.
fn resources(guest: &mut Guest, posted: Bytes, send: oneshot::Sender<Sent>) -> wasmtime::Result<Given> {
    guest.meter.charge(posted.len())?;
    let request = http::Request::post(ADDRESS)
        .header(CONTENT_TYPE, "application/json")
        .header(CONTENT_LENGTH, posted.len())
        .header(ACCEPT, "*/*")
        .body(Full::new(posted).map_err(impossible))?;
    let mut view = guest.http();
    Ok((
        view.new_incoming_request(Scheme::Http, request)?,
        view.new_response_outparam(send)?,
    ))
}

fn impossible(never: Infallible) -> wasmtime_wasi_http::Error {
    match never {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_greatest_served_version_is_called() {
        let exports = [
            "wasi:http/incoming-handler@0.2.0",
            "wasi:http/incoming-handler@0.2.10",
            "wasi:http/incoming-handler@0.2.9",
            "wasi:http/incoming-handler@0.2.99-rc-1",
            "wasi:http/incoming-handler@0.3.0",
            "wasi:http/incoming-handler",
            "acme:http/incoming-handler@0.2.11",
        ];
        let found = exported(exports.into_iter());
        assert_eq!(found, Some("wasi:http/incoming-handler@0.2.10"));
        assert_eq!(exported(exports.into_iter().skip(3)), None);
    }
}
