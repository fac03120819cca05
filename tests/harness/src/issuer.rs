//! An OpenID Connect issuer with real keys and signatures, which can be told to hang, to lie, and to change its keys.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value as Json, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// What the issuer answers now.
#[derive(Default)]
pub struct State {
    pub keys: Vec<Json>,
    pub hangs: bool,
    pub asked: usize,
    pub claims_to_be: Option<String>,
}

/// An issuer on this machine; it ends with the test's runtime.
#[derive(Clone)]
pub struct Issuer {
    /// What its tokens say in `iss`.
    pub name: String,
    pub state: Arc<Mutex<State>>,
}

/// A real key pair.
pub struct Key {
    pub id: &'static str,
    pub signs: EncodingKey,
    /// As a JWK.
    pub public: Json,
}

pub fn key(id: &'static str) -> Key {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let signs = EncodingKey::from_ec_der(pair.to_pkcs8v1().unwrap().as_ref());
    let mut public = serde_json::to_value(Jwk::from_encoding_key(&signs, Algorithm::ES256).unwrap()).unwrap();
    public["kid"] = id.into();
    Key { id, signs, public }
}

impl Issuer {
    pub async fn start(keys: &[&Key]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = Self {
            name: format!("http://{}", listener.local_addr().unwrap()),
            state: Arc::default(),
        };
        issuer.publish(keys);
        let (state, name) = (issuer.state.clone(), issuer.name.clone());
        tokio::spawn(async move {
            loop {
                let (mut socket, _) = listener.accept().await.unwrap();
                let (state, name) = (state.clone(), name.clone());
                tokio::spawn(async move {
                    let mut head = vec![0; 4096];
                    let read = socket.read(&mut head).await.unwrap_or(0);
                    let head = String::from_utf8_lossy(&head[..read]).into_owned();
                    let (hangs, body) = {
                        let mut state = state.lock().unwrap();
                        state.asked += 1;
                        let body = if head.contains("/.well-known/openid-configuration") {
                            let said = state.claims_to_be.clone().unwrap_or_else(|| name.clone());
                            json!({ "issuer": said, "jwks_uri": format!("{name}/keys") })
                        } else {
                            json!({ "keys": state.keys })
                        };
                        (state.hangs, body.to_string())
                    };
                    if hangs {
                        tokio::time::sleep(Duration::from_secs(60)).await;
                    }
                    let answer = format!(
                        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                        body.len()
                    );
                    socket.write_all(answer.as_bytes()).await.ok();
                });
            }
        });
        issuer
    }

    pub fn publish(&self, keys: &[&Key]) {
        self.state.lock().unwrap().keys = keys.iter().map(|key| key.public.clone()).collect();
    }

    pub fn claims(&self) -> Json {
        json!({
            "iss": self.name, "aud": ["other", "docmill"], "sub": "u-1", "exp": now() + 600, "nbf": now(),
            "email": "Anna@Example.org", "email_verified": true,
        })
    }

    pub fn asked(&self) -> usize {
        self.state.lock().unwrap().asked
    }
}

pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

pub fn token(key: &Key, claims: &Json) -> String {
    let header = Header {
        kid: Some(key.id.into()),
        ..Header::new(Algorithm::ES256)
    };
    encode(&header, claims, &key.signs).unwrap()
}
