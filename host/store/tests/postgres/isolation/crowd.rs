//! Fifty tenants on eight connections, all at once: with errors, calls that nobody waits for any more, statements that are
//! cancelled and connections that are cut in between.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use docmill_harness::database_with;
use docmill_model::definition::{Definition, Durability};
use docmill_model::id::{KeyId, RunId, TenantId};
use docmill_store::Sight;
use docmill_store::run::RunFilter;
use docmill_store::who::NewKey;
use docmill_store::{Settings, Store, StoreError};
use sqlx::{Connection as _, PgConnection};
use tokio::time::timeout;

use super::world::names;
use crate::sample;

const TENANTS: usize = 50;
const CALLS_PER_TENANT: usize = 200;
const CONNECTIONS: u32 = 8;

/// What a tenant wrote: what it was told of lasts, what it was not told of may.
#[derive(Default)]
struct Written {
    runs: BTreeSet<RunId>,
    doubtful_runs: BTreeSet<RunId>,
    keys: usize,
    doubtful_keys: usize,
    saved: usize,
    doubtful_saves: usize,
}

/// One tenant's client. Everything that it writes has its name in it.
struct Client {
    store: Store,
    tenant: TenantId,
    name: String,
    /// Runs that other tenants wrote before.
    foreign: Arc<Vec<(TenantId, RunId, KeyId)>>,
    dice: u64,
    written: Written,
    interrupted: Arc<AtomicUsize>,
}

impl Client {
    fn roll(&mut self, sides: u64) -> u64 {
        // xorshift
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        self.dice % sides
    }

    fn sample(&mut self) -> sample::Sample {
        let text = format!("{} {}", self.name, self.dice);
        let mut sample = sample::run(&text).found_by("tenant", &self.name);
        sample.head.pipeline_name.clone_from(&self.name);
        sample.documents[0].name = Some(self.name.clone());
        sample.outcome.steps.truncate(1);
        sample
    }

    /// Whatever a list shows is this tenant's.
    fn own(&self, names: impl IntoIterator<Item = Option<String>>) {
        for name in names {
            assert_eq!(
                name.as_deref(),
                Some(self.name.as_str()),
                "a row of another tenant"
            );
        }
    }

    /// An answer, or none if it was interrupted from outside; everything else is a fault.
    fn heard<T>(&self, result: Result<T, StoreError>) -> Option<T> {
        match result {
            Ok(answer) => Some(answer),
            Err(StoreError::Unavailable { .. } | StoreError::Unanswered { .. }) => {
                self.interrupted.fetch_add(1, Ordering::Relaxed);
                None
            }
            Err(error) => panic!("{}: {error:?}", self.name),
        }
    }

