-- Asynchronous runs: accepted by one commit, worked on later by whichever worker claims them, finished once.
--
-- A run waits as a row of docmill.job beside its row of docmill.run. The job says all that a worker needs (the head of the run,
-- which plan); it goes when the run ends, so the queue is as large as what there is to do.
--
--   ready ──claim──▶ leased ──finish──▶ gone (the run is succeeded or failed, in the same commit)
--     ▲                │
--     ├──its worker is gone, or hands it back
--   delayed ◀──────────┘ a transient failure: later again
--
-- A claim raises `fence`. Whoever finishes, checkpoints or hands back names worker and fence, and nothing happens unless they are
-- the job's: a worker that slept through its lease changes nothing. Time is the database's everywhere, so that clocks of hosts do
-- not matter. Claims do not wait for the disk: one that a crash forgets leaves the job ready, as it was, and its worker's later
-- writes fail (any write that lasts comes after the claim in the log, and makes it last, too).

alter table docmill.run drop constraint run_status_check, drop constraint run_durability_check;
alter table docmill.run
    add constraint run_status_check check (status in ('queued', 'running', 'succeeded', 'failed', 'cancelled')),
    add constraint run_durability_check check (durability in ('result', 'accepted', 'steps'));
do $$
declare
    old record;
begin
    -- Written without a name in 0004.
    for old in
        select conname, pg_get_constraintdef(oid) as says from pg_constraint
        where conrelid = 'docmill.run'::regclass and contype = 'c'
    loop
        if old.says ilike '%''running''%finished_at IS NULL%' then
            execute format('alter table docmill.run drop constraint %I', old.conname);
        end if;
    end loop;
end
$$;
alter table docmill.run add constraint run_ended_check check ((status in ('queued', 'running')) = (finished_at is null));

-- A run that was queued is finished like one that was accepted.
do $$
declare
    before constant text := 'r.status = ''running''';
    said text := pg_get_functiondef(p.oid) from pg_proc p
        where p.pronamespace = 'docmill'::regnamespace and p.proname = 'write_runs';
begin
    if length(said) - length(replace(said, before, '')) <> length(before) then
        raise exception 'docmill.write_runs is not as 0015 left it';
    end if;
    said := replace(said, before, 'r.status in (''queued'', ''running'')');
    -- Several that are finished together share an entry of the audit log, as new ones do.
    said := replace(said, $old$            finished_at = docmill.time_at(n.finished_ms)
        from unnest(runs) n
$old$, $new$            finished_at = docmill.time_at(n.finished_ms), ended_in = n.ended_in
        from unnest(runs, ends) n(id, pipeline_id, pipeline_name, pipeline_version_id, version_number, durability, retain,
            status, verdict, error_code, error, output, params, plugins, key_id, client_ip, request_id, created_ms,
            started_ms, finished_ms, tier, user_id, subject, ended_in)
$new$);
    if position('ended_in = n.ended_in' in said) = 0 then
        raise exception 'docmill.write_runs is not as 0015 left it';
    end if;
    execute said;
end
$$;
grant update (ended_in) on docmill.run to docmill_app;

-- What a run executes, for ever: the definition with every plugin at one version. Kept once for all runs of it.
create table docmill.plan (
    tenant_id  uuid        not null references docmill.tenant,
    digest     bytea       not null check (octet_length(digest) = 32),     -- SHA-256 of body
    body       json        not null,
    created_at timestamptz not null default now(),
    primary key (tenant_id, digest)
);
select docmill.protect('docmill.plan', 'select, insert');

