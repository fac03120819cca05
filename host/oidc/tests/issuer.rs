//! Against an issuer on this machine, with real keys and signatures.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on panics"
)]

use std::time::Duration;

use docmill_harness::issuer::{Issuer, key, now, token};
use docmill_oidc::{Refused, Settings, Times, Verifier};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value as Json, json};

fn of(issuer: &Issuer, times: Times) -> Verifier {
    Verifier::new(Settings {
        issuer: issuer.name.clone(),
        audience: "docmill".into(),
        times,
    })
    .unwrap()
}

fn quick() -> Times {
    Times {
        fresh: Duration::from_secs(60),
        grace: Duration::from_secs(600),
        between: Duration::ZERO,
        patience: Duration::from_millis(300),
    }
}

async fn refused(verifier: &Verifier, token: &str) -> String {
    match verifier.verify(token).await {
        Err(Refused::Invalid(said)) => said,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_good_token_names_a_person_and_keys_are_asked_for_once() {
    let key = key("a");
    let issuer = Issuer::start(&[&key]).await;
    let verifier = of(&issuer, quick());
    let person = verifier.verify(&token(&key, &issuer.claims())).await.unwrap();
    assert_eq!(
        (person.email.as_str(), person.subject.as_str()),
        ("anna@example.org", "u-1")
    );
    assert!(person.expires_at > (now() as i64 + 500) * 1_000);
    for _ in 0..5 {
        verifier.verify(&token(&key, &issuer.claims())).await.unwrap();
    }
    assert_eq!(issuer.asked(), 2, "where the keys are, and the keys");
}

#[tokio::test]
async fn what_is_wrong_with_a_token_is_said() {
    let (mine, foreign) = (key("a"), key("a"));
    let issuer = Issuer::start(&[&mine]).await;
    let verifier = of(&issuer, quick());
    let with = |name: &str, value: Json| {
        let mut claims = issuer.claims();
        claims[name] = value;
        token(&mine, &claims)
    };
    let without = |name: &str| {
        let mut claims = issuer.claims();
        claims.as_object_mut().unwrap().remove(name);
        token(&mine, &claims)
    };
    for (bad, said) in [
        (with("exp", json!(now() - 120)), "Expired"),
        (with("nbf", json!(now() + 120)), "Immature"),
        (with("aud", json!("other")), "Audience"),
        (with("iss", json!("https://evil.example")), "Issuer"),
        (with("email_verified", json!(false)), "verified"),
        (with("email", json!("")), "e-mail"),
        (without("email_verified"), "verified"),
        (without("email"), "e-mail"),
        (without("aud"), "aud"),
        (without("iss"), "iss"),
        (without("exp"), "exp"),
        (without("sub"), "sub"),
        (token(&foreign, &issuer.claims()), "Signature"),
        ("a.b.c".into(), "cannot be read"),
        ("x".repeat(9_000), "longer than"),
    ] {
        let found = refused(&verifier, &bad).await;
        assert!(found.contains(said), "{said}: {found}");
    }
    // Within the skew of clocks.
    for fine in [with("exp", json!(now() - 30)), with("nbf", json!(now() + 30))] {
        verifier.verify(&fine).await.unwrap();
    }

    // No signature at all; and one made with what everybody knows.
    let good = token(&mine, &issuer.claims());
    let claims = good.split('.').nth(1).unwrap();
    // {"alg":"none"}, {"alg":"HS256","kid":"a"}
    for head in ["eyJhbGciOiJub25lIn0", "eyJhbGciOiJIUzI1NiIsImtpZCI6ImEifQ"] {
        refused(&verifier, &format!("{head}.{claims}.")).await;
    }
    let secret = EncodingKey::from_secret(mine.public.to_string().as_bytes());
    let header = Header {
        kid: Some("a".into()),
        ..Header::new(Algorithm::HS256)
    };
    let forged = encode(&header, &issuer.claims(), &secret).unwrap();
    assert!(refused(&verifier, &forged).await.contains("asymmetric"));

    // A symmetric key in the set, or one for encryption, is none to sign with.
    let symmetric = json!({ "kty": "oct", "k": "c2VjcmV0", "kid": "a" });
    issuer.state.lock().unwrap().keys = vec![symmetric];
    assert!(
        refused(&of(&issuer, quick()), &good)
            .await
            .contains("does not publish")
    );
    let mut encrypts = mine.public.clone();
    encrypts["use"] = "enc".into();
    issuer.state.lock().unwrap().keys = vec![encrypts];
    assert!(
        refused(&of(&issuer, quick()), &good)
            .await
            .contains("does not publish")
    );
}

#[tokio::test]
async fn keys_are_changed_and_an_unknown_one_makes_no_flood() {
    let (old, new, foreign) = (key("old"), key("new"), key("foreign"));
    let issuer = Issuer::start(&[&old]).await;
    let verifier = of(&issuer, quick());
    verifier.verify(&token(&old, &issuer.claims())).await.unwrap();
    issuer.publish(&[&old, &new]);
    verifier.verify(&token(&new, &issuer.claims())).await.unwrap();

    let polite = of(
        &issuer,
        Times {
            between: Duration::from_secs(60),
            ..quick()
        },
    );
    polite.verify(&token(&new, &issuer.claims())).await.unwrap();
    let before = issuer.asked();
    for _ in 0..20 {
        refused(&polite, &token(&foreign, &issuer.claims())).await;
    }
    assert_eq!(issuer.asked(), before, "it was asked just now");
}

#[tokio::test]
async fn an_issuer_that_hangs_holds_up_nobody_for_long() {
    let (known, unknown) = (key("a"), key("b"));
    let issuer = Issuer::start(&[&known]).await;
    let times = Times {
        fresh: Duration::ZERO,
        between: Duration::from_secs(60),
        ..quick()
    };
    let warm = of(&issuer, times);
    warm.verify(&token(&known, &issuer.claims())).await.unwrap();
    issuer.state.lock().unwrap().hangs = true;
    let cold = of(&issuer, times);
    let begun = std::time::Instant::now();
    let asked = (0..20).map(|_| {
        let (cold, token) = (cold.clone(), token(&known, &issuer.claims()));
        tokio::spawn(async move { cold.verify(&token).await })
    });
    for answer in asked.collect::<Vec<_>>() {
        assert!(matches!(answer.await.unwrap(), Err(Refused::Away(_))));
    }
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}: one after the other",
        begun.elapsed()
    );
    // Keys that are known go on to serve, old as they are.
    warm.verify(&token(&known, &issuer.claims())).await.unwrap();
    refused(&warm, &token(&unknown, &issuer.claims())).await;
}

#[tokio::test]
async fn an_issuer_that_says_it_is_another_is_not_believed() {
    let key = key("a");
    let issuer = Issuer::start(&[&key]).await;
    issuer.state.lock().unwrap().claims_to_be = Some("https://evil.example".into());
    let found = of(&issuer, quick()).verify(&token(&key, &issuer.claims())).await;
    assert!(matches!(found, Err(Refused::Away(_))), "{found:?}");
}
