//! Properties of the queue over many random histories. `DOCMILL_SEEDS` says how many: 1,000 if nothing else is said.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

/// xorshift64* (Vigna 2016).
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % most
    }
}

fn seeds() -> u64 {
    std::env::var("DOCMILL_SEEDS")
        .ok()
        .and_then(|seeds| seeds.parse().ok())
        .unwrap_or(1_000)
}

const LEASE: Time = 100;
const MOST: u32 = 4;

/// What outsiders know of a run.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Known {
    ended: u32,
    failed: u32,
    cancelled: u32,
}

/// Workers, some of which fall silent and wake up later, and what they believe to hold.
struct World {
    queue: Queue,
    now: Time,
    next_run: u64,
    next_worker: u32,
    /// Alive or silent.
    workers: BTreeMap<u32, bool>,
    believed: BTreeMap<u32, Vec<Claim>>,
    runs: BTreeMap<u64, Known>,
    fences: BTreeMap<u64, u64>,
}

impl World {
    fn new() -> Self {
        Self {
            queue: Queue::default(),
            now: 1,
            next_run: 0,
            next_worker: 0,
            workers: BTreeMap::new(),
            believed: BTreeMap::new(),
            runs: BTreeMap::new(),
            fences: BTreeMap::new(),
        }
    }

    fn hire(&mut self) {
        let worker = self.next_worker;
        self.next_worker += 1;
        self.queue.beat(self.now, worker, LEASE, false);
        self.workers.insert(worker, true);
    }

    fn claim(&mut self, worker: u32, want: usize) {
        let claims = self.queue.claim(self.now, worker, want);
        assert!(claims.len() <= want);
        for claim in &claims {
            let last = self.fences.insert(claim.run, claim.fence);
            assert!(last.is_none_or(|last| last < claim.fence), "a fence only rises");
            assert!(
                self.runs[&claim.run] == Known::default(),
                "what is over is not claimed"
            );
        }
        self.believed.entry(worker).or_default().extend(claims);
    }

    fn step(&mut self, random: &mut Random) {
        self.now += random.below(20);
        let workers: Vec<u32> = self.workers.keys().copied().collect();
        let worker = workers
            .get(random.below(workers.len().max(1) as u64) as usize)
            .copied();
        match (random.below(12), worker) {
            (0..=2, _) => {
                let (tenant, pipeline) = (random.below(4) as u32, random.below(2) as u32);
                let delay = if random.below(4) == 0 { random.below(80) } else { 0 };
                self.queue.accept(
                    self.now,
                    self.next_run,
                    tenant,
                    pipeline,
                    random.below(3) as i16,
                    delay,
                );
                self.runs.insert(self.next_run, Known::default());
                self.next_run += 1;
            }
            (3, _) if self.workers.len() < 4 => self.hire(),
            (4..=5, Some(worker)) => self.claim(worker, 1 + random.below(5) as usize),
            (6..=7, Some(worker)) => self.end_one(worker, random),
            (8, Some(worker)) => {
                // It falls silent, or wakes up: a living one says that it is there.
                let alive = self.workers.entry(worker).or_insert(true);
                *alive = !*alive;
            }
            (9, _) => {
                let failed = self.queue.reap(self.now, MOST);
                for run in failed {
                    self.runs.entry(run).or_default().failed += 1;
                }
            }
            (10, Some(worker)) => {
                if let Some(claim) = self.believed.entry(worker).or_default().pop() {
                    let held = self.queue.holds(worker, claim.run, claim.fence);
                    let given = self.queue.give_back(
                        self.now,
                        worker,
                        claim.run,
                        claim.fence,
                        random.below(2) * 30,
                        random.below(2) == 0,
                    );
                    assert_eq!(held, given);
                }
            }
            (11, _) if self.next_run > 0 => {
                let run = random.below(self.next_run);
                if self.queue.cancel(run) {
                    self.runs.entry(run).or_default().cancelled += 1;
                }
            }
            _ => {}
        }
        for (worker, alive) in &self.workers {
            if *alive {
                let given_up = !self.queue.workers.contains_key(worker);
                self.queue.beat(self.now, *worker, LEASE, given_up);
            }
        }
    }

    /// Whoever believes to hold a run tries to end it, right or wrong.
    fn end_one(&mut self, worker: u32, random: &mut Random) {
        let believed = self.believed.entry(worker).or_default();
        if believed.is_empty() {
            return;
        }
        let claim = believed.swap_remove(random.below(believed.len() as u64) as usize);
        if self.queue.end(worker, claim.run, claim.fence) {
            self.runs.entry(claim.run).or_default().ended += 1;
            assert_eq!(
                self.fences[&claim.run], claim.fence,
                "only the last claim ends a run"
            );
        }
    }

    fn check(&self) {
        for (run, known) in &self.runs {
            let over = known.ended + known.failed + known.cancelled;
            let there = u32::from(self.queue.jobs.contains_key(run));
            assert_eq!(
                over + there,
                1,
                "run {run} is in the queue or over, and once: {known:?}"
            );
        }
        // Nobody believes rightly to hold what another one holds.
        let mut held = BTreeSet::new();
        for (worker, claims) in &self.believed {
            for claim in claims
                .iter()
                .filter(|claim| self.queue.holds(*worker, claim.run, claim.fence))
            {
                assert!(held.insert(claim.run), "run {} is held twice", claim.run);
            }
        }
    }
}

