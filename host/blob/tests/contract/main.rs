//! One contract, both stores: a directory and a bucket of an S3 server in this process.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod s3_server;

use bytes::Bytes;
use docmill_blob::{BlobError, Blobs, S3Settings};
use docmill_model::digest::Digest;
use docmill_model::id::TenantId;

async fn contract(blobs: Blobs) {
    let (ours, theirs) = (TenantId::new(), TenantId::new());
    let small = Bytes::from_static("Счёт № 5".as_bytes());
    let large = Bytes::from((0..3_000_000_u32).map(|n| (n % 251) as u8).collect::<Vec<u8>>());
    let empty = Bytes::new();
    blobs.ping().await.unwrap();

    for bytes in [&small, &large, &empty] {
        let digest = Digest::of(bytes);
        assert!(!blobs.exists(ours, digest).await.unwrap());
        assert!(matches!(
            blobs.get(ours, digest).await,
            Err(BlobError::NotFound { .. })
        ));
        blobs.put(ours, digest, bytes.clone()).await.unwrap();
        blobs.put(ours, digest, bytes.clone()).await.unwrap();
        assert_eq!(&blobs.get(ours, digest).await.unwrap(), bytes);
        assert!(blobs.exists(ours, digest).await.unwrap());
        assert!(
            !blobs.exists(theirs, digest).await.unwrap(),
            "another tenant's blob is not there"
        );
    }

    let wrong = blobs.put(ours, Digest::of(b"other"), small.clone()).await;
    assert!(
        matches!(wrong, Err(BlobError::Corrupt { .. })),
        "a wrong digest is refused before anything is kept"
    );
    assert!(!blobs.exists(ours, Digest::of(b"other")).await.unwrap());

    let mut all = vec![Digest::of(&small), Digest::of(&large), Digest::of(&empty)];
    all.sort_unstable();
    assert_eq!(blobs.list(ours).await.unwrap(), all);
    assert!(blobs.list(theirs).await.unwrap().is_empty());

    let racers = (0..16).map(|_| {
        let (blobs, bytes) = (blobs.clone(), Bytes::from(vec![7; 200_000]));
        tokio::spawn(async move { blobs.put(theirs, Digest::of(&bytes), bytes).await })
    });
    for racer in racers.collect::<Vec<_>>() {
        racer.await.unwrap().unwrap();
    }
    assert_eq!(blobs.list(theirs).await.unwrap().len(), 1);

    blobs.delete(ours, Digest::of(&small)).await.unwrap();
    blobs.delete(ours, Digest::of(&small)).await.unwrap();
    assert!(matches!(
        blobs.get(ours, Digest::of(&small)).await,
        Err(BlobError::NotFound { .. })
    ));
}

fn find(dir: &std::path::Path, name: &str) -> std::path::PathBuf {
    for entry in std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()) {
        if entry.is_dir() {
            let found = find(&entry, name);
            if !found.as_os_str().is_empty() {
                return found;
            }
        } else if entry.file_name().is_some_and(|n| n == name) {
            return entry;
        }
    }
    std::path::PathBuf::new()
}

#[tokio::test(flavor = "multi_thread")]
async fn directory_keeps_the_contract() {
    let dir = tempfile::tempdir().unwrap();
    contract(Blobs::directory(dir.path()).unwrap()).await;
    assert_eq!(
        std::fs::read_dir(dir.path().join("incoming")).unwrap().count(),
        0,
        "nothing half-written stays"
    );
}

