//! What the runs of a commit share: their entries in the ledger and in the audit log. Many small runs that end at once have a
//! few of them together, a lone run has its own.

use std::collections::{BTreeMap, HashMap};

use docmill_model::id::{AuditId, RequestId, RunId, UserId};
use docmill_model::run::Status;
use docmill_model::usage::Amounts;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::rows::{NewAttempt, NewAudit, NewRun, NewUsage, Rows};
use crate::clean::json_text;
use crate::convert::{size_in, size_out};
use crate::error::StoreError;

/// What the log calls the end of a run. An entry of one run has the run's id: a run is finished once.
pub(crate) const RUN_FINISH: &str = "run.finish";
/// The member of an entry's detail that has the runs that ended together, each with its request.
pub(crate) const ENDED_TOGETHER: &str = "runs";
/// Most runs in one entry, of about 80 bytes each; the database takes 64 KiB of detail.
const MOST_TOGETHER: usize = 256;
/// The same of runs on behalf of end users, whose names have up to 200 bytes, and twice that as JSON.
const MOST_ON_BEHALF: usize = 64;
/// The member that has the person whose key or session it was, as in entries of changes.
const BY_USER: &str = "by_user";
/// The member that has the end user of a run, or of each run that has one.
const ON_BEHALF_OF: &str = "on_behalf_of";

/// Entries for all runs of a commit.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    pub(crate) usage: Vec<NewUsage>,
    pub(crate) audit: Vec<NewAudit>,
    /// For each run, in their order: the audit entry that it shares with others.
    pub(crate) ends: Vec<Option<Uuid>>,
    /// For each document that was there before a run over it, in their order: the run.
    pub(crate) heirs: Vec<Uuid>,
}

impl Shared {
    /// Of the very rows that are kept, so that the ledger's sums are the runs' own figures. Runs that have only been accepted
    /// have no entries yet.
    pub(crate) fn of(runs: &[&Rows]) -> Result<Self, StoreError> {
        let (audit, ends) = audit(runs)?;
        Ok(Self {
            usage: usage(runs)?,
            audit,
            ends,
            heirs: heirs(runs),
        })
    }
}

fn heirs(runs: &[&Rows]) -> Vec<Uuid> {
    let each = |rows: &&Rows| {
        let run = rows.runs.first().map(|run| run.id);
        run.into_iter()
            .flat_map(|run| std::iter::repeat_n(run, rows.inherited.len()))
            .collect::<Vec<_>>()
    };
    runs.iter().flat_map(each).collect()
}

/// Runs of one key and pipeline that were admitted in the same second have an entry together, and one for each plugin that
/// they called.
fn usage(runs: &[&Rows]) -> Result<Vec<NewUsage>, StoreError> {
    // The first of the runs, and what they used. An entry's id says in which month it belongs: that of the run whose time it
    // has.
    let mut entries: BTreeMap<_, (&NewRun, Amounts)> = BTreeMap::new();
    for (rows, run) in ended(runs) {
        let second = run.created_ms.div_euclid(1_000);
        let mut add = |plugin, used: &Amounts| {
            let alike = (run.key_id, second, &run.pipeline_name, plugin);
            let (first, sum) = entries.entry(alike).or_insert((run, Amounts::default()));
            if run.created_ms < first.created_ms {
                *first = run;
            }
            sum.add(used);
        };
        add(None, &own(rows, run));
        for attempt in &rows.attempts {
            add(Some(&attempt.plugin), &of_call(attempt));
        }
    }
    let numbered = (0..).zip(entries);
    numbered
        .map(|(ordinal, ((key_id, _, pipeline, plugin), (first, sum)))| {
            Ok(NewUsage {
                run_id: first.id,
                ordinal,
                key_id,
                at_ms: first.created_ms,
                pipeline: pipeline.clone(),
                plugin: plugin.cloned(),
                runs: size_out(sum.runs)?,
                runs_failed: size_out(sum.runs_failed)?,
                calls: size_out(sum.calls)?,
                calls_reused: size_out(sum.calls_reused)?,
                cpu_us: size_out(sum.cpu_us)?,
                input_bytes: size_out(sum.input_bytes)?,
                host_call_bytes: size_out(sum.host_call_bytes)?,
                pages: size_out(sum.pages)?,
            })
        })
        .collect()
}

