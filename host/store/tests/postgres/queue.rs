//! The queue: the same histories in PostgreSQL and in the model that its properties are proved of.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use docmill_harness::Database;
use docmill_model::access::Clearance;
use docmill_model::digest::Digest;
use docmill_model::id::{PipelineId, RunId, TenantId, WorkerId};
use docmill_model::queue::{Claim, Lane, Queue, State, Turn};
use docmill_store::queue::{Beat, Claims, JobSpec, KeyUse, Lease, Returned};
use docmill_store::{Sight, StoreError};
use serde_json::json;
use sqlx::{Connection as _, PgConnection};

use crate::sample;

fn spec(priority: i16, delay: Duration) -> JobSpec {
    JobSpec {
        plan: Digest::of(b"a plan"),
        priority,
        delay,
        clearance: Clearance::S,
    }
}

async fn beat(db: &Database, worker: WorkerId, lease: Duration) -> Option<Vec<(RunId, i64)>> {
    let beat = Beat {
        worker,
        host: "here",
        release: "1",
        lease,
        draining: false,
        doing: &json!([]),
    };
    db.store.beat(&beat).await.unwrap()
}

/// A run of a pipeline in the queue.
async fn queue(db: &Database, tenant: TenantId, pipeline: PipelineId, job: &JobSpec) -> RunId {
    let mut run = sample::run("queued");
    run.head.pipeline = pipeline;
    db.store
        .queue_run(tenant, &run.head, &run.documents, job, None)
        .await
        .unwrap();
    run.head.id
}

fn ids(claimed: &Claims) -> Vec<RunId> {
    claimed.jobs.iter().map(|job| job.head.id).collect()
}

#[tokio::test]
async fn jobs_come_by_priority_and_age_and_not_before_their_time() -> anyhow::Result<()> {
    let db = docmill_harness::database().await?;
    let pipeline = PipelineId::new();
    let put = async |priority, delay| {
        queue(
            &db,
            db.tenant,
            pipeline,
            &spec(priority, Duration::from_millis(delay)),
        )
        .await
    };
    let (first, second) = (put(0, 0).await, put(0, 0).await);
    let (urgent, late, last) = (put(7, 0).await, put(100, 300).await, put(-5, 0).await);
    let worker = WorkerId::new();
    assert_eq!(
        db.store.claim_jobs(worker, 10).await?.len(),
        0,
        "nobody knows the worker"
    );
    assert_eq!(beat(&db, worker, Duration::from_secs(60)).await, Some(vec![]));
    let claimed = db.store.claim_jobs(worker, 10).await?;
    assert_eq!(ids(&claimed), [urgent, first, second, last]);
    assert_eq!(
        beat(&db, worker, Duration::from_secs(60))
            .await
            .map(|held| held.len()),
        Some(4)
    );
    tokio::time::sleep(Duration::from_millis(350)).await;
    let claimed = db.store.claim_jobs(worker, 10).await?;
    assert_eq!(ids(&claimed), [late]);
    assert!(
        claimed.jobs[0].waited < Duration::from_millis(340),
        "{:?}",
        claimed.jobs[0].waited
    );
    Ok(())
}

#[tokio::test]
async fn what_is_paused_waits_and_goes_on() -> anyhow::Result<()> {
    let db = docmill_harness::database().await?;
    let (one, other) = (PipelineId::new(), PipelineId::new());
    let now = spec(0, Duration::ZERO);
    let held = queue(&db, db.tenant, one, &now).await;
    let free = queue(&db, db.tenant, other, &now).await;
    let worker = WorkerId::new();
    beat(&db, worker, Duration::from_secs(60)).await;
    assert!(db.store.pause_queue(db.tenant, Some(one), true).await?);
    assert!(!db.store.pause_queue(db.tenant, Some(one), true).await?, "it is");
    assert_eq!(ids(&db.store.claim_jobs(worker, 10).await?), [free]);
    assert!(db.store.pause_queue(db.tenant, None, true).await?);
    assert!(db.store.pause_queue(db.tenant, Some(one), false).await?);
    assert_eq!(db.store.claim_jobs(worker, 10).await?.len(), 0);
    assert!(db.store.pause_queue(db.tenant, None, false).await?);
    assert_eq!(ids(&db.store.claim_jobs(worker, 10).await?), [held]);
    Ok(())
}