-- A run that is to be worked on, or is.
create table docmill.job (
    tenant_id   uuid         not null,
    run_id      uuid         not null,
    pipeline_id uuid         not null,
    plan        bytea        not null,
    state       text         not null check (state in ('ready', 'delayed', 'leased')),
    priority    smallint     not null default 0,      -- within its tenant; higher first
    ready_at    timestamptz  not null,                -- since when it could begin: its place among others
    not_before  timestamptz,                          -- of a delayed one
    attempt     integer      not null default 0 check (attempt >= 0),   -- claims, but for those handed back untouched
    fence       bigint       not null default 0 check (fence >= 0),
    worker_id   uuid,
    leased_at   timestamptz,
    clearance   docmill.tier not null,                -- of who asked
    last_error  json,                                 -- of the attempt before
    head        json         not null,                -- the run before work starts
    primary key (tenant_id, run_id),
    check ((state = 'leased') = (worker_id is not null)),
    check ((state = 'delayed') = (not_before is not null))
) with (fillfactor = 60, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000,
    autovacuum_vacuum_cost_delay = 0, autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 5000);
-- Tenants and pipelines with something to do are found by skipping through it, and what is next in each.
create index job_ready on docmill.job (tenant_id, pipeline_id, priority desc, ready_at, run_id) where state = 'ready';
create index job_delayed on docmill.job (not_before) where state = 'delayed';
create index job_leased on docmill.job (worker_id) where state = 'leased';
select docmill.protect('docmill.job', 'select, insert');
select docmill.follow_run('docmill.job');
create policy owner on docmill.job to docmill_owner using (true) with check (true);

-- The turn of a tenant among all (start-time fair queueing), and what it has set for all its runs.
create table docmill.queue (
    tenant_id uuid             not null references docmill.tenant,
    turn      double precision not null default 0,    -- the virtual time at which its next run may start
    weight    real             not null default 1 check (weight between 0.01 and 100),
    most      integer          check (most > 0),      -- runs at work at once
    paused_at timestamptz,
    primary key (tenant_id)
);
select docmill.protect('docmill.queue', 'select, insert (tenant_id, paused_at), update (paused_at)');
create policy owner on docmill.queue to docmill_owner using (true) with check (true);

create table docmill.pipeline_queue (
    tenant_id   uuid        not null,
    pipeline_id uuid        not null,
    most        integer     check (most > 0),         -- runs at work at once
    paused_at   timestamptz,
    primary key (tenant_id, pipeline_id)
);
select docmill.protect('docmill.pipeline_queue', 'select, insert, update (most, paused_at)');
create policy owner on docmill.pipeline_queue to docmill_owner using (true) with check (true);

-- The virtual time: when the run that started last was to start. One row.
create table docmill.queue_clock (
    one  boolean          not null primary key default true check (one),
    turn double precision not null
);
insert into docmill.queue_clock (turn) values (0);
alter table docmill.queue_clock enable row level security, force row level security;
create policy owner on docmill.queue_clock to docmill_owner using (true) with check (true);

-- Who works. A worker that does not say that it is there loses what it leased.
create table docmill.worker (
    id          uuid        not null primary key,
    host        text        not null,
    release     text        not null,
    started_at  timestamptz not null default now(),
    beat_at     timestamptz not null default now(),
    lease_until timestamptz not null,
    draining    boolean     not null default false,
    doing       json        not null,                 -- runs at work: ids, pipelines, since when; no values
    ended_at    timestamptz                           -- said goodbye, or was given up
);
alter table docmill.worker enable row level security, force row level security;
create policy owner on docmill.worker to docmill_owner using (true) with check (true);

-- What a step of a queued run came to, so that whoever takes the run over goes on after it.
create table docmill.checkpoint (
    tenant_id uuid    not null,
    run_id    uuid    not null,
    step      integer not null,                       -- in the plan, from 0
    body      bytea   not null,
    primary key (tenant_id, run_id, step)
);
select docmill.protect('docmill.checkpoint', 'select');
select docmill.follow_run('docmill.checkpoint');
create policy owner on docmill.checkpoint to docmill_owner using (true) with check (true);

