//! People who sign in elsewhere: tokens of an OpenID Connect issuer, verified by its published keys.
//!
//! A token counts if it is a JWT (RFC 7519) signed with an asymmetric algorithm by a key of the issuer's JWKS (RFC 7517), for
//! this audience, from this issuer, within its time, and names a verified e-mail address. What its holder may do is not in
//! it: that is the user's with this address.
#![forbid(unsafe_code)]

mod fetch;
mod keys;

use docmill_model::run::Millis;
use jsonwebtoken::{Algorithm, Validation, decode, decode_header};
use serde::Deserialize;

use keys::Keys;

pub use fetch::InvalidIssuer;
pub use keys::Times;

/// Longest token that is looked at, in bytes.
pub const MAX_TOKEN_BYTES: usize = 8 * 1024;
/// How far clocks may be apart, in seconds.
const SKEW_S: u64 = 60;
/// What a signature may be made with. Nothing symmetric: the issuer's key would have to be here, too.
const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

/// Whose tokens count, and for whom.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `https://login.example.org/realms/acme`, exactly as its tokens say it in `iss`.
    pub issuer: String,
    /// What its tokens say in `aud` when they are for docmill.
    pub audience: String,
    /// How long keys are kept, and how patiently they are asked for.
    pub times: Times,
}

/// Who a token is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The issuer's own name for them, which never changes.
    pub subject: String,
    /// Verified by the issuer; in lower case.
    pub email: String,
    /// When the token stops working.
    pub expires_at: Millis,
}

/// Why a token does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is not one, not for docmill, not from there, or not of now.
    #[error("{0}")]
    Invalid(String),
    /// The issuer's keys cannot be had: whether it is a good one, nobody knows.
    #[error("the issuer's keys cannot be had: {0}")]
    Away(String),
}

/// Verifies tokens; cheap to clone.
#[derive(Debug, Clone)]
pub struct Verifier {
    issuer: String,
    audience: String,
    keys: Keys,
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    exp: f64,
    email: Option<String>,
    #[serde(default)]
    email_verified: Option<bool>,
}

impl Verifier {
    /// For tokens of this issuer. Nothing is asked of it before the first token comes.
    ///
    /// # Errors
    /// When the issuer's address is not one that can be asked safely.
    pub fn new(settings: Settings) -> Result<Self, InvalidIssuer> {
        Ok(Self {
            keys: Keys::new(&settings.issuer, settings.times)?,
            issuer: settings.issuer,
            audience: settings.audience,
        })
    }

    /// Whether a credential is written like a token, and not like a key of docmill.
    pub fn is_token(credential: &str) -> bool {
        credential.split('.').count() == 3
    }

    /// Who the token is about.
    ///
    /// # Errors
    /// [`Refused`]
    pub async fn verify(&self, token: &str) -> Result<Person, Refused> {
        if token.len() > MAX_TOKEN_BYTES {
            let said = format!("the token is longer than {MAX_TOKEN_BYTES} bytes");
            return Err(Refused::Invalid(said));
        }
        // Not trusted: it only says which key is to be tried. `none` is no algorithm at all here.
        let header = decode_header(token).map_err(|error| invalid("the token cannot be read", &error))?;
        if !ALGORITHMS.contains(&header.alg) {
            let said = format!(
                "tokens signed with {:?} are not taken: only asymmetric signatures are",
                header.alg
            );
            return Err(Refused::Invalid(said));
        }
        let key = self.keys.find(header.kid.as_deref(), header.alg).await?;
        let mut validation = Validation::new(header.alg);
        validation.leeway = SKEW_S;
        validation.validate_nbf = true;
        validation.set_audience(&[&self.audience]);
        validation.set_issuer(&[&self.issuer]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        let claims: Claims = decode(token, &key, &validation)
            .map_err(|error| invalid("the token does not count", &error))?
            .claims;
        person(claims)
    }
}

fn person(claims: Claims) -> Result<Person, Refused> {
    let email = claims.email.filter(|email| !email.is_empty()).ok_or_else(|| {
        Refused::Invalid("the token names no e-mail address: ask the issuer for the scope `email`".to_owned())
    })?;
    // Whoever may write any address into a profile of their own would be whoever they like.
    if claims.email_verified != Some(true) {
        let said = "the issuer does not say that it has verified the e-mail address (`email_verified`)";
        return Err(Refused::Invalid(said.to_owned()));
    }
    // Beyond the year 5138 all are the same.
    #[expect(clippy::cast_possible_truncation, reason = "it is within bounds")]
    let expires_at = (claims.exp.clamp(0.0, 1e11) * 1_000.0) as Millis;
    Ok(Person {
        subject: claims.sub,
        email: email.to_lowercase(),
        expires_at,
    })
}

fn invalid(what: &str, error: &jsonwebtoken::errors::Error) -> Refused {
    Refused::Invalid(format!("{what}: {error}"))
}