#[tokio::test]
async fn what_a_host_left_half_written_is_swept_and_stands_in_nobodys_way() {
    let dir = tempfile::tempdir().unwrap();
    let incoming = dir.path().join("incoming");
    std::fs::create_dir_all(&incoming).unwrap();
    let bytes = Bytes::from_static(b"a");
    let digest = Digest::of(&bytes);
    // In a container every process has the same number.
    let left = incoming.join(format!("{digest}.{}.0", std::process::id()));
    let old = incoming.join("old");
    for path in [&left, &old] {
        std::fs::write(path, b"half").unwrap();
    }
    let yesterday = std::time::SystemTime::now() - std::time::Duration::from_secs(86_400);
    std::fs::File::options()
        .write(true)
        .open(&old)
        .unwrap()
        .set_modified(yesterday)
        .unwrap();
    let blobs = Blobs::directory(dir.path()).unwrap();
    assert!(!old.exists(), "it is nobody's any more");
    assert!(left.exists(), "somebody may still be writing it");
    blobs.put(TenantId::new(), digest, bytes).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn s3_keeps_the_contract() {
    let dir = tempfile::tempdir().unwrap();
    let server = s3_server::start(dir.path()).await;
    contract(Blobs::s3(server.settings()).unwrap()).await;
}

/// A server that has the bytes may refuse them by their head alone, and close the connection while they are being sent.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_there_already_need_not_be_read_to_its_end() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut head = vec![0; 2_000];
            let read = socket.read(&mut head).await.unwrap_or(0);
            let has = if head[..read].starts_with(b"HEAD /here/") {
                "200 OK"
            } else if head[..read].starts_with(b"HEAD") {
                "404 Not Found"
            } else {
                // Bytes that were not read: the client's side is reset.
                continue;
            };
            let answer = format!("HTTP/1.1 {has}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            socket.write_all(answer.as_bytes()).await.ok();
        }
    });
    let blobs = |bucket: &str| {
        Blobs::s3(S3Settings {
            bucket: bucket.into(),
            prefix: String::new(),
            endpoint: Some(format!("http://{address}")),
            region: "us-east-1".into(),
            access_key_id: "somebody".into(),
            secret_access_key: "secret".into(),
            timeout: std::time::Duration::from_secs(5),
        })
        .unwrap()
    };
    let bytes = Bytes::from(vec![7; 3_000_000]);
    let digest = Digest::of(&bytes);
    blobs("here")
        .put(TenantId::new(), digest, bytes.clone())
        .await
        .unwrap();
    let lost = blobs("gone").put(TenantId::new(), digest, bytes).await;
    assert!(matches!(lost, Err(BlobError::Unavailable(_))), "{lost:?}");
}

#[tokio::test]
async fn a_changed_byte_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let blobs = Blobs::directory(dir.path()).unwrap();
    let tenant = TenantId::new();
    let digest = Digest::of(b"true");
    blobs
        .put(tenant, digest, Bytes::from_static(b"true"))
        .await
        .unwrap();
    std::fs::write(find(dir.path(), &digest.to_string()), b"fals").unwrap();
    assert!(matches!(
        blobs.get(tenant, digest).await,
        Err(BlobError::Corrupt { .. })
    ));
}

#[tokio::test]
async fn a_store_that_is_away_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let mut settings = s3_server::start(dir.path()).await.settings();
    settings.secret_access_key = "wrong".to_owned();
    let refused = Blobs::s3(settings.clone()).unwrap().ping().await;
    assert!(matches!(refused, Err(BlobError::Unavailable(_))), "{refused:?}");
    settings.endpoint = Some("http://127.0.0.1:1".to_owned());
    let away = Blobs::s3(settings)
        .unwrap()
        .get(TenantId::new(), Digest::of(b""))
        .await;
    assert!(matches!(away, Err(BlobError::Unavailable(_))), "{away:?}");
}

#[tokio::test]
async fn a_full_disk_is_named_and_leaves_nothing() {
    // A limit on the size of files this process writes would also hit other tests, so the disk is a tiny one of its own.
    let dir = tempfile::tempdir().unwrap();
    let mounted = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=256k", "tmpfs"])
        .arg(dir.path())
        .status()
        .is_ok_and(|s| s.success());
    if !mounted {
        eprintln!("skipped: mounting a small tmpfs needs root");
        return;
    }
    let blobs = Blobs::directory(dir.path()).unwrap();
    let bytes = Bytes::from(vec![1; 1 << 20]);
    let full = blobs.put(TenantId::new(), Digest::of(&bytes), bytes).await;
    let left = std::fs::read_dir(dir.path().join("incoming")).unwrap().count();
    let unmounted = std::process::Command::new("umount").arg(dir.path()).status();
    assert!(matches!(full, Err(BlobError::Full)), "{full:?}");
    assert_eq!(left, 0);
    assert!(unmounted.is_ok_and(|s| s.success()));
}
