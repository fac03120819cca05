//! The registry: uploading versions, what admission says, promises, samples, signatures, states and channels.

mod attachments;
mod bundles;
mod lifecycle;
mod samples;
mod signatures;
mod uploads;

use docmill_model::digest::Digest;
use serde_json::Value as Json;

use crate::support::client::{Call, Reply};
use crate::support::{Host, component};

/// What `docmill/text` is called here: as long as before, so that it can be written into the component.
pub const NAME: &str = "acmeinc/text";

/// `docmill/text` under another name and version, with a few words of its configuration schema changed.
pub fn text_plugin(version: &str, changes: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = component("text").to_vec();
    patch(&mut bytes, "docmill/text0.1.0", &format!("{NAME}{version}"));
    for (before, after) in changes {
        patch(&mut bytes, before, after);
    }
    bytes
}

/// Writes other words of the same length over the only place where these stand.
fn patch(bytes: &mut [u8], before: &str, after: &str) {
    assert_eq!(before.len(), after.len(), "{before} → {after}");
    let places: Vec<usize> = bytes
        .windows(before.len())
        .enumerate()
        .filter(|(_, window)| *window == before.as_bytes())
        .map(|(place, _)| place)
        .collect();
    let [place] = places.as_slice() else {
        panic!("'{before}' stands at {places:?}")
    };
    bytes[*place..place + after.len()].copy_from_slice(after.as_bytes());
}

/// An upload of a version of [`NAME`], without its body.
pub fn put(host: &Host, version: &str) -> Call {
    host.call("PUT", &format!("/v1/plugins/{NAME}/versions/{version}"))
}

/// Uploads one as it is.
pub async fn upload(host: &Host, version: &str, changes: &[(&str, &str)]) -> Reply {
    let bytes = text_plugin(version, changes);
    put(host, version).body("application/wasm", &bytes).send().await
}

/// Changes where a version stands.
pub async fn set(host: &Host, version: &str, body: Json) -> Reply {
    let call = host.call("PATCH", &format!("/v1/plugins/{NAME}/versions/{version}"));
    call.body("application/merge-patch+json", body.to_string())
        .send()
        .await
}

/// Lets a channel stand for a version.
pub async fn channel(host: &Host, channel: &str, version: &str) -> Reply {
    let call = host.call("PUT", &format!("/v1/plugins/{NAME}/channels/{channel}"));
    let body = serde_json::json!({ "version": version });
    call.body("application/json", body.to_string()).send().await
}

/// The lines of a report that say so much about a rule.
pub fn lines(report: &Json, check: &str) -> Vec<(bool, String)> {
    let lines = report["lines"].as_array().unwrap().iter();
    lines
        .filter(|line| line["check"] == check)
        .map(|line| {
            (
                line["pass"].as_bool().unwrap(),
                line["detail"].as_str().unwrap().to_owned(),
            )
        })
        .collect()
}

pub fn sha256(bytes: &[u8]) -> String {
    use base64::Engine as _;
    let digest = base64::engine::general_purpose::STANDARD.encode(Digest::of(bytes).as_bytes());
    format!("sha-256=:{digest}:")
}
