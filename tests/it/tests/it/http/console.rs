//! The console over HTTP: who gets in, what each page asks for, and what of hostile documents arrives in a page.

mod browser;
mod plugins;
mod session;
mod shown;

use docmill_model::access::{Role, Scopes};
use docmill_store::who::NewKey;

use crate::support::Host;
use crate::support::client::{Call, Reply};

/// Somebody's browser, as far as these tests need one.
pub struct Browser<'a> {
    host: &'a Host,
    /// `name=value`
    pub cookie: String,
}

impl<'a> Browser<'a> {
    /// Signed in with a key.
    pub async fn signed_in(host: &'a Host, key: &str) -> Self {
        let reply = sign_in(host, key).send().await;
        assert_eq!(reply.status, 303, "{}", reply.text());
        assert_eq!(reply.header("location"), Some("/console"));
        let cookie = reply.header("set-cookie").expect("a cookie");
        let cookie = cookie.split(';').next().unwrap().to_owned();
        Self { host, cookie }
    }

    /// A request with the cookie.
    pub fn call(&self, method: &str, path: &str) -> Call {
        self.host.anonymous(method, path).header("Cookie", &self.cookie)
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.call("GET", path).send().await
    }

    /// The text of a page that is there.
    pub async fn page(&self, path: &str) -> String {
        let reply = self.get(path).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
        reply.text()
    }

    /// What forms of this session carry, as a page of it says.
    pub async fn token(&self) -> String {
        token_in(&self.page("/console/pipelines").await)
    }

    /// A form as a page of this session sends it.
    pub async fn form(&self, path: &str, fields: &str) -> Reply {
        let fields = format!("csrf={}&{fields}", self.token().await);
        self.call("POST", path)
            .header("Origin", origin(self.host))
            .body(FORM, fields.trim_end_matches('&'))
            .send()
            .await
    }
}

const FORM: &str = "application/x-www-form-urlencoded";

fn origin(host: &Host) -> String {
    format!("http://{}", host.address)
}

fn sign_in(host: &Host, key: &str) -> Call {
    host.anonymous("POST", "/console/sign-in")
        .header("Origin", origin(host))
        .body(FORM, format!("key={key}"))
}

#[track_caller]
fn token_in(page: &str) -> String {
    let after = page
        .split("name=\"csrf\" value=\"")
        .nth(1)
        .expect("a form with a token");
    after.split('"').next().unwrap().to_owned()
}

/// A service's key that has these scopes alone.
async fn narrowed(host: &Host, scopes: Scopes) -> String {
    let new = NewKey {
        role: Role::Owner,
        scopes: Some(scopes),
        ..NewKey::of_owner("narrowed")
    };
    let made = host.database.store.create_key(host.database.tenant, &new).await;
    made.unwrap().1.expose().to_owned()
}