-- A request that a client may send again: the first that came with the key made this run.
create table docmill.idempotency_key (
    tenant_id  uuid        not null references docmill.tenant,
    key        text        not null check (octet_length(key) between 1 and 255),
    request    bytea       not null check (octet_length(request) = 32),    -- digest of what was asked
    run_id     uuid        not null,
    expires_at timestamptz not null,
    primary key (tenant_id, key)
);
create index idempotency_key_expires on docmill.idempotency_key (expires_at);
select docmill.protect('docmill.idempotency_key', 'select, insert, update (request, run_id, expires_at)');
create policy owner on docmill.idempotency_key to docmill_owner using (true) with check (true);

create type docmill.new_job as (
    run_id uuid, pipeline_id uuid, plan bytea, priority smallint, delay_ms bigint, clearance text, head text);
create type docmill.new_key as (key text, request bytea, run_id uuid, lasts_ms bigint);

-- Accepts runs: as docmill.write_runs does, with a job for each that is to be worked on later, and the keys that they came with.
-- Raises DM003 when a key is in use for another run. A run that failed for a reason that passes frees its key.
create function docmill.accept_runs(
    tenant uuid, accepted boolean, runs docmill.new_run_2[], ends uuid[], heirs uuid[], inherited uuid[],
    sources docmill.new_source_2[], inputs docmill.new_input[],
    lookups docmill.new_lookup[], readings docmill.new_reading[], pages docmill.new_page[], steps docmill.new_step[],
    attempts docmill.new_attempt[], fields docmill.new_field[], checks docmill.new_check[],
    citations docmill.new_citation[], artifacts docmill.new_artifact[], outputs docmill.new_output[],
    usage docmill.new_usage_2[], audit docmill.new_audit[], jobs docmill.new_job[], keys docmill.new_key[],
    passing text[]
) returns table (given uuid, instead uuid)
    language plpgsql
    as $$
#variable_conflict use_column
declare
    taken bigint;
begin
    -- It sets tenant and clearance for this transaction.
    return query
    select w.given, w.instead
    from docmill.write_runs(tenant, accepted, runs, ends, heirs, inherited, sources, inputs, lookups, readings, pages, steps,
        attempts, fields, checks, citations, artifacts, outputs, usage, audit) w;
    if cardinality(keys) > 0 then
        insert into docmill.idempotency_key as k (tenant_id, key, request, run_id, expires_at)
        select tenant, n.key, n.request, n.run_id, now() + n.lasts_ms * interval '1 millisecond' from unnest(keys) n
        on conflict (tenant_id, key) do update
        set request = excluded.request, run_id = excluded.run_id, expires_at = excluded.expires_at
        where k.expires_at < now() or exists (
            select from docmill.run r
            where r.tenant_id = k.tenant_id and r.id = k.run_id and r.error_code = any (passing));
        get diagnostics taken = row_count;
        if taken <> cardinality(keys) then
            raise exception using errcode = 'DM003', message = 'the key was used for another run';
        end if;
    end if;
    if cardinality(jobs) > 0 then
        insert into docmill.job (tenant_id, run_id, pipeline_id, plan, state, priority, ready_at, not_before, clearance, head)
        select tenant, n.run_id, n.pipeline_id, n.plan, case when n.delay_ms > 0 then 'delayed' else 'ready' end, n.priority,
            now() + n.delay_ms * interval '1 millisecond',
            case when n.delay_ms > 0 then now() + n.delay_ms * interval '1 millisecond' end,
            n.clearance::docmill.tier, n.head::json
        from unnest(jobs) n;
    end if;
end
$$;
grant execute on function docmill.accept_runs(uuid, boolean, docmill.new_run_2[], uuid[], uuid[], uuid[],
    docmill.new_source_2[], docmill.new_input[], docmill.new_lookup[], docmill.new_reading[], docmill.new_page[],
    docmill.new_step[], docmill.new_attempt[], docmill.new_field[], docmill.new_check[], docmill.new_citation[],
    docmill.new_artifact[], docmill.new_output[], docmill.new_usage_2[], docmill.new_audit[], docmill.new_job[],
    docmill.new_key[], text[]
) to docmill_app;

