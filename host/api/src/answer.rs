//! What every handler needs for its answer: JSON, files, ids from paths, the size of a page.

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use docmill_model::failure::Code;
use serde::Serialize;

use crate::problem::Problem;
use crate::query::Query;

/// Room for a small run's answer, so that it need not grow while it is written.
const USUAL_JSON: usize = 4 * 1024;

/// A file as a download: what a guest or a client made is never shown inside this site.
pub fn file(name: Option<&str>, media_type: &str, digest: &str, bytes: bytes::Bytes) -> Response {
    let encoded: String = form_urlencoded::byte_serialize(name.unwrap_or("file").as_bytes()).collect();
    let disposition = format!("attachment; filename*=UTF-8''{}", encoded.replace('+', "%20"));
    let mut response = Response::new(Body::from(bytes));
    let mut set = |name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(name, value);
        }
    };
    set(header::CONTENT_TYPE, media_type);
    set(header::CONTENT_DISPOSITION, &disposition);
    set(header::ETAG, &format!("\"{digest}\""));
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox");
    response
}

/// An id from a path.
///
/// # Errors
/// [`Code::NotFound`]: what cannot be an id names nothing.
pub fn id_of<T: std::str::FromStr>(text: &str) -> Result<T, Problem>
where
    T::Err: std::fmt::Display,
{
    text.parse()
        .map_err(|error: T::Err| Problem::new(Code::NotFound, error.to_string()))
}

/// The page size of a list.
pub fn limit(query: &mut Query) -> Result<u32, Problem> {
    let limit: u32 = query.parsed("limit", "a number from 1 to 200")?.unwrap_or(50);
    if (1..=200).contains(&limit) {
        Ok(limit)
    } else {
        Err(Problem::malformed(
            "the query parameter 'limit' is a number from 1 to 200",
        ))
    }
}

/// A body of JSON.
///
/// # Errors
/// [`Code::Internal`] if the value is not like JSON.
pub fn json<T: Serialize>(body: &T) -> Result<Response, Problem> {
    json_with(StatusCode::OK, body)
}

/// A body of JSON with a status.
///
/// # Errors
/// [`Code::Internal`] if the value is not like JSON.
pub fn json_with<T: Serialize>(status: StatusCode, body: &T) -> Result<Response, Problem> {
    let mut text = Vec::with_capacity(USUAL_JSON);
    serde_json::to_writer(&mut text, body).map_err(|error| {
        Problem::new(
            Code::Internal,
            format!("the answer cannot be written down: {error}"),
        )
    })?;
    let head = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    Ok((status, head, text).into_response())
}
