//! What one call of a plugin may do, and did.

use std::fmt;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use docmill_model::grant::{HOSTS_HEADERS, HttpGrant};
use docmill_model::size::ByteSize;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, HOST};
use http::{HeaderMap, HeaderValue, Method, Response};
use http_body::Body as _;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use crate::body::{Driver, Refused, RequestBodyWatch, ResponseBody};
use crate::connect::connect;
use crate::error::EgressError;
use crate::secret::{Placeholder, Secret, Secrets, is_mentioned_in_url};
use crate::settings::{Egress, Shared};
use crate::target::Target;

/// The body of a request.
pub type RequestBody = UnsyncBoxBody<Bytes, Box<dyn std::error::Error + Send + Sync>>;

/// A request as the plugin asks for it.
pub struct Request {
    /// As RFC 9110 writes it.
    pub method: Method,
    /// Absolute.
    pub url: String,
    /// Without those that the host writes itself.
    pub headers: HeaderMap,
    /// What is sent.
    pub body: RequestBody,
}

/// What was done with one origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Traffic {
    /// `https://api.example.org:443`
    pub origin: String,
    /// Requests that were let through.
    pub sent: u32,
    /// Requests that were refused.
    pub refused: u32,
    /// Secrets that were put into them.
    pub secrets: Vec<String>,
}

/// Requests of one call under way at once, answers that are not read to their end included; more wait, within their time.
const AT_ONCE: usize = 16;
/// Origins that are told apart in a record; the others are counted under one name.
const ORIGINS: usize = 16;
/// What those others are called.
const OTHERS: &str = "others";

/// Budgets that requests of one call share.
pub(crate) struct Budgets {
    pub(crate) sent: AtomicU64,
    pub(crate) received: AtomicU64,
    calls: AtomicU32,
}

/// The way out for one call of a plugin.
pub struct Session {
    shared: Arc<Shared>,
    grant: Arc<HttpGrant>,
    secrets: Secrets,
    deadline: Option<Instant>,
    budgets: Arc<Budgets>,
    places: Arc<Semaphore>,
    traffic: Mutex<Vec<Traffic>>,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("grant", &self.grant)
            .finish_non_exhaustive()
    }
}

impl Egress {
    /// Begins a call. Nothing goes on after `deadline`.
    pub fn session(&self, grant: Arc<HttpGrant>, secrets: Vec<Secret>, deadline: Option<Instant>) -> Session {
        Session {
            shared: Arc::clone(&self.0),
            secrets: Secrets::new(grant.secrets(), secrets),
            grant,
            deadline,
            budgets: Arc::new(Budgets {
                sent: AtomicU64::new(0),
                received: AtomicU64::new(0),
                calls: AtomicU32::new(0),
            }),
            places: Arc::new(Semaphore::new(AT_ONCE)),
            traffic: Mutex::default(),
        }
    }
}

/// A request that is within the grant.
struct Judged {
    target: Target,
    head: http::request::Parts,
    body: RequestBody,
}

impl Session {
    /// Sends a request and gives the head of the answer; its body comes as it is read. To be called on a runtime.
    ///
    /// # Errors
    /// Every reason why nothing was sent, or no answer came in time.
    pub async fn send(&self, request: Request) -> Result<Response<ResponseBody>, EgressError> {
        let origin = Target::parse(&request.url).map_or_else(|_| OTHERS.to_owned(), |target| target.origin());
        let mut used = Vec::new();
        let judged = self.judge(request, &mut used);
        let ended = match judged {
            Ok(judged) => {
                self.note(&origin, true, used);
                self.perform(judged).await
            }
            Err(refused) => {
                self.note(&origin, false, Vec::new());
                return Err(refused);
            }
        };
        if ended
            .as_ref()
            .is_err_and(|error| matches!(error, EgressError::Address(_)))
        {
            self.withdraw(&origin);
        }
        ended
    }