#[tokio::test]
async fn many_workers_never_have_the_same_job() -> anyhow::Result<()> {
    let db = docmill_harness::database().await?;
    let pipeline = PipelineId::new();
    let now = spec(0, Duration::ZERO);
    let mut all = BTreeSet::new();
    for _ in 0..60 {
        all.insert(queue(&db, db.tenant, pipeline, &now).await);
    }
    let claims = (0..6).map(|_| {
        let db = db.clone();
        tokio::spawn(async move {
            let worker = WorkerId::new();
            beat(&db, worker, Duration::from_secs(60)).await;
            let mut mine = Vec::new();
            loop {
                let claimed = db.store.claim_jobs(worker, 3).await.unwrap();
                if claimed.is_empty() {
                    return mine;
                }
                mine.extend(ids(&claimed));
            }
        })
    });
    let mut had = Vec::new();
    for claimed in claims.collect::<Vec<_>>() {
        had.extend(claimed.await?);
    }
    assert_eq!(had.len(), 60, "none twice");
    assert_eq!(had.into_iter().collect::<BTreeSet<_>>(), all);
    Ok(())
}

#[tokio::test]
async fn another_tenants_run_starts_behind_twenty_thousand() -> anyhow::Result<()> {
    let db = docmill_harness::database().await?;
    let (other, _) = db.another_tenant("quiet").await?;
    let now = spec(0, Duration::ZERO);
    queue(&db, db.tenant, PipelineId::new(), &now).await;
    let mut owner = PgConnection::connect(&db.url).await?;
    sqlx::raw_sql(
        "insert into docmill.job (tenant_id, run_id, pipeline_id, plan, state, ready_at, clearance, head)
         select tenant_id, gen_random_uuid(), pipeline_id, plan, state, ready_at, clearance, head
         from docmill.job cross join generate_series(1, 20000)",
    )
    .execute(&mut owner)
    .await?;
    let worker = WorkerId::new();
    beat(&db, worker, Duration::from_secs(60)).await;
    // These jobs have no runs: they are leased, and cannot be begun.
    db.store.claim_jobs(worker, 16).await?;
    assert_eq!(
        beat(&db, worker, Duration::from_secs(60))
            .await
            .map(|held| held.len()),
        Some(16)
    );
    let quiet = queue(&db, other, PipelineId::new(), &now).await;
    let claimed = db.store.claim_jobs(worker, 2).await?;
    assert!(
        ids(&claimed).contains(&quiet),
        "half of what comes next is the other tenant's"
    );
    Ok(())
}

#[tokio::test]
async fn a_key_is_for_one_run_until_it_is_over() -> anyhow::Result<()> {
    let db = docmill_harness::database().await?;
    let key = |request: &[u8], lasts| KeyUse {
        key: "order 17".to_owned(),
        request: Digest::of(request),
        lasts: Duration::from_millis(lasts),
    };
    let put = async |key: KeyUse| {
        let run = sample::run("keyed");
        let job = spec(0, Duration::ZERO);
        let queued = db
            .store
            .queue_run(db.tenant, &run.head, &run.documents, &job, Some(&key));
        queued.await.map(|_| run.head.id)
    };
    let first = put(key(b"a", 60_000)).await?;
    for request in [b"a", b"b"] {
        let refused = put(key(request, 60_000)).await;
        assert!(matches!(refused, Err(StoreError::KeyUsed)), "{refused:?}");
    }
    assert_eq!(
        db.store
            .list_runs(Sight::whole(db.tenant), &Default::default())
            .await?
            .items
            .len(),
        1
    );
    let used = db.store.used_key(db.tenant, "order 17").await?.unwrap();
    assert_eq!((used.run, used.request), (first, Digest::of(b"a")));
    let (other, _) = db.another_tenant("other").await?;
    assert_eq!(db.store.used_key(other, "order 17").await?, None);
    let run = sample::run("theirs");
    db.store
        .queue_run(
            other,
            &run.head,
            &run.documents,
            &spec(0, Duration::ZERO),
            Some(&key(b"c", 1)),
        )
        .await?;
    // Keys end.
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(db.store.used_key(other, "order 17").await?, None);
    assert!(db.store.sweep_queue().await? >= 1);
    Ok(())
}

