//! `Repr-Digest` and `Content-Digest` (RFC 9530) of what a client sends: bytes that changed on their way are not kept.

use axum::http::{HeaderMap, HeaderName};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use docmill_model::digest::Digest;
use docmill_model::failure::Code;

use crate::problem::Problem;

/// Nothing is encoded on the way here, so that both are about the same bytes.
const HEADERS: [HeaderName; 2] = [
    HeaderName::from_static("repr-digest"),
    HeaderName::from_static("content-digest"),
];
const SHA_256: &str = "sha-256";
const FORM: &str = "sha-256=:BASE64=:";

/// The SHA-256 that the client says the body has; none: it says nothing, or it in another algorithm only, which the standard
/// lets one pass over.
///
/// # Errors
/// [`Code::MalformedRequest`], also if it says two.
pub fn stated(headers: &HeaderMap) -> Result<Option<Digest>, Problem> {
    let mut stated = None;
    for name in &HEADERS {
        for value in headers.get_all(name) {
            let wrong = || Problem::malformed(format!("the header {name} is written like {FORM}"));
            let text = value.to_str().map_err(|_| wrong())?;
            for member in text.split(',') {
                let (algorithm, rest) = member.trim().split_once('=').ok_or_else(wrong)?;
                if !algorithm.eq_ignore_ascii_case(SHA_256) {
                    continue;
                }
                // Parameters of a member come behind a semicolon, and mean nothing here.
                let bytes = rest.split(';').next().unwrap_or_default().trim();
                let encoded = bytes
                    .strip_prefix(':')
                    .and_then(|bytes| bytes.strip_suffix(':'))
                    .ok_or_else(wrong)?;
                let bytes = STANDARD.decode(encoded).map_err(|_| wrong())?;
                let digest = Digest::try_from(bytes.as_slice()).map_err(|_| wrong())?;
                if stated.is_some_and(|stated| stated != digest) {
                    return Err(Problem::malformed(
                        "the headers Repr-Digest and Content-Digest state two digests; send one",
                    ));
                }
                stated = Some(digest);
            }
        }
    }
    Ok(stated)
}

/// Compares what was stated with what came.
///
/// # Errors
/// [`Code::DigestMismatch`]
pub fn compare(stated: Option<Digest>, came: Digest) -> Result<(), Problem> {
    match stated {
        Some(stated) if stated != came => Err(Problem::new(
            Code::DigestMismatch,
            format!("the body has the SHA-256 {came}, and {stated} was stated; nothing is kept"),
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn headers(pairs: &[(&'static str, String)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    #[test]
    fn digests_are_read_as_the_standard_writes_them() {
        let digest = Digest::of(b"a");
        let written = STANDARD.encode(digest.as_bytes());
        let good = format!("sha-256=:{written}:");
        for value in [
            good.clone(),
            format!("SHA-256=:{written}:;x=1"),
            format!("md5=:AAAA:, {good}"),
            format!("{good}, sha-512=:AAAA:"),
        ] {
            for name in ["repr-digest", "content-digest"] {
                assert_eq!(
                    stated(&headers(&[(name, value.clone())])).unwrap(),
                    Some(digest),
                    "{value}"
                );
            }
        }
        assert_eq!(stated(&HeaderMap::new()).unwrap(), None);
        let unknown = headers(&[("repr-digest", "unixsum=:AAAA:".into())]);
        assert_eq!(stated(&unknown).unwrap(), None);
        let both = headers(&[("repr-digest", good.clone()), ("content-digest", good.clone())]);
        assert_eq!(stated(&both).unwrap(), Some(digest));
        let other = format!("sha-256=:{}:", STANDARD.encode(Digest::of(b"b").as_bytes()));
        assert!(stated(&headers(&[("repr-digest", good), ("content-digest", other)])).is_err());
        for bad in [
            "sha-256",
            "sha-256=",
            "sha-256=:AAAA:",
            "sha-256=:!!!:",
            &format!("sha-256={written}"),
            "",
        ] {
            assert!(
                stated(&headers(&[("repr-digest", bad.to_owned())])).is_err(),
                "{bad}"
            );
        }
        assert!(compare(None, digest).is_ok() && compare(Some(digest), digest).is_ok());
        let refused = compare(Some(Digest::of(b"b")), digest).unwrap_err();
        assert_eq!(refused.failure.code, Code::DigestMismatch);
    }
}
