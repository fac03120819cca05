//! Why a request was not sent, or has no whole answer. No message holds an address, a header's value or a secret.

use docmill_model::duration::Span;
use docmill_model::grant::Ungranted;
use docmill_model::size::ByteSize;

use crate::body::Refused;
use crate::reach::Unreachable;
use crate::secret::Placeholder;

/// Why a request was not sent, or has no whole answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EgressError {
    /// The grant does not allow it.
    #[error(transparent)]
    Ungranted(#[from] Ungranted),
    /// The URL can be read in more than one way, or in none.
    #[error("the URL is refused: {0}")]
    Url(&'static str),
    /// A header is the host's own.
    #[error("the header {0} is the host's own")]
    Header(String),
    /// A placeholder of a secret stands where none may.
    #[error(transparent)]
    Placeholder(#[from] Placeholder),
    /// The host resolves to an address that is not on the internet.
    #[error("the host's address is not on the internet, but {0}")]
    Address(Unreachable),
    /// More requests than the grant allows in one call.
    #[error("the call has made the {0} requests that its grant allows")]
    CallsSpent(u32),
    /// The bodies sent are larger than the grant allows in one call.
    #[error("the call has sent the {0} that its grant allows")]
    RequestTooLarge(ByteSize),
    /// The bodies received are larger than the grant allows in one call.
    #[error("the call has received the {0} that its grant allows")]
    ResponseTooLarge(ByteSize),
    /// The request's header section is larger than the grant allows.
    #[error("the request's headers are larger than {0}")]
    RequestHeadersTooLarge(ByteSize),
    /// The response's header section is larger than the grant allows.
    #[error("the response's headers are larger than {0}")]
    ResponseHeadersTooLarge(ByteSize),
    /// A response in an encoding in which a secret could not be found.
    #[error("the response is compressed, and a grant with secrets takes none that is")]
    Encoded,
    /// Nobody knows the name.
    #[error("the host's name has no address")]
    UnknownName,
    /// Nobody takes the connection.
    #[error("the host does not take the connection")]
    Refused,
    /// The other side is not who it says, or speaks no TLS.
    #[error("no secure connection: {0}")]
    Tls(String),
    /// The time of the request is over.
    #[error("the request was not over within {0}")]
    Timeout(Span),
    /// The other side broke off, or does not speak HTTP.
    #[error("the answer is not HTTP, or broke off: {0}")]
    Protocol(String),
    /// What was to be sent broke off.
    #[error("the request's body broke off")]
    BodyAborted,
}

impl EgressError {
    /// Whether the host refused it, as opposed to what went wrong outside.
    pub const fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::Ungranted(_)
                | Self::Url(_)
                | Self::Header(_)
                | Self::Placeholder(_)
                | Self::Address(_)
                | Self::CallsSpent(_)
                | Self::RequestTooLarge(_)
                | Self::ResponseTooLarge(_)
                | Self::RequestHeadersTooLarge(_)
                | Self::ResponseHeadersTooLarge(_)
                | Self::Encoded
        )
    }

    /// What an error of the HTTP library means, if it is not that the request's body was cut.
    pub(crate) fn of(error: &hyper::Error, refused: &Refused, header_bytes: ByteSize) -> Self {
        match refused.get() {
            Some(refused) => refused.clone(),
            None if error.is_parse_too_large() => Self::ResponseHeadersTooLarge(header_bytes),
            None => Self::Protocol(error.to_string()),
        }
    }
}
