//! `docmill plugin keygen | sign | trust | distrust | keys`: Ed25519 signatures over what a component is, for whom.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::{Context as _, Result, anyhow, bail};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use docmill_model::digest::Digest;
use docmill_model::id::TenantId;
use docmill_model::signature::{PublicKey, Signature, SignatureBytes, Statement};
use reqwest::Method;
use serde_json::{Value as Json, json};

use super::push::{found, signature_beside};
use super::{check, read};
use crate::cli::{Address, Arguments};
use crate::client::{Client, segment};
use crate::exit;
use crate::show::{Style, list, say, table, text};

/// What stands before the seed in a file of a private key.
const PREFIX: &str = "docmill-signing-key-1:";
const KEYS: &str = "/v1/signing-keys";

pub(super) fn keygen(file: &Path) -> Result<u8> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| anyhow!("no random bytes can be had: {error}"))?;
    let pair = pair_of(&seed)?;
    let mut options = OpenOptions::new();
    // An older key under this name is not lost.
    let mut written = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)
        .with_context(|| format!("cannot write {}", file.display()))?;
    writeln!(written, "{PREFIX}{}", hex::encode(seed))?;
    say!("{}", public(&pair)?);
    eprintln!(
        "the private half is in {}; trust the public one with `docmill plugin trust NAME KEY`",
        file.display()
    );
    Ok(exit::OK)
}

pub(super) async fn sign(
    arguments: &Arguments,
    file: &Path,
    address: Option<&Address>,
    private_key: &Path,
    tenant: Option<TenantId>,
) -> Result<u8> {
    let pair = read_pair(private_key)?;
    let component = read(file)?;
    let digest = Digest::of(&component);
    let report = check(arguments, component, address).await?;
    let Some((plugin, version)) = found(file, &report, address) else {
        return Ok(exit::FAILED);
    };
    let tenant = match tenant {
        Some(tenant) => tenant,
        None => own_tenant(arguments).await?,
    };
    let statement = Statement {
        tenant,
        plugin,
        version,
        digest,
    };
    let signature = signed(&pair, statement)?;
    let to = signature_beside(file);
    let mut text = serde_json::to_string_pretty(&signature)?;
    text.push('\n');
    std::fs::write(&to, text).with_context(|| format!("cannot write {}", to.display()))?;
    say!(
        "{}@{} is signed for {tenant}: {}",
        signature.plugin,
        signature.version,
        to.display()
    );
    Ok(exit::OK)
}

async fn own_tenant(arguments: &Arguments) -> Result<TenantId> {
    let client = Client::open(arguments).await?;
    let tenant = client.get("/v1/tenant").await;
    client.close().await;
    text(&tenant?, "id").parse().map_err(|_| {
        anyhow!("the server does not say which organisation the key is of; name it with --tenant")
    })
}

fn signed(pair: &Ed25519KeyPair, statement: Statement) -> Result<Signature> {
    let bytes = pair.sign(&statement.bytes());
    let bytes: [u8; 64] = bytes.as_ref().try_into().context("a signature has 64 bytes")?;
    Ok(Signature {
        key: public(pair)?,
        tenant: statement.tenant,
        plugin: statement.plugin,
        version: statement.version,
        digest: statement.digest,
        signature: SignatureBytes::from_bytes(bytes),
    })
}

fn pair_of(seed: &[u8; 32]) -> Result<Ed25519KeyPair> {
    Ed25519KeyPair::from_seed_unchecked(seed).map_err(|error| anyhow!("the key cannot be used: {error}"))
}

fn public(pair: &Ed25519KeyPair) -> Result<PublicKey> {
    let bytes: [u8; 32] = pair
        .public_key()
        .as_ref()
        .try_into()
        .context("a public key has 32 bytes")?;
    Ok(PublicKey::from_bytes(bytes))
}

/// What stands in the file is in no message.
fn read_pair(file: &Path) -> Result<Ed25519KeyPair> {
    let bytes = read(file)?;
    let seed = std::str::from_utf8(&bytes).ok().and_then(|text| {
        let mut seed = [0; 32];
        hex::decode_to_slice(text.trim().strip_prefix(PREFIX)?, &mut seed).ok()?;
        Some(seed)
    });
    match seed {
        Some(seed) => pair_of(&seed),
        None => bail!("{} is not what `docmill plugin keygen` writes", file.display()),
    }
}

pub(super) async fn trust(
    arguments: &Arguments,
    name: &str,
    public_key: PublicKey,
    expires: Option<&str>,
) -> Result<u8> {
    let body = json!({ "name": name, "public_key": public_key, "expires_at": expires });
    let body = serde_json::to_vec(&body)?;
    let client = Client::open(arguments).await?;
    let made = client.bytes(Method::POST, KEYS, "application/json", body).await;
    client.close().await;
    say!("'{}' is trusted", text(&made?, "name"));
    Ok(exit::OK)
}

pub(super) async fn distrust(arguments: &Arguments, name: &str) -> Result<u8> {
    let client = Client::open(arguments).await?;
    let done = client.delete(&format!("{KEYS}/{}", segment(name))).await;
    client.close().await;
    done?;
    say!("'{name}' is trusted no more");
    Ok(exit::OK)
}

pub(super) async fn keys(arguments: &Arguments, as_json: bool) -> Result<u8> {
    let client = Client::open(arguments).await?;
    let keys = client.get(KEYS).await;
    client.close().await;
    let keys = keys?;
    if as_json {
        say!("{}", serde_json::to_string_pretty(&keys)?);
        return Ok(exit::OK);
    }
    let rows: Vec<[String; 4]> = list(&keys, "items")
        .iter()
        .map(|key| {
            let told = |name: &str| key.get(name).and_then(Json::as_str);
            let state = match (told("revoked_at"), told("expires_at")) {
                (Some(at), _) => format!("revoked {at}"),
                (None, Some(at)) => format!("until {at}"),
                (None, None) => "trusted".to_owned(),
            };
            [
                text(key, "name"),
                state,
                text(key, "public_key"),
                text(key, "created_at"),
            ]
        })
        .collect();
    let mut out = String::new();
    table(
        &mut out,
        ["name", "state", "key", "since"],
        &rows,
        Style::stdout(),
    );
    say!("{}", out.trim_end());
    Ok(exit::OK)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_private_key_is_its_owners_alone_and_is_never_written_over() -> Result<()> {
        let directory = tempfile::tempdir()?;
        let file = directory.path().join("key");
        keygen(&file)?;
        assert_eq!(file.metadata()?.permissions().mode() & 0o777, 0o600);
        let before = std::fs::read(&file)?;
        assert!(keygen(&file).is_err());
        assert_eq!(std::fs::read(&file)?, before);
        let pair = read_pair(&file)?;
        let statement = Statement {
            tenant: TenantId::new(),
            plugin: "acme/x".parse().map_err(|e: String| anyhow!(e))?,
            version: "1.0.0".parse()?,
            digest: Digest::of(b"x"),
        };
        let signature = signed(&pair, statement.clone())?;
        let key = aws_lc_rs::signature::UnparsedPublicKey::new(
            &aws_lc_rs::signature::ED25519,
            signature.key.as_bytes(),
        );
        assert!(
            key.verify(&statement.bytes(), signature.signature.as_bytes())
                .is_ok()
        );
        std::fs::write(&file, "docmill-signing-key-1:beef\n")?;
        let said = format!("{:#}", read_pair(&file).err().context("a short key is no key")?);
        assert!(!said.contains("beef"), "{said}");
        Ok(())
    }
}