-- Takes the jobs of runs that are being finished out of the queue, in the transaction that finishes them. Raises DM002 unless every
-- one of them is this worker's, under this fence. Gives true, for docmill.write_runs to depend on.
create function docmill.end_jobs(tenant uuid, of_worker uuid, runs uuid[], fences bigint[]) returns boolean
    language plpgsql security definer
    set search_path = pg_catalog, pg_temp set enable_seqscan = off set plan_cache_mode = force_generic_plan
    as $$
declare
    ended bigint;
begin
    delete from docmill.job j
    using unnest(runs, fences) n(run, fence)
    where j.tenant_id = tenant and j.run_id = n.run and j.fence = n.fence and j.worker_id = of_worker
        and j.state = 'leased';
    get diagnostics ended = row_count;
    if ended <> cardinality(runs) then
        raise exception using errcode = 'DM002',
            message = 'the run is not this worker''s any more: it was taken over, cancelled or finished';
    end if;
    delete from docmill.checkpoint c where c.tenant_id = tenant and c.run_id = any (runs);
    return true;
end
$$;
grant execute on function docmill.end_jobs(uuid, uuid, uuid[], bigint[]) to docmill_app;

-- Keeps what a step came to, if the run is still this worker's; whether it is. As the owner, because who locks a row may otherwise
-- change it.
create function docmill.keep_checkpoint(
    tenant uuid, of_worker uuid, run uuid, under_fence bigint, of_step integer, content bytea
) returns boolean
    language plpgsql security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off
    as $$
begin
    perform from docmill.job j
    where j.tenant_id = tenant and j.run_id = run and j.fence = under_fence and j.worker_id = of_worker
        and j.state = 'leased'
    -- Whoever takes the run over waits for this step, or this worker finds that it has.
    for share;
    if not found then
        return false;
    end if;
    insert into docmill.checkpoint (tenant_id, run_id, step, body) values (tenant, run, of_step, content)
    on conflict (tenant_id, run_id, step) do nothing;
    return true;
end
$$;
grant execute on function docmill.keep_checkpoint(uuid, uuid, uuid, bigint, integer, bytea) to docmill_app;

-- Says that a worker is there, for so long, and what it does. Gives the runs that it holds, so that it lets go of others, and one
-- row of nulls; no row at all when it was given up: then it is nobody, and starts anew under another id.
create function docmill.beat(
    of_worker uuid, of_host text, of_release text, lease_ms bigint, drains boolean, does json
) returns table (run_id uuid, fence bigint)
    language plpgsql security definer set search_path = pg_catalog, pg_temp
    as $$
#variable_conflict use_column
begin
    perform set_config('synchronous_commit', 'off', true);
    insert into docmill.worker as w (id, host, release, lease_until, draining, doing)
    values (of_worker, of_host, of_release, now() + lease_ms * interval '1 millisecond', drains, does)
    on conflict (id) do update
    set beat_at = now(), lease_until = excluded.lease_until, draining = excluded.draining, doing = excluded.doing
    where w.ended_at is null;
    if not found then
        return;
    end if;
    return query
    select j.run_id, j.fence from docmill.job j where j.worker_id = of_worker and j.state = 'leased'
    union all
    select null, null;
end
$$;
grant execute on function docmill.beat(uuid, text, text, bigint, boolean, json) to docmill_app;

-- Claims up to `want` jobs for a worker: tenants in turn (start-time fair queueing over their weights), within one by priority and
-- then by age, never more at work than tenant and pipeline allow; whoever may have none more at work holds nobody up. One claim at a
-- time, so that the order is exact; it takes a millisecond or two and brings many jobs. What it gives is small, because nobody else
-- can claim until it was read: heads are read afterwards, by docmill.job_heads.
--
-- A fence is never given twice, not even if a crash forgets a claim and its worker claims again: it is the time, if that is more.
create function docmill.claim_jobs(of_worker uuid, want integer)
    returns table (tenant_id uuid, run_id uuid, fence bigint, attempt integer, plan bytea, clearance text, waited_ms bigint)
    language plpgsql security definer
    set search_path = pg_catalog, pg_temp set enable_seqscan = off set plan_cache_mode = force_generic_plan set jit = off
    as $$
