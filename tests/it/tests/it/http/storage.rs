//! No space is left for blobs.

use std::process::Command;

use docmill_blob::Blobs;
use serde_json::json;

use super::{NOTE, TEXT};
use crate::support::Setup;

/// A file system of 256 KiB, where the system lets us have one.
struct Small(tempfile::TempDir);

impl Small {
    fn mount() -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=256k", "tmpfs"])
            .arg(directory.path())
            .output();
        mounted
            .is_ok_and(|output| output.status.success())
            .then_some(Self(directory))
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        Command::new("umount").arg(self.0.path()).output().ok();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_the_run_and_keeps_nothing_of_it() {
    let Some(small) = Small::mount() else {
        println!("skipped: a small file system cannot be mounted here (needs root on Linux)");
        return;
    };
    let mut setup = Setup::new().await;
    let normal = setup.blobs.clone();
    setup.blobs = Blobs::directory(small.0.path().join("blobs")).unwrap();
    let tenant = setup.database.tenant;
    let host = setup.start().await;
    // The components would not fit either: they are put where there is space, and their compiled code is enough to run.
    let registry = docmill_registry::Registry::new(
        host.state.runs().executor().clone(),
        host.database.store.clone(),
        normal,
    );
    let components = [
        crate::support::component("text"),
        crate::support::component("patterns"),
    ];
    registry.install_first_party(tenant, &components).await.unwrap();
    host.save(NOTE).await;
    let large = format!("{TEXT}{}", "Nothing of interest stands here.\n".repeat(20_000));
    host.run("note")
        .body("text/plain", &large)
        .send()
        .await
        .problem(507, "storage-full");
    assert_eq!(host.get("/v1/runs").send().await.ok(200)["items"], json!([]));
    assert_eq!(host.get("/v1/documents").send().await.ok(200)["items"], json!([]));
    // What fits goes on.
    host.run("note").body("text/plain", TEXT).send().await.ok(200);
}
