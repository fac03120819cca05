//! Compiled code is made once, when a version is published, and pulled by every other host.

use std::path::Path;
use std::time::Duration;

use docmill_blob::Blobs;
use docmill_engine::{Engine, Stats};
use docmill_model::digest::Digest;
use sqlx::{Connection as _, PgConnection};

use crate::support::client::Call;
use crate::support::host::{Host, Setup, component, engine_settings};

const PIPELINE: &str = "name: compiled\nsteps:\n  - { id: parse, use: docmill/text@* }\n";

/// What a run costs a host that has never run anything.
async fn cold(host: &Host, key: [u8; 32]) -> Stats {
    let code = tempfile::tempdir().unwrap();
    let mut settings = engine_settings(code.path().to_owned());
    settings.platform_key = key;
    let engine = Engine::new(settings).unwrap();
    let (address, _state) = host.another_with(engine.clone(), None).await;
    let reply = Call::new(address, "POST", "/v1/pipelines/compiled/runs")
        .key(&host.key)
        .body("text/plain", "Kept for others.")
        .send()
        .await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    engine.stats()
}

/// Compiled, pulled, refused.
fn figures(stats: &Stats) -> (u64, u64, u64) {
    (stats.compiled, stats.pulled, stats.refused)
}

/// Which blob has the code.
async fn kept(host: &Host) -> Option<Digest> {
    let mut owner = PgConnection::connect(&host.database.url).await.unwrap();
    let found: Option<Vec<u8>> =
        sqlx::query_scalar("select code from docmill.plugin_code where tenant_id = $1 and component = $2")
            .bind(host.database.tenant.uuid())
            .bind(Digest::of(&component("text")).as_bytes().as_slice())
            .fetch_optional(&mut owner)
            .await
            .unwrap();
    found.map(|code| Digest::try_from(code.as_slice()).unwrap())
}

async fn point_to(host: &Host, code: Digest) {
    let mut owner = PgConnection::connect(&host.database.url).await.unwrap();
    let done =
        sqlx::query("update docmill.plugin_code set code = $1 where tenant_id = $2 and component = $3")
            .bind(code.as_bytes().as_slice())
            .bind(host.database.tenant.uuid())
            .bind(Digest::of(&component("text")).as_bytes().as_slice())
            .execute(&mut owner)
            .await
            .unwrap();
    assert_eq!(done.rows_affected(), 1);
}

/// Code is kept beside the run that needed it, and not before its answer.
async fn until_there(host: &Host, code: Digest) {
    for _ in 0..200 {
        if host.state.blobs().get(host.database.tenant, code).await.is_ok() && kept(host).await == Some(code)
        {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the code is not kept again");
}

async fn host(blobs: &Path, code: &Path) -> Host {
    let mut setup = Setup::new().await;
    setup.blobs = Blobs::directory(blobs).unwrap();
    setup.engine = engine_settings(code.to_owned());
    let host = setup.start().await;
    host.install(&["text"]).await;
    host.save(PIPELINE).await;
    host
}

#[tokio::test(flavor = "multi_thread")]
async fn a_published_version_is_compiled_once_for_all_hosts() {
    let (blobs, code) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let host = host(blobs.path(), code.path()).await;
    assert_eq!(host.engine.stats().compiled, 1);
    let first = kept(&host).await.expect("kept at publication");

    assert_eq!(figures(&cold(&host, [7; 32]).await), (0, 1, 0));

    // Nobody has to have it: without the blob it is compiled, and kept again.
    let tenant = host.database.tenant;
    host.state.blobs().delete(tenant, first).await.unwrap();
    assert_eq!(figures(&cold(&host, [7; 32]).await), (1, 0, 0));
    until_there(&host, first).await;
    assert_eq!(figures(&cold(&host, [7; 32]).await), (0, 1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn code_that_is_not_genuine_is_compiled_anew() {
    let (blobs, code) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let host = host(blobs.path(), code.path()).await;
    let tenant = host.database.tenant;
    let first = kept(&host).await.unwrap();
    let genuine = host.state.blobs().get(tenant, first).await.unwrap();

    // A disk that forgets: the blob is no longer what its name says.
    let name = first.to_string();
    let place = blobs.path().join(tenant.to_string()).join(&name[..2]).join(&name);
    std::fs::write(&place, &genuine[1..]).unwrap();
    assert_eq!(figures(&cold(&host, [7; 32]).await), (1, 0, 0));
    until_there(&host, first).await;

    // Somebody who can write blobs and rows, and has no key: changed code under its own right digest.
    let mut forged = genuine.to_vec();
    let middle = forged.len() / 2;
    forged[middle] ^= 1;
    let other = Digest::of(&forged);
    host.state
        .blobs()
        .put(tenant, other, forged.into())
        .await
        .unwrap();
    point_to(&host, other).await;
    assert_eq!(figures(&cold(&host, [7; 32]).await), (1, 0, 1));
    until_there(&host, first).await;

    // Under another platform key nothing of it counts.
    assert_eq!(figures(&cold(&host, [8; 32]).await), (1, 0, 1));
}

/// Whose code it is makes no difference to what it does, but blobs and rows are the tenant's.
#[tokio::test(flavor = "multi_thread")]
async fn code_is_kept_under_its_tenant() {
    let (blobs, code) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let host = host(blobs.path(), code.path()).await;
    let (other, _) = host.database.another_tenant("elsewhere").await.unwrap();
    let first = kept(&host).await.unwrap();
    assert!(host.state.blobs().get(other, first).await.is_err());
    let (component, engine) = (Digest::of(&component("text")), host.engine.fingerprint());
    let store = &host.database.store;
    assert_eq!(store.code_of(other, component, &engine).await.unwrap(), None);
    assert_eq!(
        store
            .code_of(host.database.tenant, component, &engine)
            .await
            .unwrap(),
        Some(first)
    );
}
