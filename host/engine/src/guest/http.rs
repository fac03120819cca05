//! `wasi:http`, outgoing: wasmtime's own resources, behind which requests go through `docmill-egress` on the I/O runtime. A
//! call without a grant is refused every request, by an error that the guest can read.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use docmill_egress::{EgressError, Request, Session};
use docmill_model::limits::Limits;
use http::header::HOST;
use http_body_util::BodyExt as _;
use wasmtime_wasi_http::{
    Error, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks, WasiHttpView,
};

use super::Guest;
use super::clock::{OnNetwork, SharedClock};
use super::log::SharedLog;

/// Refusals of one call that are told one by one; the others are only counted.
const TOLD: usize = 8;
/// Bytes of a told refusal.
const TOLD_BYTES: usize = 300;
/// The most that one set of headers may take of the host. A grant allows less on the wire.
const FIELDS_BYTES: usize = 64 << 10;
/// The most that one write of a body hands over.
const CHUNK_BYTES: usize = 64 << 10;

/// What a guest has of HTTP.
pub(crate) struct Http {
    ctx: WasiHttpCtx,
    hooks: Hooks,
}

struct Hooks {
    session: Option<Arc<Session>>,
    chunk: usize,
    clock: SharedClock,
    log: SharedLog,
    told: Arc<Mutex<Told>>,
}

#[derive(Default)]
struct Told {
    refusals: Vec<String>,
    /// Requests that no grant was there for.
    ungranted: u32,
}

impl WasiHttpView for Guest {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        self.meter.enter();
        let clock = self.clock();
        let http = self.http.get_or_insert_with(|| {
            let limits = &self.meter.limits;
            let mut ctx = WasiHttpCtx::new();
            ctx.set_field_size_limit(share(limits, FIELDS_BYTES));
            let hooks = Hooks {
                session: self.reach.session.clone(),
                chunk: share(limits, CHUNK_BYTES),
                clock,
                log: self.log.clone(),
                told: Arc::default(),
            };
            Box::new(Http { ctx, hooks })
        });
        WasiHttpCtxView {
            hooks: &mut http.hooks,
            table: &mut self.table,
            ctx: &mut http.ctx,
        }
    }
}

/// What one resource may take of the host, so that as many of them as there can be stay within the limit of all.
fn share(limits: &Limits, most: usize) -> usize {
    let resources = (limits.handles as usize).saturating_mul(2).saturating_add(16);
    (limits.host_memory.bytes() / 2 / resources).clamp(1 << 10, most)
}

impl Http {
    /// What was done, for the record of the attempt: the word, then each origin, then refusals.
    pub(super) fn effects(&self) -> Vec<String> {
        let told = self.hooks.told.lock().unwrap_or_else(PoisonError::into_inner);
        let traffic = self
            .hooks
            .session
            .as_ref()
            .map(|session| session.traffic())
            .unwrap_or_default();
        if traffic.is_empty() && told.ungranted == 0 {
            return Vec::new();
        }
        let mut effects = vec!["http".to_owned()];
        for it in traffic {
            let mut line = format!("http {} sent={} refused={}", it.origin, it.sent, it.refused);
            if !it.secrets.is_empty() {
                line.push_str(&format!(" secrets={}", it.secrets.join(",")));
            }
            effects.push(line);
        }
        if told.ungranted > 0 {
            effects.push(format!("http refused={} without a grant", told.ungranted));
        }
        effects.extend(
            told.refusals
                .iter()
                .map(|refusal| format!("http refused: {refusal}")),
        );
        effects
    }
}

impl Hooks {
    fn ungranted(&self) -> Error {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.ungranted == 0 {
            self.log.write(
                b"docmill: a request over HTTP was refused: the plugin has no grant for http; an owner gives one with \
                  `docmill plugin grant`\n",
            );
        }
        told.ungranted = told.ungranted.saturating_add(1);
        Error::HttpRequestDenied
    }
}

fn tell(told: &Mutex<Told>, log: &SharedLog, origin: &str, error: &EgressError) {
    let line: String = format!("{origin}: {error}")
        .chars()
        .filter(|c| !c.is_control())
        .take(TOLD_BYTES)
        .collect();
    let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
    if told.refusals.len() < TOLD {
        log.write(format!("docmill: a request over HTTP was refused: {line}\n").as_bytes());
        told.refusals.push(line);
    }
}