/// xorshift64* (Vigna 2016).
struct Random(u64);

impl Random {
    fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % most
    }
}

/// Both queues, and who is who in them.
struct Both {
    db: Database,
    owner: PgConnection,
    model: Queue,
    tenants: Vec<TenantId>,
    pipelines: BTreeMap<(u32, u32), PipelineId>,
    workers: Vec<WorkerId>,
    runs: Vec<(RunId, u32)>,
    numbers: HashMap<RunId, u64>,
    fences: HashMap<u64, i64>,
    /// Who holds what: as the model has it, and under the database's fence.
    held: Vec<(u32, Claim, i64)>,
}

impl Both {
    async fn claim(&mut self, worker: u32, want: u32) {
        let expected = self.model.claim(2, worker, want as usize);
        let claimed = self
            .db
            .store
            .claim_jobs(self.workers[worker as usize], want)
            .await
            .unwrap();
        let claimed: Vec<(u64, u32, i64)> = claimed
            .jobs
            .iter()
            .map(|job| (self.numbers[&job.head.id], job.attempt, job.lease.fence))
            .collect();
        // The database's fences are times; that they only rise, the model's say.
        assert_eq!(
            claimed
                .iter()
                .map(|(run, attempt, _)| (*run, *attempt))
                .collect::<Vec<_>>(),
            expected
                .iter()
                .map(|claim| (claim.run, claim.attempt))
                .collect::<Vec<_>>()
        );
        for (claim, (run, _, fence)) in expected.into_iter().zip(claimed) {
            let last = self.fences.insert(run, fence);
            assert!(last.is_none_or(|last| last < fence), "a fence only rises");
            self.held.push((worker, claim, fence));
        }
    }

    fn take(&mut self, random: &mut Random) -> Option<(u32, Claim, i64)> {
        let len = self.held.len() as u64;
        (len > 0).then(|| self.held.swap_remove(random.below(len) as usize))
    }

    async fn give_back(&mut self, random: &mut Random) {
        let Some((worker, claim, fence)) = self.take(random) else {
            return;
        };
        let spent = random.below(2) == 0;
        let expected = self.model.give_back(2, worker, claim.run, claim.fence, 0, spent);
        let back = Returned {
            run: self.runs[claim.run as usize].0,
            fence,
            delay: Duration::ZERO,
            spent,
            error: None,
        };
        let given = self
            .db
            .store
            .return_jobs(self.workers[worker as usize], &[back])
            .await
            .unwrap();
        assert_eq!(given == 1, expected);
    }

    /// What ends a run takes its job out of the queue first.
    async fn end(&mut self, random: &mut Random) {
        let Some((worker, claim, fence)) = self.take(random) else {
            return;
        };
        let expected = self.model.end(worker, claim.run, claim.fence);
        let (run, tenant) = self.runs[claim.run as usize];
        let lease = Lease {
            worker: self.workers[worker as usize],
            fence,
        };
        let mut of = sample::run("queued");
        of.head.id = run;
        of.outcome.readings.clear();
        of.outcome.fields.clear();
        of.outcome.checks.clear();
        let mut commit = of.commit();
        commit.documents = &[];
        let ended = self
            .db
            .store
            .end_job(self.tenants[tenant as usize], lease, &commit)
            .await;
        match ended {
            Ok(_) => assert!(expected, "run {} under {}", claim.run, claim.fence),
            Err(StoreError::NotOurs) => assert!(!expected, "run {} under {}", claim.run, claim.fence),
            Err(error) => panic!("{error:?}"),
        }
    }