/// What a run used by itself.
fn own(rows: &Rows, run: &NewRun) -> Amounts {
    let pages: i64 = rows.readings.iter().map(|r| i64::from(r.page_count)).sum();
    Amounts {
        runs: 1,
        runs_failed: u64::from(run.status == Status::Failed.as_str()),
        input_bytes: size_in(rows.input_bytes),
        pages: size_in(pages),
        ..Amounts::default()
    }
}

fn of_call(attempt: &NewAttempt) -> Amounts {
    Amounts {
        calls: 1,
        calls_reused: u64::from(attempt.reused),
        cpu_us: size_in(attempt.cpu_us),
        host_call_bytes: size_in(attempt.host_call_bytes),
        ..Amounts::default()
    }
}

/// The ends of runs of one pipeline, key, user and client are an entry together. The second: for each run, the entry that it shares.
fn audit(runs: &[&Rows]) -> Result<(Vec<NewAudit>, Vec<Option<Uuid>>), StoreError> {
    let mut alike: BTreeMap<_, Vec<&NewRun>> = BTreeMap::new();
    for (_, run) in ended(runs) {
        let who = (&run.pipeline_name, run.key_id, run.user_id, &run.client_ip);
        alike.entry(who).or_default().push(run);
    }
    let mut shared = HashMap::new();
    let mut entries = Vec::new();
    let chunks = alike.values().flat_map(|runs| {
        let on_behalf = runs.iter().any(|run| run.subject.is_some());
        runs.chunks(if on_behalf { MOST_ON_BEHALF } else { MOST_TOGETHER })
    });
    for together in chunks {
        let entry = end(together)?;
        if together.len() > 1 {
            shared.extend(together.iter().map(|run| (run.id, entry.id)));
        }
        entries.push(entry);
    }
    let ends = runs.iter().flat_map(|rows| &rows.runs);
    let ends = ends.map(|run| shared.get(&run.id).copied()).collect();
    Ok((entries, ends))
}

/// The end of runs that differ in nothing but their ids, requests and times.
fn end(together: &[&NewRun]) -> Result<NewAudit, StoreError> {
    let latest = together.iter().filter_map(|run| run.finished_ms).max();
    let (Some(run), Some(at_ms)) = (together.first(), latest) else {
        return Err(StoreError::invalid("there is no end without a run".to_owned()));
    };
    let alone = together.len() == 1;
    let named = |run: &NewRun, value: String| (RunId::from(run.id).to_string(), Value::String(value));
    let mut detail = Map::new();
    if let Some(user) = run.user_id {
        detail.insert(BY_USER.to_owned(), json!(UserId::from(user).to_string()));
    }
    if alone {
        detail.extend(
            run.subject
                .iter()
                .map(|subject| (ON_BEHALF_OF.to_owned(), json!(subject))),
        );
    } else {
        let requests = together
            .iter()
            .map(|run| named(run, RequestId::from(run.request_id).to_string()));
        detail.insert(ENDED_TOGETHER.to_owned(), requests.collect::<Map<_, _>>().into());
        let subjects = together
            .iter()
            .filter_map(|run| Some(named(run, run.subject.clone()?)));
        let subjects: Map<_, _> = subjects.collect();
        if !subjects.is_empty() {
            detail.insert(ON_BEHALF_OF.to_owned(), subjects.into());
        }
    }
    Ok(NewAudit {
        id: if alone { run.id } else { AuditId::new().uuid() },
        at_ms,
        action: RUN_FINISH.to_owned(),
        subject: run.pipeline_name.clone(),
        key_id: run.key_id,
        client_ip: run.client_ip.clone(),
        request_id: alone.then_some(run.request_id),
        detail: (!detail.is_empty()).then(|| json_text(&detail)).transpose()?,
    })
}