#variable_conflict use_column
declare
    clock double precision;
begin
    perform set_config('synchronous_commit', 'off', true);
    perform pg_advisory_xact_lock(hashtext('docmill queue'));
    perform from docmill.worker w where w.id = of_worker and w.ended_at is null and w.lease_until > now();
    if not found then
        return;
    end if;
    update docmill.job j set state = 'ready', not_before = null
    from (
        select d.tenant_id, d.run_id from docmill.job d
        where d.state = 'delayed' and d.not_before <= now() order by d.not_before limit 1000
    ) due
    where j.tenant_id = due.tenant_id and j.run_id = due.run_id;
    select c.turn into clock from docmill.queue_clock c where c.one;

    return query
    with recursive waiting as (
        (select j.tenant_id, j.pipeline_id from docmill.job j
         where j.state = 'ready' order by j.tenant_id, j.pipeline_id limit 1)
        union all
        select next.tenant_id, next.pipeline_id
        from waiting w cross join lateral (
            select j.tenant_id, j.pipeline_id from docmill.job j
            where j.state = 'ready' and (j.tenant_id, j.pipeline_id) > (w.tenant_id, w.pipeline_id)
            order by j.tenant_id, j.pipeline_id limit 1
        ) next
    ), at_work as (
        select j.tenant_id, j.pipeline_id, count(*) as runs from docmill.job j
        where j.state = 'leased' group by j.tenant_id, j.pipeline_id
    ), lanes as (
        select w.tenant_id, w.pipeline_id, coalesce(p.most - coalesce(a.runs, 0), want) as room
        from waiting w
        left join docmill.pipeline_queue p on p.tenant_id = w.tenant_id and p.pipeline_id = w.pipeline_id
        left join at_work a on a.tenant_id = w.tenant_id and a.pipeline_id = w.pipeline_id
        where p.paused_at is null and (p.most is null or p.most > coalesce(a.runs, 0))
    ), tenants as (
        -- Of those that may have one more at work, those whose turn comes first; more than there are places cannot be served.
        select t.tenant_id, coalesce(q.weight, 1)::double precision as weight, greatest(coalesce(q.turn, 0), clock) as turn,
            r.room
        from (select distinct l.tenant_id from lanes l) t
        left join docmill.queue q on q.tenant_id = t.tenant_id
        cross join lateral (
            select coalesce(q.most - coalesce((
                select sum(a.runs)::bigint from at_work a where a.tenant_id = t.tenant_id), 0), want) as room
        ) r
        where q.paused_at is null and r.room > 0
        order by greatest(coalesce(q.turn, 0), clock), t.tenant_id
        limit want
    ), ranked as (
        select l.tenant_id, j.run_id, j.ready_at,
            row_number() over (partition by l.tenant_id order by j.priority desc, j.ready_at, j.run_id) as place
        from lanes l
        join tenants t on t.tenant_id = l.tenant_id
        cross join lateral (
            select j.run_id, j.priority, j.ready_at from docmill.job j
            where j.state = 'ready' and j.tenant_id = l.tenant_id and j.pipeline_id = l.pipeline_id
            order by j.priority desc, j.ready_at, j.run_id
            limit least(want, l.room, t.room)
        ) j
    ), chosen as (
        select r.tenant_id, r.run_id, t.turn + (r.place - 1) / t.weight as starts, t.weight
        from ranked r join tenants t on t.tenant_id = r.tenant_id
        where r.place <= t.room
        order by starts, r.ready_at, r.run_id
        limit want
    ), turns as (
        insert into docmill.queue as q (tenant_id, turn)
        select c.tenant_id, max(c.starts + 1 / c.weight) from chosen c group by c.tenant_id
        on conflict (tenant_id) do update set turn = excluded.turn
    ), ticked as (
        update docmill.queue_clock c set turn = s.last
        from (select max(c.starts) as last from chosen c) s
        where c.one and s.last > c.turn
    ), leased as (
        update docmill.job j
        set state = 'leased', attempt = j.attempt + 1, worker_id = of_worker, leased_at = now(),
            fence = greatest(j.fence + 1, (extract(epoch from clock_timestamp()) * 1000000)::bigint)
        from chosen c
        -- Still ready: nobody else claims meanwhile. (The state is not asked for again, so that the primary key is used.)
        where j.tenant_id = c.tenant_id and j.run_id = c.run_id
        returning j.tenant_id, j.run_id, j.fence, j.attempt, j.plan, j.clearance, j.ready_at, c.starts
    )
    select l.tenant_id, l.run_id, l.fence, l.attempt, l.plan, l.clearance::text,
        greatest(0, (extract(epoch from clock_timestamp() - l.ready_at) * 1000)::bigint)
    from leased l
    order by l.starts, l.ready_at, l.run_id;
