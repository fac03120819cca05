//! `docmill plugin import`: what is in an OCI registry, uploaded as `push` uploads a file.

use std::io::Read as _;

use anyhow::{Context as _, Result, bail};
use docmill_model::digest::Digest;
use docmill_model::signature::Signature;
use reqwest::multipart::{Form, Part};
use serde_json::{Value as Json, json};

use super::export::counted;
use super::push::{found, upload_address};
use super::{check, print_lines};
use crate::cli::{Address, Arguments, RegistryAccess, Secret};
use crate::client::Client;
use crate::exit;
use crate::oci::{Credentials, Extra, ExtraKind, Target, pull};
use crate::show::{list, say, text};

/// Longest password.
const LONGEST: u64 = 64 * 1024;

/// Where an artifact is and who asks for it, as the command line says it.
pub(super) fn access_to(reference: &str, access: &RegistryAccess) -> Result<(Target, Credentials)> {
    let target = Target::parse(reference, access.plain_http)?;
    let given = match &access.username {
        Some(name) => Some((name.clone(), password()?)),
        None => None,
    };
    let credentials = Credentials::find(&target, given)?;
    Ok((target, credentials))
}

/// What standard input says, without the newline at its end.
fn password() -> Result<Secret> {
    let mut value = String::new();
    let read = std::io::stdin().take(LONGEST).read_to_string(&mut value);
    read.context("the password is read from standard input, and is text")?;
    let value = value.strip_suffix('\n').unwrap_or(&value);
    Ok(value.strip_suffix('\r').unwrap_or(value).to_owned().into())
}

pub(super) async fn import(
    arguments: &Arguments,
    from: &str,
    address: Option<&Address>,
    admit_only: bool,
    access: &RegistryAccess,
    as_json: bool,
) -> Result<u8> {
    let (target, credentials) = access_to(from, access)?;
    // No host takes a larger one.
    let most = docmill_api::Settings::default().component.0;
    let pulled = pull(&target, &credentials, most).await?;
    let report = check(arguments, pulled.component.to_vec(), address).await?;
    let Some((name, version)) = found(std::path::Path::new(from), &report, address) else {
        return Ok(exit::FAILED);
    };
    let path = upload_address(&name, &version, admit_only);
    let digest = Digest::of(&pulled.component);
    let client = Client::open(arguments).await?;
    let uploaded = async {
        let extras = for_this_tenant(&client, pulled.extras).await?;
        let kinds: Vec<&'static str> = extras.iter().map(|extra| extra.kind.as_str()).collect();
        let mut form = Form::new().part("component", part("plugin.wasm", pulled.component.to_vec()));
        for extra in extras {
            let name = match extra.kind {
                ExtraKind::Signature => "signature",
                ExtraKind::Sample => "sample",
                ExtraKind::Document => "file",
                ExtraKind::CycloneDx | ExtraKind::Spdx => "sbom",
                ExtraKind::Provenance => "provenance",
                ExtraKind::Bundle => "bundle",
            };
            form = form.part(name, part(&extra.name, extra.bytes.to_vec()));
        }
        anyhow::Ok((client.put_form(&path, form).await?, kinds))
    };
    let uploaded = uploaded.await;
    client.close().await;
    let (answer, kinds) = uploaded?;
    let created = answer.get("created").and_then(Json::as_bool).unwrap_or(true);
    let (plugin, state) = (format!("{name}@{version}"), text(&answer, "state"));
    if as_json {
        let out = json!({
            "plugin": plugin, "state": state, "created": created, "digest": digest, "pinned": target.pinned(pulled.digest),
            "extras": kinds, "report": answer.get("report"),
        });
        say!("{}", serde_json::to_string_pretty(&out)?);
        return Ok(exit::OK);
    }
    if created {
        if let Some(report) = answer.get("report") {
            print_lines(report);
        }
        let along = if kinds.is_empty() {
            String::new()
        } else {
            format!(", with {}", counted(&kinds))
        };
        say!("{plugin} {state}{along}\nfrom {}", target.pinned(pulled.digest));
    } else {
        say!("{plugin} was {state} already with the same bytes");
    }
    Ok(exit::OK)
}

fn part(name: &str, bytes: Vec<u8>) -> Part {
    Part::bytes(bytes).file_name(name.to_owned())
}

/// All but the signatures that were made for others. Of several for this organisation, that of a key which it trusts.
async fn for_this_tenant(client: &Client, extras: Vec<Extra>) -> Result<Vec<Extra>> {
    let (signatures, mut kept): (Vec<Extra>, Vec<Extra>) = extras
        .into_iter()
        .partition(|extra| extra.kind == ExtraKind::Signature);
    // Where nobody's bundles are trusted, one would be refused.
    if kept.iter().any(|extra| extra.kind == ExtraKind::Bundle) {
        let identities = client.get("/v1/signing-identities").await?;
        let mut trusted = list(&identities, "items").iter();
        if !trusted.any(|identity| identity.get("revoked_at").is_none_or(Json::is_null)) {
            eprintln!(
                "its Sigstore bundle is left out: nobody's is trusted here (docmill plugin trust-identity)"
            );
            kept.retain(|extra| extra.kind != ExtraKind::Bundle);
        }
    }
    if signatures.is_empty() {
        return Ok(kept);
    }
    let tenant = text(&client.get("/v1/tenant").await?, "id");
    let keys = client.get("/v1/signing-keys").await?;
    let trusted: Vec<String> = list(&keys, "items")
        .iter()
        .filter(|key| key.get("revoked_at").is_none_or(Json::is_null))
        .map(|key| text(key, "public_key"))
        .collect();
    let mut own = Vec::new();
    let mut others = 0;
    for extra in signatures {
        let read: Result<Signature, _> = serde_json::from_slice(&extra.bytes);
        let Ok(signature) = read else {
            bail!("a signature that came along is not what `docmill plugin sign` writes");
        };
        if signature.tenant.to_string() == tenant {
            own.push((trusted.contains(&signature.key.to_string()), extra));
        } else {
            others += 1;
        }
    }
    // Those of trusted keys first; the sort keeps the order otherwise.
    own.sort_by_key(|(trusted, _)| !trusted);
    match own.into_iter().next() {
        Some((_, extra)) => kept.push(extra),
        None if others > 0 => eprintln!(
            "its signatures are for other organisations ({others}), and are left out; its author can sign it for yours: docmill plugin \
             sign --tenant {tenant}"
        ),
        None => {}
    }
    Ok(kept)
}
