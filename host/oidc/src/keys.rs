//! The issuer's keys in memory: asked for when they are old or one is not known, never more often than is polite, and never
//! waited for twice.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use jsonwebtoken::jwk::{AlgorithmParameters, Jwk, JwkSet, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::Refused;
use crate::fetch::{InvalidIssuer, Issuer};

/// Most keys of a set that are looked at.
const MAX_KEYS: usize = 100;

/// How long keys are kept, and how patiently they are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// Keys are asked for again after this, without anybody waiting.
    pub fresh: Duration,
    /// While the issuer is away, keys serve for this long.
    pub grace: Duration,
    /// Between two questions: an unknown key in a token makes no more of them.
    pub between: Duration,
    /// The longest that one takes.
    pub patience: Duration,
}

impl Default for Times {
    fn default() -> Self {
        Self {
            fresh: Duration::from_secs(10 * 60),
            grace: Duration::from_secs(24 * 60 * 60),
            between: Duration::from_secs(10),
            patience: Duration::from_secs(2),
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Keys(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    issuer: Issuer,
    times: Times,
    known: RwLock<Option<Known>>,
    /// When it was last asked, and why that failed; held while it is asked.
    asked: Mutex<Option<(Instant, Option<String>)>>,
}

#[derive(Debug, Clone)]
struct Known {
    set: Arc<Vec<Jwk>>,
    since: Instant,
}

impl Keys {
    pub(crate) fn new(issuer: &str, times: Times) -> Result<Self, InvalidIssuer> {
        Ok(Self(Arc::new(Inner {
            issuer: Issuer::new(issuer, times.patience)?,
            times,
            known: RwLock::default(),
            asked: Mutex::default(),
        })))
    }

    /// The key of that name, for that algorithm.
    pub(crate) async fn find(
        &self,
        name: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<DecodingKey, Refused> {
        if let Some(known) = self.known()
            && let Some(key) = known.find(name, algorithm)
        {
            if known.since.elapsed() > self.0.times.fresh {
                let keys = self.clone();
                tokio::spawn(async move { keys.ask(Some(known.since)).await });
            }
            return Ok(key);
        }
        // It may be new.
        let failed = self.ask(self.known().map(|known| known.since)).await;
        let found = self.known().and_then(|known| known.find(name, algorithm));
        match (found, failed) {
            (Some(key), _) => Ok(key),
            (None, Some(why)) => Err(Refused::Away(why)),
            (None, None) => {
                let said = "the token is signed with a key that its issuer does not publish";
                Err(Refused::Invalid(said.to_owned()))
            }
        }
    }

    /// Those that are there and not too old.
    fn known(&self) -> Option<Known> {
        let known = self
            .0
            .known
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        known.filter(|known| known.since.elapsed() <= self.0.times.grace)
    }

    /// Asks the issuer, if the keys are still those of `seen` and it was not asked just now. Why it could not be, if so.
    async fn ask(&self, seen: Option<Instant>) -> Option<String> {
        let mut asked = self.0.asked.lock().await;
        if self.known().map(|known| known.since) != seen {
            return None;
        }
        if let Some((last, failed)) = &*asked
            && last.elapsed() < self.0.times.between
        {
            return failed.clone();
        }
        let failed = match self.0.issuer.keys().await {
            Ok(set) => {
                let known = Known::new(set);
                *self.0.known.write().unwrap_or_else(PoisonError::into_inner) = Some(known);
                None
            }
            Err(why) => {
                tracing::warn!(why, "the keys of the OpenID Connect issuer cannot be had");
                Some(why)
            }
        };
        *asked = Some((Instant::now(), failed.clone()));
        failed
    }
}

impl Known {
    fn new(set: JwkSet) -> Self {
        let mut keys = set.keys;
        keys.truncate(MAX_KEYS);
        keys.retain(|key| {
            let symmetric = matches!(key.algorithm, AlgorithmParameters::OctetKey(_));
            let signs = matches!(key.common.public_key_use, None | Some(PublicKeyUse::Signature));
            signs && !symmetric
        });
        Self {
            set: Arc::new(keys),
            since: Instant::now(),
        }
    }

    /// A token that names no key means the only one.
    fn find(&self, name: Option<&str>, algorithm: Algorithm) -> Option<DecodingKey> {
        let key = match (name, self.set.as_slice()) {
            (Some(name), keys) => keys
                .iter()
                .find(|key| key.common.key_id.as_deref() == Some(name))?,
            (None, [only]) => only,
            (None, _) => return None,
        };
        let fits = key
            .common
            .key_algorithm
            .is_none_or(|stated| stated == KeyAlgorithm::from(algorithm));
        let decoding = DecodingKey::from_jwk(key).ok()?;
        let symmetric = decoding.family() == AlgorithmFamily::Hmac;
        (fits && !symmetric).then_some(decoding)
    }
}