fn ended<'a>(runs: &[&'a Rows]) -> impl Iterator<Item = (&'a Rows, &'a NewRun)> {
    let all = runs
        .iter()
        .flat_map(|rows| rows.runs.iter().map(|run| (*rows, run)));
    all.filter(|(_, run)| run.finished_ms.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A finished run that was admitted in that millisecond, with a call that took so long.
    fn rows(pipeline: &str, key: Option<Uuid>, created_ms: i64, cpu_us: i64) -> Rows {
        let id = RunId::new().uuid();
        let run = NewRun {
            id,
            pipeline_id: id,
            pipeline_name: pipeline.to_owned(),
            pipeline_version_id: id,
            version_number: 1,
            durability: "result".to_owned(),
            retain: "result".to_owned(),
            status: "succeeded".to_owned(),
            verdict: None,
            error_code: None,
            error: None,
            output: None,
            params: "{}".to_owned(),
            plugins: Vec::new(),
            key_id: key,
            client_ip: None,
            request_id: RequestId::new().uuid(),
            created_ms,
            started_ms: Some(created_ms),
            finished_ms: Some(created_ms + 10),
            tier: "D".to_owned(),
            user_id: None,
            subject: None,
        };
        let call = NewAttempt {
            run_id: id,
            step_ordinal: 0,
            ordinal: 0,
            id,
            plugin: "a/b@1.0.0".to_owned(),
            error: None,
            wall_us: 0,
            cpu_us,
            peak_memory_bytes: 0,
            host_calls: 0,
            host_call_bytes: 0,
            log_dropped_bytes: 0,
            effects: Vec::new(),
            log: None,
            reused: false,
        };
        Rows {
            runs: vec![run],
            attempts: vec![call],
            input_bytes: 3,
            ..Rows::default()
        }
    }

    fn shared(all: &[Rows]) -> Shared {
        Shared::of(&all.iter().collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn a_lone_run_has_entries_of_its_own() {
        let one = [rows("a", None, 1_999, 7)];
        let (run, shared) = (&one[0].runs[0], shared(&one));
        assert_eq!(shared.ends, [None]);
        assert_eq!((shared.audit.len(), shared.usage.len()), (1, 2));
        let audit = &shared.audit[0];
        assert_eq!((audit.id, audit.at_ms), (run.id, 2_009));
        assert_eq!((audit.request_id, &audit.detail), (Some(run.request_id), &None));
        let (own, plugin) = (&shared.usage[0], &shared.usage[1]);
        assert_eq!((own.run_id, own.ordinal, own.at_ms), (run.id, 0, 1_999));
        assert_eq!((own.runs, own.input_bytes, own.calls), (1, 3, 0));
        assert_eq!((plugin.run_id, plugin.ordinal, plugin.cpu_us), (run.id, 1, 7));
        assert_eq!((plugin.plugin.as_deref(), plugin.runs), (Some("a/b@1.0.0"), 0));
    }

    #[test]
    fn runs_that_are_alike_share_entries_and_others_do_not() {
        let key = Some(Uuid::now_v7());
        let all = [
            rows("a", None, 1_500, 1),
            rows("a", key, 1_500, 2),
            rows("a", None, 1_200, 4),
            rows("b", None, 1_500, 8),
            rows("a", None, 2_000, 16),
        ];
        let shared = shared(&all);
        // Of key and pipeline together, whenever they were admitted.
        let alike = shared.audit.iter().find(|entry| entry.detail.is_some()).unwrap();
        let end = Some(alike.id);
        assert_eq!(shared.ends, [end, None, end, None, end]);
        assert_eq!(
            (shared.audit.len(), alike.at_ms, alike.request_id),
            (3, 2_010, None)
        );
        let detail: Value = serde_json::from_str(alike.detail.as_deref().unwrap()).unwrap();
        let named = detail["runs"].as_object().unwrap();
        assert_eq!(named.len(), 3);
        for n in [0, 2, 4] {
            let run = &all[n].runs[0];
            let request = RequestId::from(run.request_id).to_string();
            assert_eq!(named[&RunId::from(run.id).to_string()], request);
        }

        // Of the same second besides; the first of them tells the time.
        let calls: Vec<_> = shared.usage.iter().filter(|entry| entry.calls > 0).collect();
        let mut sums: Vec<_> = calls.iter().map(|c| (c.at_ms, c.calls, c.cpu_us)).collect();
        sums.sort_unstable();
        assert_eq!(
            sums,
            [(1_200, 2, 5), (1_500, 1, 2), (1_500, 1, 8), (2_000, 1, 16)]
        );
        let both = calls.iter().find(|entry| entry.calls == 2).unwrap();
        assert_eq!(both.run_id, all[2].runs[0].id, "whose time it has");
        let places: std::collections::HashSet<_> =
            shared.usage.iter().map(|e| (e.run_id, e.ordinal)).collect();
        assert_eq!((places.len(), shared.usage.len()), (8, 8));
    }

    #[test]
    fn an_entry_has_room_for_its_runs() {
        let all: Vec<Rows> = (0..600).map(|_| rows("a", None, 1_000, 1)).collect();
        let shared = shared(&all);
        assert_eq!((shared.audit.len(), shared.usage.len()), (3, 2));
        assert!(
            shared
                .audit
                .iter()
                .all(|entry| entry.detail.as_ref().unwrap().len() < 32 << 10)
        );
        assert!(shared.ends.iter().all(Option::is_some));
    }

    #[test]
    fn the_user_and_the_end_users_stand_in_an_entry() {
        let user = Uuid::now_v7();
        let by = |subject: Option<&str>| {
            let mut rows = rows("a", None, 1_000, 1);
            rows.runs[0].user_id = Some(user);
            rows.runs[0].subject = subject.map(str::to_owned);
            rows
        };
        let detail = |shared: &Shared| -> Vec<Value> {
            let details = shared.audit.iter().filter_map(|entry| entry.detail.as_deref());
            details.map(|text| serde_json::from_str(text).unwrap()).collect()
        };
        let by_user = UserId::from(user).to_string();
        let alone = shared(&[by(Some("anna"))]);
        assert_eq!(
            detail(&alone),
            [json!({ "by_user": by_user, "on_behalf_of": "anna" })]
        );
        assert_eq!(detail(&shared(&[by(None)])), [json!({ "by_user": by_user })]);

        // Of the same user together, whoever it was for; of another one, or of a service, apart.
        let all = [
            by(Some("anna")),
            by(None),
            by(Some("b")),
            rows("a", None, 1_000, 1),
        ];
        let together = shared(&all);
        assert_eq!(together.audit.len(), 2);
        let together = detail(&together);
        assert_eq!((together.len(), &together[0]["by_user"]), (1, &json!(by_user)));
        let id = |n: usize| RunId::from(all[n].runs[0].id).to_string();
        assert_eq!(together[0]["on_behalf_of"], json!({ id(0): "anna", id(2): "b" }));
        assert_eq!(together[0]["runs"].as_object().unwrap().len(), 3);

        // The longest names, which double as JSON, have room.
        let long = "\"".repeat(200);
        let many: Vec<Rows> = (0..200).map(|_| by(Some(&long))).collect();
        let sizes: Vec<usize> = shared(&many)
            .audit
            .iter()
            .map(|e| e.detail.as_ref().unwrap().len())
            .collect();
        assert_eq!(sizes.len(), 4);
        assert!(sizes.iter().all(|size| *size < 64 << 10), "{sizes:?}");
    }

    #[test]
    fn documents_of_before_are_told_with_their_runs() {
        let mut all = [
            rows("a", None, 1, 1),
            rows("a", None, 1, 1),
            rows("a", None, 1, 1),
        ];
        all[0].inherited = vec![Uuid::now_v7(), Uuid::now_v7()];
        all[2].inherited = vec![Uuid::now_v7()];
        let [first, _, last] = all.each_ref().map(|rows| rows.runs[0].id);
        assert_eq!(shared(&all).heirs, [first, first, last]);
    }

    #[test]
    fn a_run_that_was_only_accepted_has_no_entries() {
        let mut one = rows("a", None, 1, 1);
        one.runs[0].finished_ms = None;
        let shared = shared(&[one]);
        assert_eq!(
            (shared.usage, shared.audit, shared.ends),
            (vec![], vec![], vec![None])
        );
    }
}