type Sent = Result<
    (
        http::Response<WasiBody>,
        Box<dyn Future<Output = Result<(), Error>> + Send>,
    ),
    Error,
>;

impl WasiHttpHooks for Hooks {
    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        let Some(session) = self.session.clone() else {
            let refused = self.ungranted();
            return Box::new(std::future::ready(Err(refused)));
        };
        let (told, log) = (Arc::clone(&self.told), self.log.clone());
        // While something is on its way, waiting takes real time.
        let on_network = self.clock.on_network();
        Box::new(async move {
            let origin = origin(request.uri());
            let sent = send(&session, request, options).await;
            let response = sent.map_err(|error| {
                if error.is_refusal() {
                    tell(&told, &log, &origin, &error);
                }
                meaning(error)
            })?;
            Ok((whole(response, on_network), nothing_more()))
        })
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        self.chunk
    }
}

/// Its work is done by the connection's own task.
fn nothing_more() -> Box<dyn Future<Output = Result<(), Error>> + Send> {
    Box::new(std::future::ready(Ok(())))
}

fn origin(uri: &http::Uri) -> String {
    let scheme = uri.scheme_str().unwrap_or_default();
    let host: String = uri.host().unwrap_or_default().chars().take(100).collect();
    match uri.port_u16() {
        Some(port) => format!("{scheme}://{host}:{port}"),
        None => format!("{scheme}://{host}"),
    }
}

async fn send(
    session: &Session,
    request: http::Request<WasiBody>,
    options: Option<RequestOptions>,
) -> Result<http::Response<docmill_egress::ResponseBody>, EgressError> {
    let (mut head, body) = request.into_parts();
    // The host writes it from the URL.
    head.headers.remove(HOST);
    let sent = session.send(Request {
        method: head.method,
        url: head.uri.to_string(),
        headers: head.headers,
        body: body.map_err(Into::into).boxed_unsync(),
    });
    // A guest may be more impatient than its grant.
    let patience = options.and_then(|options| {
        let first = options.first_byte_timeout?;
        Some(first.saturating_add(options.connect_timeout.unwrap_or_default()))
    });
    match patience {
        Some(patience) => tokio::time::timeout(patience, sent)
            .await
            .unwrap_or(Err(EgressError::Timeout(docmill_model::duration::Span(patience)))),
        None => sent.await,
    }
}

fn whole(
    response: http::Response<docmill_egress::ResponseBody>,
    on_network: OnNetwork,
) -> http::Response<WasiBody> {
    let (head, body) = response.into_parts();
    let body: http_body_util::combinators::UnsyncBoxBody<Bytes, Error> = body
        .map_err(move |error| {
            // As long as the body is there, it is on its way.
            let _ = &on_network;
            meaning(error)
        })
        .boxed_unsync();
    http::Response::from_parts(head, body)
}

/// The guest's word for it. It learns no address.
fn meaning(error: EgressError) -> Error {
    let section = |size: docmill_model::size::ByteSize| u32::try_from(size.0).ok();
    match error {
        EgressError::Ungranted(_)
        | EgressError::Header(_)
        | EgressError::Placeholder(_)
        | EgressError::CallsSpent(_)
        | EgressError::Encoded => Error::HttpRequestDenied,
        EgressError::Url(_) => Error::HttpRequestUriInvalid,
        EgressError::Address(_) => Error::DestinationIpProhibited,
        EgressError::RequestTooLarge(most) => Error::HttpRequestBodySize(Some(most.0)),
        EgressError::ResponseTooLarge(most) => Error::HttpResponseBodySize(Some(most.0)),
        EgressError::RequestHeadersTooLarge(most) => Error::HttpRequestHeaderSectionSize(section(most)),
        EgressError::ResponseHeadersTooLarge(most) => Error::HttpResponseHeaderSectionSize(section(most)),
        EgressError::UnknownName => Error::DnsError {
            rcode: None,
            info_code: None,
        },
        EgressError::Refused => Error::ConnectionRefused,
        EgressError::Tls(_) => Error::TlsProtocolError,
        EgressError::Timeout(_) => Error::HttpResponseTimeout,
        EgressError::Protocol(_) => Error::HttpProtocolError,
        EgressError::BodyAborted => Error::ConnectionTerminated,
    }
}