end
$$;
grant execute on function docmill.claim_jobs(uuid, integer) to docmill_app;

-- The heads of runs that a worker holds, what they demand of those who look at them now, and whether steps of them were kept. A head
-- holds the texts and records that a client sent: of `most_bytes` together, in the order of `runs`; of those beyond it, null. The
-- first is always given.
create function docmill.job_heads(of_worker uuid, runs uuid[], most_bytes bigint)
    returns table (run_id uuid, fence bigint, head text, tier text, checkpoints boolean)
    language sql stable security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off set jit = off
    as $$
    select h.run_id, h.fence, case when h.place = 1 or h.bytes <= most_bytes then h.head end, h.tier, h.checkpoints
    from (
        select j.run_id, j.fence, j.head::text as head, r.tier::text as tier, row_number() over (order by n.place) as place,
            sum(octet_length(j.head::text)) over (order by n.place) as bytes,
            exists (
                select from docmill.checkpoint c where c.tenant_id = j.tenant_id and c.run_id = j.run_id) as checkpoints
        from unnest(runs) with ordinality n(run, place)
        join docmill.job j on j.run_id = n.run
        join docmill.run r on r.tenant_id = j.tenant_id and r.id = j.run_id
        where j.worker_id = of_worker and j.state = 'leased'
    ) h
$$;
grant execute on function docmill.job_heads(uuid, uuid[], bigint) to docmill_app;

-- Gives jobs back that are this worker's: ready at once and as if it had never had them (`spent` false: it is told to stop), or after
-- a while. The number of those that were its own.
create function docmill.return_jobs(
    of_worker uuid, runs uuid[], fences bigint[], delays_ms bigint[], spent boolean[], errors text[]
) returns bigint
    language plpgsql security definer set search_path = pg_catalog, pg_temp
    as $$
declare
    returned bigint;
begin
    update docmill.job j
    set state = case when n.delay_ms > 0 then 'delayed' else 'ready' end, worker_id = null, leased_at = null,
        not_before = case when n.delay_ms > 0 then now() + n.delay_ms * interval '1 millisecond' end,
        attempt = j.attempt - case when n.spent then 0 else 1 end,
        last_error = coalesce(n.error::json, j.last_error)
    from unnest(runs, fences, delays_ms, spent, errors) n(run, fence, delay_ms, spent, error)
    where j.worker_id = of_worker and j.state = 'leased' and j.run_id = n.run and j.fence = n.fence;
    get diagnostics returned = row_count;
    return returned;
end
$$;
grant execute on function docmill.return_jobs(uuid, uuid[], bigint[], bigint[], boolean[], text[]) to docmill_app;