#[test]
fn whatever_happens_every_run_is_over_once() {
    for seed in 0..seeds() {
        let mut random = Random::new(seed);
        let mut world = World::new();
        world.hire();
        for _ in 0..150 {
            world.step(&mut random);
            world.check();
        }
        // Everybody who slept stays away; one good worker is enough for everything that is left.
        let good = world.next_worker;
        for _ in 0..400 {
            if world.queue.jobs.is_empty() {
                break;
            }
            world.now += LEASE / 2;
            world.queue.beat(world.now, good, LEASE, false);
            for run in world.queue.reap(world.now, MOST) {
                world.runs.entry(run).or_default().failed += 1;
            }
            world.claim(good, 8);
            for claim in world.believed.remove(&good).unwrap_or_default() {
                if world.queue.end(good, claim.run, claim.fence) {
                    world.runs.entry(claim.run).or_default().ended += 1;
                }
            }
            world.check();
        }
        assert!(world.queue.jobs.is_empty(), "seed {seed}: {:?}", world.queue.jobs);
    }
}

#[test]
fn tenants_that_wait_get_their_share() {
    for seed in 0..seeds() / 4 {
        let mut random = Random::new(seed);
        let mut queue = Queue::default();
        let weights: Vec<f64> = (0..2 + random.below(4))
            .map(|_| [0.5, 1.0, 2.0, 4.0][random.below(4) as usize])
            .collect();
        let mut run = 0;
        for (tenant, weight) in (0_u32..).zip(&weights) {
            queue.turns.insert(
                tenant,
                Turn {
                    weight: *weight,
                    ..Turn::default()
                },
            );
            for _ in 0..400 {
                queue.accept(0, run, tenant, 0, 0, 0);
                run += 1;
            }
        }
        queue.beat(1, 0, 1_000_000, false);
        let mut served = vec![0_u32; weights.len()];
        while served.iter().all(|served| *served < 380) {
            for claim in queue.claim(2, 0, 1 + random.below(8) as usize) {
                let tenant = queue.jobs[&claim.run].tenant as usize;
                served[tenant] += 1;
                queue.end(0, claim.run, claim.fence);
            }
            // The bound of start-time fair queueing: what two have got, by their weights, differs by one run of each.
            for (a, one) in weights.iter().enumerate() {
                for (b, other) in weights.iter().enumerate().take(a) {
                    let gap = (f64::from(served[a]) / one - f64::from(served[b]) / other).abs();
                    assert!(
                        gap <= 1.0 / one + 1.0 / other + 1e-6,
                        "seed {seed}: {served:?} by {weights:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn who_comes_late_neither_has_saved_up_nor_waits() {
    let mut queue = Queue::default();
    for run in 0..1000 {
        queue.accept(0, run, 1, 0, 0, 0);
    }
    queue.beat(1, 0, 1_000_000, false);
    for claim in queue.claim(2, 0, 500) {
        queue.end(0, claim.run, claim.fence);
    }
    for run in 2000..2010 {
        queue.accept(3, run, 2, 0, 0, 0);
    }
    let next: Vec<u32> = queue
        .claim(4, 0, 8)
        .iter()
        .map(|claim| queue.jobs[&claim.run].tenant)
        .collect();
    let of_two = next.iter().filter(|tenant| **tenant == 2).count();
    assert_eq!(of_two, 4, "{next:?}: half of them at once, and not all");
}

#[test]
fn limits_and_pauses_hold() {
    let mut queue = Queue::default();
    for run in 0..40 {
        queue.accept(0, run, (run % 2) as u32, (run % 4 / 2) as u32, 0, 0);
    }
    queue.turns.insert(
        0,
        Turn {
            most: Some(3),
            ..Turn::default()
        },
    );
    queue.lanes.insert(
        (1, 0),
        Lane {
            most: Some(2),
            paused: false,
        },
    );
    queue.lanes.insert(
        (1, 1),
        Lane {
            most: None,
            paused: true,
        },
    );
    queue.beat(1, 0, 1_000_000, false);
    let of = |queue: &Queue, claims: &[Claim], tenant: u32| {
        claims
            .iter()
            .filter(|claim| queue.jobs[&claim.run].tenant == tenant)
            .count()
    };
    let first = queue.claim(2, 0, 100);
    assert_eq!((of(&queue, &first, 0), of(&queue, &first, 1)), (3, 2));
    assert_eq!(queue.claim(2, 0, 100), [], "all places are taken");
    queue.end(0, first[0].run, first[0].fence);
    assert_eq!(queue.claim(2, 0, 100).len(), 1);
    queue.lanes.insert((1, 1), Lane::default());
    assert!(queue.claim(2, 0, 100).len() >= 9);
}

#[test]
fn who_may_have_none_more_at_work_holds_nobody_up() {
    let mut queue = Queue::default();
    for run in 0..10 {
        queue.accept(0, run, 1, 0, 0, 0);
        queue.accept(0, 100 + run, 2, 0, 0, 0);
        queue.accept(0, 200 + run, 3, 0, 0, 0);
    }
    queue.lanes.insert(
        (1, 0),
        Lane {
            most: None,
            paused: true,
        },
    );
    queue.turns.insert(
        2,
        Turn {
            most: Some(1),
            ..Turn::default()
        },
    );
    queue.beat(1, 0, 1_000_000, false);
    let mut of_three = 0;
    for _ in 0..11 {
        let [claim] = queue.claim(2, 0, 1)[..] else {
            panic!("somebody could be served");
        };
        of_three += usize::from(queue.jobs[&claim.run].tenant == 3);
    }
    assert_eq!(of_three, 10);
    assert_eq!(queue.claim(2, 0, 1), []);
}