    /// What was done so far, by origin.
    pub fn traffic(&self) -> Vec<Traffic> {
        self.traffic
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn judge(&self, request: Request, used: &mut Vec<String>) -> Result<Judged, EgressError> {
        let budget = self.grant.budget();
        let before = self.budgets.calls.fetch_add(1, Ordering::Relaxed);
        if before >= budget.calls {
            // It stays there: a guest that asks for ever does not make it begin again.
            self.budgets.calls.store(budget.calls, Ordering::Relaxed);
            return Err(EgressError::CallsSpent(budget.calls));
        }
        let target = Target::parse(&request.url)?;
        target.judge(&self.grant, request.method.as_str())?;
        if is_mentioned_in_url(&request.url) {
            return Err(Placeholder::Misplaced("the URL").into());
        }
        let mut headers = request.headers;
        if let Some(own) = HOSTS_HEADERS.iter().find(|own| is_host_set(own, &headers)) {
            return Err(EgressError::Header((*own).to_owned()));
        }
        *used = self.secrets.fill(&mut headers, &target.borrowed())?;
        if self.secrets.redactor().is_some() {
            // Nobody finds a secret in what is compressed.
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        }
        let authority = HeaderValue::from_str(&target.authority());
        headers.insert(
            HOST,
            authority.map_err(|_| EgressError::Url("its host is not the name of a host"))?,
        );
        if weight(&headers) + target.path.len() > budget.header_bytes.bytes() {
            return Err(EgressError::RequestHeadersTooLarge(budget.header_bytes));
        }
        if request.body.size_hint().lower() > budget.request_bytes.0 {
            return Err(EgressError::RequestTooLarge(budget.request_bytes));
        }
        let head = http::Request::builder()
            .method(request.method)
            .uri(target.path.as_str())
            .body(());
        let (mut head, ()) = head
            .map_err(|_| EgressError::Url("its path cannot be sent"))?
            .into_parts();
        head.headers = headers;
        Ok(Judged {
            target,
            head,
            body: request.body,
        })
    }

    async fn perform(&self, judged: Judged) -> Result<Response<ResponseBody>, EgressError> {
        let time = self.grant.budget().time;
        let own = Instant::now() + time.0;
        let until = self.deadline.map_or(own, |deadline| deadline.min(own));
        match timeout_at(until, self.exchange(judged, until)).await {
            Ok(ended) => ended,
            Err(_) => Err(EgressError::Timeout(time)),
        }
    }

    async fn exchange(&self, judged: Judged, until: Instant) -> Result<Response<ResponseBody>, EgressError> {
        let budget = *self.grant.budget();
        let own = Arc::clone(&self.places).acquire_owned().await;
        let everybodys = Arc::clone(&self.shared.places).acquire_owned().await;
        let (Ok(own), Ok(everybodys)) = (own, everybodys) else {
            return Err(EgressError::Refused);
        };
        let stream = connect(&self.shared, &judged.target).await?;
        let refused = Refused::default();
        let body = RequestBodyWatch::new(
            judged.body,
            Arc::clone(&self.budgets),
            budget.request_bytes,
            Arc::clone(&refused),
        );
        let failed = |error: hyper::Error| EgressError::of(&error, &refused, budget.header_bytes);
        let (mut sender, connection) = http1::Builder::new()
            .max_buf_size(budget.header_bytes.bytes())
            .max_headers(MAX_HEADERS)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(failed)?;
        // It does its work beside the guest, and ends with the answer's body or with the time.
        let driver = Driver::spawn([own, everybodys], until, connection);
        let answer = sender
            .send_request(http::Request::from_parts(judged.head, body))
            .await;
        let (mut head, incoming) = answer.map_err(failed)?.into_parts();
        if head.status == http::StatusCode::SWITCHING_PROTOCOLS {
            return Err(EgressError::Protocol("it changes the protocol".to_owned()));
        }
        if weight(&head.headers) > budget.header_bytes.bytes() {
            return Err(EgressError::ResponseHeadersTooLarge(budget.header_bytes));
        }
        judge_length(&head.headers, budget.response_bytes)?;
        if let Some(redactor) = self.secrets.redactor() {
            let encodings = head.headers.get_all(CONTENT_ENCODING);
            if encodings
                .iter()
                .any(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity"))
            {
                return Err(EgressError::Encoded);
            }
            redactor.headers(&mut head.headers);
        }
        let body = ResponseBody::new(
            incoming,
            driver,
            Arc::clone(&self.budgets),
            &budget,
            until,
            self.secrets.redactor().cloned(),
            Arc::clone(&refused),
        );
        Ok(Response::from_parts(head, body))
    }

    fn note(&self, origin: &str, sent: bool, secrets: Vec<String>) {
        let mut traffic = self.traffic.lock().unwrap_or_else(PoisonError::into_inner);
        let known = traffic.iter().position(|it| it.origin == origin);
        let origin = if known.is_none() && traffic.len() >= ORIGINS {
            OTHERS
        } else {
            origin
        };
        let at = traffic
            .iter()
            .position(|it| it.origin == origin)
            .unwrap_or(traffic.len());
        if at == traffic.len() {
            traffic.push(Traffic {
                origin: origin.to_owned(),
                sent: 0,
                refused: 0,
                secrets: Vec::new(),
            });
        }
        let Some(it) = traffic.get_mut(at) else { return };
        let count = if sent { &mut it.sent } else { &mut it.refused };
        *count = count.saturating_add(1);
        for secret in secrets {
            if !it.secrets.contains(&secret) {
                it.secrets.push(secret);
            }
        }
    }

    /// What was let through by name, and refused by its address.
    fn withdraw(&self, origin: &str) {
        let mut traffic = self.traffic.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(it) = traffic.iter_mut().find(|it| it.origin == origin) {
            it.sent = it.sent.saturating_sub(1);
            it.refused = it.refused.saturating_add(1);
        }
    }
}

/// Header lines of an answer; hyper's own default.
const MAX_HEADERS: usize = 100;

/// `content-length` says how long the body is, and wasi:http has plugins say it; hyper holds them to it.
fn is_host_set(own: &str, headers: &HeaderMap) -> bool {
    own != CONTENT_LENGTH.as_str() && own != HOST.as_str() && headers.contains_key(own)
}

/// Bytes of a header section on the wire.
fn weight(headers: &HeaderMap) -> usize {
    headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + 4)
        .sum()
}

/// An answer that says that it is too long is not begun.
fn judge_length(headers: &HeaderMap, most: ByteSize) -> Result<(), EgressError> {
    let length = headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    match length {
        Some(length) if length > most.0 => Err(EgressError::ResponseTooLarge(most)),
        _ => Ok(()),
    }
}