    /// A worker's lease is over, and somebody gives it up.
    async fn lose(&mut self, worker: u32) {
        let id = self.workers[worker as usize];
        sqlx::query("update docmill.worker set lease_until = now() - interval '1 second' where id = $1")
            .bind(id.uuid())
            .execute(&mut self.owner)
            .await
            .unwrap();
        self.model.workers.insert(worker, 1);
        let failed = self.model.reap(2, 4);
        let reaped = self.db.store.reap_workers(None, 4).await.unwrap();
        assert_eq!(reaped.failed, failed.len() as u64);
        assert_eq!(beat(&self.db, id, Duration::from_secs(60)).await, None);
        let anew = WorkerId::new();
        beat(&self.db, anew, Duration::from_secs(600)).await;
        self.workers.push(anew);
        self.model.beat(
            2,
            u32::try_from(self.workers.len() - 1).unwrap(),
            1_000_000,
            false,
        );
    }
}

/// Random histories; each operation gives the same in both.
#[tokio::test]
async fn postgresql_does_what_the_model_does() -> anyhow::Result<()> {
    for seed in [1_u64, 2, 3, 5, 8, 13] {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let db = docmill_harness::database().await?;
        let mut tenants = vec![db.tenant];
        for name in ["b", "c"] {
            tenants.push(db.another_tenant(name).await?.0);
        }
        // The model orders tenants by number, the database by id.
        tenants.sort_by_key(|tenant| tenant.uuid());
        let owner = PgConnection::connect(&db.url).await?;
        let mut both = Both {
            owner,
            model: Queue::default(),
            pipelines: BTreeMap::new(),
            workers: Vec::new(),
            runs: Vec::new(),
            numbers: HashMap::new(),
            fences: HashMap::new(),
            held: Vec::new(),
            tenants,
            db,
        };
        for tenant in 0..3_u32 {
            let weight = [0.5_f32, 1.0, 2.0][random.below(3) as usize];
            let most = [None, Some(4)][random.below(2) as usize];
            sqlx::query("insert into docmill.queue (tenant_id, weight, most) values ($1, $2, $3)")
                .bind(both.tenants[tenant as usize].uuid())
                .bind(weight)
                .bind(most)
                .execute(&mut both.owner)
                .await?;
            let turn = Turn {
                weight: f64::from(weight),
                most: most.map(|most: i32| most as usize),
                ..Turn::default()
            };
            both.model.turns.insert(tenant, turn);
            for pipeline in 0..2_u32 {
                both.pipelines.insert((tenant, pipeline), PipelineId::new());
            }
        }
        let limited = both.pipelines[&(1, 0)];
        sqlx::query("insert into docmill.pipeline_queue (tenant_id, pipeline_id, most) values ($1, $2, 2)")
            .bind(both.tenants[1].uuid())
            .bind(limited.uuid())
            .execute(&mut both.owner)
            .await?;
        both.model.lanes.insert(
            (1, 0),
            Lane {
                most: Some(2),
                paused: false,
            },
        );
        for worker in 0..2_u32 {
            both.workers.push(WorkerId::new());
            beat(&both.db, both.workers[worker as usize], Duration::from_secs(600)).await;
            both.model.beat(1, worker, 1_000_000, false);
        }
        for _ in 0..120 {
            let worker = random.below(both.workers.len() as u64) as u32;
            match random.below(8) {
                0..=2 => {
                    let (tenant, pipeline) = (random.below(3) as u32, random.below(2) as u32);
                    let priority = random.below(3) as i16;
                    let run = queue(
                        &both.db,
                        both.tenants[tenant as usize],
                        both.pipelines[&(tenant, pipeline)],
                        &spec(priority, Duration::ZERO),
                    )
                    .await;
                    let number = both.runs.len() as u64;
                    both.model
                        .accept(number + 10, number, tenant, pipeline, priority, 0);
                    both.runs.push((run, tenant));
                    both.numbers.insert(run, number);
                }
                3..=4 => both.claim(worker, 1 + random.below(5) as u32).await,
                5 => both.end(&mut random).await,
                6 => both.give_back(&mut random).await,
                _ if random.below(4) == 0 => both.lose(worker).await,
                _ => {}
            }
        }
        let leased = both
            .model
            .jobs
            .values()
            .filter(|job| matches!(job.state, State::Leased(_)))
            .count();
        let depth = both.db.store.queue_depth().await?;
        assert_eq!(depth.leased, leased as u64, "seed {seed}");
        assert_eq!(
            depth.ready + depth.leased,
            both.model.jobs.len() as u64,
            "seed {seed}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn who_may_have_none_more_at_work_holds_nobody_up() -> anyhow::Result<()> {
    let db = docmill_harness::database().await?;
    let (other, _) = db.another_tenant("other").await?;
    let (held, now) = (PipelineId::new(), spec(0, Duration::ZERO));
    for _ in 0..3 {
        queue(&db, db.tenant, held, &now).await;
    }
    db.store.pause_queue(db.tenant, Some(held), true).await?;
    let free = [
        queue(&db, other, PipelineId::new(), &now).await,
        queue(&db, other, PipelineId::new(), &now).await,
    ];
    let worker = WorkerId::new();
    beat(&db, worker, Duration::from_secs(60)).await;
    for run in free {
        assert_eq!(ids(&db.store.claim_jobs(worker, 1).await?), [run]);
    }
    // A tenant's own bound holds from the first run on.
    db.store.pause_queue(db.tenant, Some(held), false).await?;
    let mut owner = PgConnection::connect(&db.url).await?;
    sqlx::query("insert into docmill.queue (tenant_id, most) values ($1, 1) on conflict (tenant_id) do update set most = 1")
        .bind(db.tenant.uuid())
        .execute(&mut owner)
        .await?;
    assert_eq!(db.store.claim_jobs(worker, 10).await?.len(), 1);
    assert_eq!(db.store.claim_jobs(worker, 10).await?.len(), 0);
    Ok(())
}

#[tokio::test]
async fn a_job_that_cannot_be_read_holds_nobody_up_and_fails_in_the_end() -> anyhow::Result<()> {
    let db = docmill_harness::database().await?;
    let now = spec(0, Duration::ZERO);
    let broken = queue(&db, db.tenant, PipelineId::new(), &now).await;
    let good = queue(&db, db.tenant, PipelineId::new(), &now).await;
    let mut owner = PgConnection::connect(&db.url).await?;
    sqlx::query("update docmill.job set head = '{\"id\": 7}' where run_id = $1")
        .bind(broken.uuid())
        .execute(&mut owner)
        .await?;
    let worker = WorkerId::new();
    beat(&db, worker, Duration::from_secs(60)).await;
    let claims = db.store.claim_jobs(worker, 10).await?;
    assert_eq!(ids(&claims), [good]);
    let [unreadable] = claims.unreadable.as_slice() else {
        panic!("{claims:?}")
    };
    assert_eq!((unreadable.run, unreadable.attempt), (broken, 1));
    let failure = docmill_model::failure::Failure::new(docmill_model::failure::Code::Internal, "unreadable");
    for expected in [1, 0] {
        let failed = db
            .store
            .fail_jobs(worker, &[(broken, unreadable.fence)], &failure)
            .await?;
        assert_eq!(failed, expected);
    }
    let run = db.store.get_run(Sight::whole(db.tenant), broken).await?.unwrap();
    assert_eq!(run.status, docmill_model::run::Status::Failed);
    Ok(())
}

#[tokio::test]
async fn goodbye_gives_everything_back_untouched_and_keeps_what_steps_came_to() -> anyhow::Result<()> {
    let db = docmill_harness::database().await?;
    let run = queue(&db, db.tenant, PipelineId::new(), &spec(0, Duration::ZERO)).await;
    let worker = WorkerId::new();
    beat(&db, worker, Duration::from_secs(60)).await;
    let claims = db.store.claim_jobs(worker, 1).await?;
    let job = &claims.jobs[0];
    assert!(!job.checkpoints);
    assert!(
        db.store
            .keep_checkpoint(db.tenant, job.lease, run, 0, b"{}")
            .await?
    );
    // In its last attempt: whoever is told to stop has not failed.
    let reaped = db.store.reap_workers(Some(worker), 1).await?;
    assert_eq!((reaped.workers, reaped.jobs, reaped.failed), (1, 1, 0));
    let next = WorkerId::new();
    beat(&db, next, Duration::from_millis(1)).await;
    tokio::time::sleep(Duration::from_millis(5)).await;
    assert_eq!(db.store.claim_jobs(next, 1).await?.len(), 0, "its lease is over");
    let last = WorkerId::new();
    beat(&db, last, Duration::from_secs(60)).await;
    let claims = db.store.claim_jobs(last, 1).await?;
    let again = &claims.jobs[0];
    assert_eq!((again.attempt, again.checkpoints), (1, true));
    assert!(again.lease.fence > job.lease.fence);
    // The silent one is given up with its last attempt: nothing is left of the run but that it failed.
    let mut owner = PgConnection::connect(&db.url).await?;
    sqlx::raw_sql("update docmill.worker set lease_until = now() - interval '1 s'")
        .execute(&mut owner)
        .await?;
    let reaped = db.store.reap_workers(None, 1).await?;
    assert_eq!((reaped.jobs, reaped.failed), (0, 1));
    assert_eq!(db.store.checkpoints(db.tenant, run).await?.len(), 0);
    let used: i64 = sqlx::query_scalar("select sum(runs_failed)::bigint from docmill.usage_entry")
        .fetch_one(&mut owner)
        .await?;
    assert_eq!(used, 1);
    Ok(())
}

/// Texts that clients send stand in the head: what one claim brings is bounded, however many places its worker has.
#[tokio::test]
async fn one_claim_brings_no_more_than_a_host_may_hold() -> anyhow::Result<()> {
    let db = docmill_harness::database().await?;
    let (pipeline, now) = (PipelineId::new(), spec(0, Duration::ZERO));
    let mut runs = Vec::new();
    for _ in 0..3 {
        let mut run = sample::run("large");
        run.head.pipeline = pipeline;
        run.head.params = json!({ "text": "x".repeat(30 << 20) });
        db.store
            .queue_run(db.tenant, &run.head, &run.documents, &now, None)
            .await?;
        runs.push(run.head.id);
    }
    let worker = WorkerId::new();
    beat(&db, worker, Duration::from_secs(60)).await;
    let claims = db.store.claim_jobs(worker, 8).await?;
    assert_eq!(ids(&claims), runs[..2]);
    let [(beyond, fence)] = claims.beyond[..] else {
        panic!("{:?}", claims.beyond)
    };
    assert_eq!(beyond, runs[2]);
    let back = Returned {
        run: beyond,
        fence,
        delay: Duration::ZERO,
        spent: false,
        error: None,
    };
    assert_eq!(db.store.return_jobs(worker, &[back]).await?, 1);
    assert_eq!(ids(&db.store.claim_jobs(worker, 8).await?), [runs[2]]);
    Ok(())
}
