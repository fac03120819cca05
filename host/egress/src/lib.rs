//! The only way out of the host to the internet. Nothing is allowed but what a grant names, and nothing is reached but what
//! lies on the internet.
//!
//! **One request** ([`Session::send`]): the URL is read by the URL standard's own rules and compared with the grant
//! (`target`); its host is looked up, and if *any* of the addresses is not one of the internet's (`reach`), nothing is
//! dialled; else exactly those addresses are, one after the other, with the name for TLS and `Host` (`connect`). No proxy is
//! asked, whatever the environment says. A redirect is handed back as it came: who wants to follow it sends another
//! request, which is judged like the first, so no hop is ever less checked, and no header travels to another origin by
//! itself.
//!
//! **Bounds.** A grant's budget counts what one call of a plugin does with all its requests together; each request has its
//! time, and whatever waits here waits no longer: for a name, for a place, for a connection, for each byte.
//!
//! **Secrets** (`secret`) are put into the headers that the grant names, for the hosts that they are bound to, behind
//! the guest's back; what comes back is searched for them.
#![forbid(unsafe_code)]
#![cfg_attr(test, expect(clippy::unwrap_used, reason = "a test that cannot go on panics"))]

mod body;
mod connect;
mod error;
mod reach;
mod resolve;
mod secret;
mod session;
mod settings;
mod target;

pub use body::ResponseBody;
pub use error::EgressError;
pub use reach::{Network, Unreachable, reachable};
pub use resolve::{Resolver, system};
pub use secret::{InvalidSecret, Placeholder, Secret, SecretValue};
pub use session::{Request, RequestBody, Session, Traffic};
pub use settings::{Egress, Settings, read_roots};