-- What the inputs of a run hold together, for its entry in the ledger.
create function docmill.input_bytes(of_tenant uuid, run uuid) returns bigint
    language sql stable
    as $$
    select coalesce(sum(coalesce(i.size, octet_length(i.text), octet_length(i.record::text))), 0)::bigint
    from docmill.run_input i where i.tenant_id = of_tenant and i.run_id = run
$$;

-- Ends runs for good of which nothing but a failure can be written: what a worker holds under these fences. Of them the ledger has
-- that they were; what their calls used is nowhere. The number of those that were its own.
create function docmill.fail_jobs(of_worker uuid, runs uuid[], fences bigint[], failure json) returns bigint
    language sql security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off set jit = off
    as $$
    with gone as (
        delete from docmill.job j
        using unnest(runs, fences) n(run, fence)
        where j.worker_id = of_worker and j.state = 'leased' and j.run_id = n.run and j.fence = n.fence
        returning j.tenant_id, j.run_id
    ), forgotten as (
        delete from docmill.checkpoint c using gone g where c.tenant_id = g.tenant_id and c.run_id = g.run_id
    ), lost as (
        update docmill.run r
        set status = 'failed', error_code = failure ->> 'code', error = failure, started_at = r.created_at,
            finished_at = greatest(now(), r.created_at)
        from gone g
        where r.tenant_id = g.tenant_id and r.id = g.run_id and r.status = 'queued'
        returning r.tenant_id, r.id, r.key_id, r.request_id, r.pipeline_name, r.created_at
    ), used as (
        insert into docmill.usage_entry (tenant_id, run_id, ordinal, key_id, at, pipeline, runs, runs_failed, input_bytes)
        select l.tenant_id, l.id, 0, l.key_id, l.created_at, l.pipeline_name, 1, 1,
            docmill.input_bytes(l.tenant_id, l.id)
        from lost l
    ), written as (
        insert into docmill.audit_entry (tenant_id, id, at, action, subject, key_id, request_id)
        select l.tenant_id, l.id, now(), 'run.lost', l.id::text, l.key_id, l.request_id from lost l
    )
    select count(*) from gone
$$;
grant execute on function docmill.fail_jobs(uuid, uuid[], bigint[], json) to docmill_app;

-- Gives up workers whose lease is over, or the one that says goodbye: what they had is ready again (of the latter as if it had never
-- had it), and what had its attempts is failed for good, with `failure`. Numbers of workers, jobs and runs that failed.
create function docmill.reap_workers(leaving uuid, most_attempts integer, failure json)
    returns table (workers bigint, jobs bigint, failed bigint)
    language plpgsql security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off set jit = off
    as $$
#variable_conflict use_column
declare
    gone uuid[];
    worker uuid;
    freed bigint;
    ended bigint := 0;
begin
    perform pg_advisory_xact_lock(hashtext('docmill queue'));
    with given_up as (
        update docmill.worker w set ended_at = now()
        where w.ended_at is null and (w.lease_until < now() or w.id = leaving)
        returning w.id
    )
    select coalesce(array_agg(g.id), '{}') into gone from given_up g;
    foreach worker in array gone loop
        continue when worker = leaving;
        ended := ended + (
            select docmill.fail_jobs(worker, coalesce(array_agg(j.run_id), '{}'), coalesce(array_agg(j.fence), '{}'), failure)
            from docmill.job j
            where j.worker_id = worker and j.state = 'leased' and j.attempt >= most_attempts);
    end loop;
    update docmill.job j
    set state = 'ready', worker_id = null, leased_at = null,
        attempt = j.attempt - case when j.worker_id = leaving then 1 else 0 end
    where j.state = 'leased' and j.worker_id = any (gone);
    get diagnostics freed = row_count;
    return query select cardinality(gone)::bigint, freed, ended;
end
$$;
grant execute on function docmill.reap_workers(uuid, integer, json) to docmill_app;

