//! Example pipelines: a release puts its own in place of an earlier release's, and leaves alone what somebody wrote.

use docmill_model::definition::Definition;
use docmill_store::embedded::PrivateServer;
use docmill_store::{Settings, Store};

use crate::support::{Home, home, root, text};

fn example() -> String {
    std::fs::read_to_string(root().join("host/server/assets/pipelines/form.yaml")).unwrap()
}

/// Saves definitions of `form` as earlier releases did.
async fn shipped_before(home: &Home, releases: &[String]) {
    let server = PrivateServer::start(&home.data.join("postgres"), |_| {})
        .await
        .unwrap();
    let store = Store::connect(&Settings::new(server.url().to_owned())).unwrap();
    let (tenant, _) = store.tenants().await.unwrap().remove(0);
    for release in releases {
        let definition = Definition::parse(release).unwrap();
        let saved = store.ship_pipeline(tenant, &definition, release).await.unwrap();
        assert!(saved.created, "{saved:?}");
    }
    store.close().await;
    server.stop().await.unwrap();
}

fn newest(home: &Home) -> serde_json::Value {
    home.run(&["pipeline", "show", "form", "--json"]).ended(0).json()
}

#[tokio::test]
async fn examples_follow_the_release_until_somebody_changes_them() {
    let home = home();
    let ours = example();
    let first = newest(&home);
    assert_eq!(first["source"], ours.as_str(), "{first:#}");
    let number = first["version"].as_i64().unwrap();
    let releases = [format!("{ours}# 0.0.1\n"), format!("{ours}# 0.0.2\n")];
    for round in 1..=2 {
        shipped_before(&home, &releases).await;
        let now = newest(&home);
        assert_eq!(now["source"], ours.as_str(), "round {round}: {now:#}");
        assert_eq!(now["version"], number + 3 * round, "{now:#}");
    }

    let file = home.data.with_file_name("form.yaml");
    let edited = format!("{ours}# our own\n");
    std::fs::write(&file, &edited).unwrap();
    home.run(&["pipeline", "apply", text(&file)]).ended(0);
    for _ in 0..2 {
        let now = newest(&home);
        assert_eq!(now["source"], edited.as_str(), "{now:#}");
        assert_eq!(now["version"], number + 7, "{now:#}");
    }
}