    /// One transaction, of a kind that the dice say.
    async fn call(&mut self) {
        let (store, tenant) = (self.store.clone(), self.tenant);
        let patience = Duration::from_micros(self.roll(6_000));
        match self.roll(14) {
            0 | 1 => {
                let sample = self.sample();
                let id = sample.head.id;
                let told = self
                    .heard(store.commit_run(tenant, &sample.commit()).await)
                    .is_some();
                self.wrote_run(id, told);
            }
            // Whoever waited is gone in the middle.
            2 => {
                let sample = self.sample();
                let id = sample.head.id;
                let told = timeout(patience, store.commit_run(tenant, &sample.commit())).await;
                self.wrote_run(id, matches!(told, Ok(Ok(_))));
            }
            3 => {
                let told = timeout(patience, store.create_key(tenant, &NewKey::of_owner(&self.name))).await;
                match told {
                    Ok(Ok(_)) => self.written.keys += 1,
                    _ => self.written.doubtful_keys += 1,
                }
            }
            4 => {
                let _ = timeout(
                    patience,
                    store.list_documents(Sight::whole(tenant), None, 20, Some(&self.name)),
                )
                .await;
                let _ = timeout(
                    patience / 2,
                    store.list_runs(Sight::whole(tenant), &RunFilter::default()),
                )
                .await;
            }
            5 => {
                // Accepted, then finished: twice, the second time in vain.
                let mut sample = self.sample();
                sample.head.durability = Durability::Accepted;
                let id = sample.head.id;
                let accepted = store
                    .accept_run(tenant, &sample.head, &sample.documents, None)
                    .await;
                let told = self.heard(accepted).is_some();
                self.wrote_run(id, told);
                let first = store.finish_accepted_run(tenant, &sample.commit()).await;
                if told && first.is_ok() {
                    let again = store.finish_accepted_run(tenant, &sample.commit()).await;
                    assert!(again.is_err(), "finished twice");
                }
            }
            6 => {
                // A statement that PostgreSQL aborts.
                let sample = self.sample();
                let told = self
                    .heard(store.commit_run(tenant, &sample.commit()).await)
                    .is_some();
                self.wrote_run(sample.head.id, told);
                if told {
                    let again = store.commit_run(tenant, &sample.commit()).await;
                    assert!(again.is_err(), "written twice");
                }
            }
            7 => {
                let whose = self.roll(TENANTS as u64) as usize;
                let (owner, foreign, key) = self.foreign[whose];
                let found = self.heard(store.get_run(Sight::whole(tenant), foreign).await);
                if let Some(found) = found {
                    assert_eq!(found.is_some(), owner == tenant, "a run of another tenant");
                }
                if owner != tenant {
                    let revoked = store.revoke_key(tenant, key).await;
                    assert!(revoked.is_err(), "a key of another tenant");
                }
            }
            8 => {
                let keys = self.heard(store.list_keys(tenant, None, 50).await);
                let keys = keys.map(|page| page.items).unwrap_or_default();
                self.own(keys.into_iter().map(|key| Some(key.name)));
            }
            9 => {
                let filter = RunFilter {
                    limit: 50,
                    ..RunFilter::default()
                };
                let runs = self.heard(store.list_runs(Sight::whole(tenant), &filter).await);
                let runs = runs.map(|page| page.items).unwrap_or_default();
                self.own(runs.into_iter().map(|run| Some(run.pipeline)));
            }
            10 => {
                // A word that every tenant's look-ups and pages have.
                let filter = RunFilter {
                    lookups: vec![("tenant".into(), "tenant".into())],
                    ..RunFilter::default()
                };
                let runs = self.heard(store.list_runs(Sight::whole(tenant), &filter).await);
                let runs = runs.map(|page| page.items).unwrap_or_default();
                self.own(runs.into_iter().map(|run| Some(run.pipeline)));
                let found = self.heard(
                    store
                        .list_documents(Sight::whole(tenant), None, 20, Some("tenant"))
                        .await,
                );
                let found = found.map(|page| page.items).unwrap_or_default();
                self.own(found.into_iter().map(|document| document.name));
            }
            11 => {
                let documents = self.heard(store.list_documents(Sight::whole(tenant), None, 20, None).await);
                let documents = documents.map(|page| page.items).unwrap_or_default();
                self.own(documents.into_iter().map(|document| document.name));
            }
            12 => {
                let definition = Definition::parse(&format!(
                    "name: same\ndescription: {} {}\nsteps: [{{ id: a, use: docmill/text@1 }}]\n",
                    self.name, self.dice
                ))
                .unwrap();
                match store.save_pipeline(tenant, &definition, &self.name, None).await {
                    Ok(_) => self.written.saved += 1,
                    other => {
                        self.heard(other);
                        self.written.doubtful_saves += 1;
                    }
                }
                let late = store
                    .save_pipeline(tenant, &definition, &self.name, Some(9_999))
                    .await;
                assert!(late.is_err(), "saved over a version that was not seen");
            }
            _ => {
                let found = self.heard(store.get_pipeline(tenant, "same").await).flatten();
                self.own(found.map(|pipeline| Some(pipeline.source_text)));
                let row = self.heard(store.get_tenant(tenant).await);
                self.own(row.map(|row| Some(row.name)));
            }
        }
    }