-- Those that are there, and those that went within the last hour.
create function docmill.workers()
    returns table (id uuid, host text, release text, started_ms bigint, beat_ms bigint, late boolean, draining boolean,
        ended_ms bigint, leased bigint, doing text)
    language sql stable security definer set search_path = pg_catalog, pg_temp
    as $$
    select w.id, w.host, w.release, docmill.millis(w.started_at), docmill.millis(w.beat_at), w.lease_until < now(),
        w.draining, docmill.millis(w.ended_at),
        (select count(*) from docmill.job j where j.worker_id = w.id and j.state = 'leased'), w.doing::text
    from docmill.worker w
    where w.ended_at is null or w.ended_at > now() - interval '1 hour'
    order by w.started_at, w.id
$$;
grant execute on function docmill.workers() to docmill_app;

-- Depth of the queue and age of what waits longest, of all tenants: what more workers are started by.
create function docmill.queue_depth()
    returns table (ready bigint, delayed bigint, leased bigint, oldest_ms bigint)
    language sql stable security definer set search_path = pg_catalog, pg_temp
    as $$
    select count(*) filter (where j.state = 'ready'), count(*) filter (where j.state = 'delayed'),
        count(*) filter (where j.state = 'leased'),
        coalesce((extract(epoch from now() - min(j.ready_at) filter (where j.state = 'ready')) * 1000)::bigint, 0)
    from docmill.job j
$$;
grant execute on function docmill.queue_depth() to docmill_app;

-- Ends a run that waits or is worked on, at once: whatever its worker still does changes nothing any more. Whether it was there, and
-- may be seen by whoever asks. As the owner, because who may delete jobs could lock them.
create function docmill.cancel_run(of_tenant uuid, run uuid, entry uuid, key uuid, request uuid, who json) returns boolean
    language plpgsql security definer set search_path = pg_catalog, pg_temp
    as $$
begin
    perform from docmill.run r
    where r.tenant_id = of_tenant and r.id = run and r.tenant_id = docmill.current_tenant()
        and r.tier <= docmill.current_clearance();
    if not found then
        return false;
    end if;
    delete from docmill.job j where j.tenant_id = of_tenant and j.run_id = run;
    if not found then
        return false;
    end if;
    delete from docmill.checkpoint c where c.tenant_id = of_tenant and c.run_id = run;
    update docmill.run r set status = 'cancelled', finished_at = greatest(now(), r.created_at)
    where r.tenant_id = of_tenant and r.id = run and r.status = 'queued';
    insert into docmill.audit_entry (tenant_id, id, at, action, subject, key_id, request_id, detail)
    values (of_tenant, entry, now(), 'run.cancel', run::text, key, request, who::jsonb);
    -- It was a run; what its calls used until now is nowhere.
    insert into docmill.usage_entry (tenant_id, run_id, ordinal, key_id, at, pipeline, runs, input_bytes)
    select r.tenant_id, r.id, 0, r.key_id, r.created_at, r.pipeline_name, 1,
        docmill.input_bytes(r.tenant_id, r.id)
    from docmill.run r where r.tenant_id = of_tenant and r.id = run;
    return true;
end
$$;
grant execute on function docmill.cancel_run(uuid, uuid, uuid, uuid, uuid, json) to docmill_app;

-- Forgets workers that went a day ago, and keys that are over; a few at a time. Any host may call it.
create function docmill.sweep_queue() returns bigint
    language sql security definer set search_path = pg_catalog, pg_temp
    as $$
    with workers as (
        delete from docmill.worker w where w.ended_at < now() - interval '1 day' returning 1
    ), keys as (
        delete from docmill.idempotency_key k
        where (k.tenant_id, k.key) in (
            select e.tenant_id, e.key from docmill.idempotency_key e
            where e.expires_at < now() order by e.expires_at limit 10000)
        returning 1
    )
    select (select count(*) from workers) + (select count(*) from keys)
$$;
grant execute on function docmill.sweep_queue() to docmill_app;
