//! TLS: the name is the URL's, whoever is dialled; and who is trusted.

use std::sync::Arc;

use docmill_egress::{Egress, EgressError, Settings};
use rcgen::{CertificateParams, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::support::{OK, get, grant, head, names, send};

/// A server for `fine.example`, and the authority that says so.
async fn server() -> (
    u16,
    CertificateDer<'static>,
    Arc<std::sync::Mutex<Option<String>>>,
) {
    let authority_key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let root = authority.self_signed(&authority_key).unwrap();
    let issuer = Issuer::new(authority, authority_key);
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["fine.example".to_owned()])
        .unwrap()
        .signed_by(&key, &issuer)
        .unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked = Arc::new(std::sync::Mutex::new(None));
    let names = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(tcp).await else {
                continue;
            };
            *names.lock().unwrap() = stream.get_ref().1.server_name().map(str::to_owned);
            head(&mut stream).await;
            let _ = stream.write_all(OK.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
    });
    (port, root.der().clone(), asked)
}

fn trusting(roots: Vec<CertificateDer<'static>>) -> Egress {
    let settings = Settings {
        networks: vec!["127.0.0.0/8".parse().unwrap()],
        roots,
        ..Settings::default()
    };
    let loopback: &[&[&str]] = &[&["127.0.0.1"]];
    Egress::with_resolver(
        settings,
        names(&[("fine.example", loopback), ("other.example", loopback)]),
    )
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_who_the_url_names_and_somebody_trusted_says_so() {
    let (port, root, asked) = server().await;
    let granted = grant(&["fine.example", "other.example", "127.0.0.1"]);
    let answer = send(
        &trusting(vec![root.clone()]),
        &granted,
        get(&format!("https://fine.example.:{port}/")),
    )
    .await;
    assert_eq!(answer.map(|answer| answer.text), Ok("ok".to_owned()));
    assert_eq!(asked.lock().unwrap().as_deref(), Some("fine.example"));
    for (out, url) in [
        (
            trusting(vec![root.clone()]),
            format!("https://other.example:{port}/"),
        ),
        (trusting(vec![root.clone()]), format!("https://127.0.0.1:{port}/")),
        (trusting(Vec::new()), format!("https://fine.example:{port}/")),
    ] {
        let refused = send(&out, &granted, get(&url)).await.err();
        assert!(matches!(refused, Some(EgressError::Tls(_))), "{url}: {refused:?}");
    }
    // In plain text it is not spoken to; and a grant without `plaintext` does not even try.
    let refused = send(
        &trusting(vec![root]),
        &granted,
        get(&format!("http://fine.example:{port}/")),
    )
    .await
    .err();
    assert!(matches!(refused, Some(EgressError::Protocol(_))), "{refused:?}");
}

#[test]
fn what_is_no_certificate_is_no_root() {
    let settings = Settings {
        roots: vec![CertificateDer::from(vec![1, 2, 3])],
        ..Settings::default()
    };
    assert!(Egress::new(settings).is_err());
}