    fn wrote_run(&mut self, id: RunId, told: bool) {
        if told {
            self.written.runs.insert(id);
        } else {
            self.written.doubtful_runs.insert(id);
        }
    }
}

/// Cancels what happens to run, and now and then cuts a connection, until it is told to stop.
async fn nuisance(url: String, stop: Arc<AtomicBool>) -> usize {
    let mut owner = PgConnection::connect(&url).await.unwrap();
    let mut hits = 0;
    for turn in 0_u32.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let function = if turn % 50 == 49 {
            "pg_terminate_backend"
        } else {
            "pg_cancel_backend"
        };
        let sql = format!(
            "select {function}(pid) from pg_stat_activity where datname = current_database() and application_name = 'docmill'
             and state = 'active' and pid <> pg_backend_pid() order by random() limit 1"
        );
        let hit: Option<bool> = sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
            .fetch_optional(&mut owner)
            .await
            .unwrap();
        hits += usize::from(hit == Some(true));
        tokio::time::sleep(Duration::from_millis(15)).await;
    }
    hits
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fifty_tenants_on_eight_connections_never_meet() -> anyhow::Result<()> {
    let db = database_with(|settings| Settings {
        pool: CONNECTIONS,
        acquire_timeout: Duration::from_secs(20),
        answer_timeout: Duration::from_secs(10),
        ..settings
    })
    .await?;
    let mut owner = PgConnection::connect(&db.url).await?;
    let mut tenants = Vec::new();
    let mut foreign = Vec::new();
    for number in 0..TENANTS {
        let (tenant, name) = (TenantId::new(), format!("tenant {number}"));
        sqlx::query("insert into docmill.tenant (tenant_id, name) values ($1, $2)")
            .bind(tenant.uuid())
            .bind(&name)
            .execute(&mut owner)
            .await?;
        let (key, _) = db.store.create_key(tenant, &NewKey::of_owner(&name)).await?;
        tenants.push((tenant, name, key));
    }
    let mut clients = Vec::new();
    for (number, (tenant, name, key)) in tenants.into_iter().enumerate() {
        let mut client = Client {
            store: db.store.clone(),
            tenant,
            name,
            foreign: Arc::default(),
            dice: 0x9e37_79b9_7f4a_7c15 ^ (number as u64 + 1),
            written: Written {
                keys: 1,
                ..Written::default()
            },
            interrupted: Arc::default(),
        };
        let first = client.sample();
        db.store.commit_run(tenant, &first.commit()).await?;
        client.written.runs.insert(first.head.id);
        foreign.push((tenant, first.head.id, key));
        clients.push(client);
    }

    let (foreign, interrupted, calls) = (
        Arc::new(foreign),
        Arc::<AtomicUsize>::default(),
        Arc::<AtomicUsize>::default(),
    );
    let stop = Arc::<AtomicBool>::default();
    let nuisance = tokio::spawn(nuisance(db.url.clone(), stop.clone()));
    let begun = Instant::now();
    let working: Vec<_> = clients
        .into_iter()
        .map(|mut client| {
            client.foreign = foreign.clone();
            client.interrupted = interrupted.clone();
            let calls = calls.clone();
            tokio::spawn(async move {
                for _ in 0..CALLS_PER_TENANT {
                    client.call().await;
                    calls.fetch_add(1, Ordering::Relaxed);
                }
                client
            })
        })
        .collect();
    let mut clients = Vec::new();
    for client in working {
        clients.push(client.await?);
    }
    stop.store(true, Ordering::Relaxed);
    let hits = nuisance.await?;
    let took = begun.elapsed();
    let calls = calls.load(Ordering::Relaxed);
    println!("{calls} calls in {took:?}, {hits} interrupted from outside, {interrupted:?} of them noticed");
    let given_up: usize = clients
        .iter()
        .map(|client| client.written.doubtful_runs.len() + client.written.doubtful_keys)
        .sum();
    println!("{given_up} writes of which nobody was told");
    assert!(given_up > 100, "{given_up}: nobody went away in the middle");
    assert_eq!(calls, 10_000);
    assert!(took < Duration::from_secs(60), "{took:?}");
    assert!(hits > 10, "{hits}: nothing was interrupted");
    assert!(db.store.connections().0 <= CONNECTIONS as usize);

    // What was left in the middle is over when nobody is at work any more.
    settled(&mut owner).await;
    for client in &clients {
        let (tenant, name, written) = (client.tenant.uuid(), &client.name, &client.written);
        let count = async |what: &str, owner: &mut PgConnection| -> usize {
            let sql = format!("select count(*)::text from docmill.{what}");
            names(owner, &sql).await.concat().parse().unwrap()
        };
        let owner = &mut owner;
        let between = |what: &str, found: usize, sure: usize, doubtful: usize| {
            assert!(
                (sure..=sure + doubtful).contains(&found),
                "{name}: {found} {what}, of which {sure} were told of and {doubtful} not"
            );
        };
        let rows = sqlx::query_scalar::<_, uuid::Uuid>("select id from docmill.run where tenant_id = $1");
        let runs: BTreeSet<RunId> = rows
            .bind(tenant)
            .fetch_all(&mut *owner)
            .await?
            .into_iter()
            .map(RunId::from)
            .collect();
        assert!(
            runs.is_superset(&written.runs),
            "{name}: a run that was told of is gone"
        );
        let unknown: Vec<_> = runs
            .iter()
            .filter(|id| !written.runs.contains(id) && !written.doubtful_runs.contains(id))
            .collect();
        assert!(unknown.is_empty(), "{name}: {unknown:?} are not its runs");
        let keys = count(&format!("api_key where tenant_id = '{tenant}'"), owner).await;
        between("keys", keys, written.keys, written.doubtful_keys);
        let saved = count(&format!("pipeline_version where tenant_id = '{tenant}'"), owner).await;
        between("versions", saved, written.saved, written.doubtful_saves);
        // One document and one look-up for every run, whole or not at all, and each with the tenant's own name.
        for table in ["document", "source", "lookup"] {
            assert_eq!(
                count(&format!("{table} where tenant_id = '{tenant}'"), owner).await,
                runs.len(),
                "{name}: {table}"
            );
        }
        for other in [
            format!("run where tenant_id = '{tenant}' and pipeline_name <> '{name}'"),
            format!("document where tenant_id = '{tenant}' and name is distinct from '{name}'"),
            format!("lookup where tenant_id = '{tenant}' and value <> '{name}'"),
            format!("page where tenant_id = '{tenant}' and text not like '{name} %'"),
            format!("api_key where tenant_id = '{tenant}' and name <> '{name}'"),
            format!("pipeline_version where tenant_id = '{tenant}' and source_text <> '{name}'"),
            format!(
                "run_input i where tenant_id = '{tenant}' and not exists (select from docmill.run r where r.tenant_id = '{tenant}' and r.id = i.run_id)"
            ),
        ] {
            assert_eq!(count(&other, owner).await, 0, "{name}: {other}");
        }
        // And the store tells the tenant of all of them, and of no others.
        let mut listed = BTreeSet::new();
        let mut filter = RunFilter {
            limit: 200,
            ..RunFilter::default()
        };
        loop {
            let page = db.store.list_runs(Sight::whole(client.tenant), &filter).await?;
            client.own(page.items.iter().map(|run| Some(run.pipeline.clone())));
            listed.extend(page.items.iter().map(|run| run.id));
            filter.cursor = page.next;
            if filter.cursor.is_none() {
                break;
            }
        }
        assert_eq!(listed, runs, "{name}");
    }
    Ok(())
}

/// Waits until no connection of the store is in a transaction.
async fn settled(owner: &mut PgConnection) {
    let busy =
        "select count(*)::text from pg_stat_activity where datname = current_database() and state <> 'idle'
        and application_name = 'docmill' and pid <> pg_backend_pid()";
    let begun = Instant::now();
    while names(owner, busy).await != ["0"] {
        assert!(
            begun.elapsed() < Duration::from_secs(10),
            "a transaction was left open"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
