-- What happened: runs and all that belongs to them. One statement writes a run (0005); nothing changes it afterwards, but
-- for a run that was accepted first and is finished once.
--
-- Partitioned by month, by the time inside the UUIDv7 of the run, so that old months are archived and dropped as a whole.
-- Children are keyed by their run and their place in it: the primary key is the one index that reading a run needs.
-- No foreign keys here: a child is written by the statement that writes its run and goes with the run's month; checking again
-- would cost 13 µs for every row (a run has 15 and more), and every run would lock the row of its pipeline's version.

create table docmill.run (
    tenant_id           uuid        not null,
    id                  uuid        not null,
    pipeline_id         uuid        not null,
    pipeline_name       text        not null,        -- as it was then
    pipeline_version_id uuid        not null,
    version_number      integer     not null check (version_number > 0),
    durability          text        not null check (durability in ('result', 'accepted')),
    retain              text        not null check (retain in ('result', 'debug')),
    status              text        not null check (status in ('running', 'succeeded', 'failed')),
    verdict             text        check (verdict in ('pass', 'fail', 'undecided')),
    error_code          text,
    error               json,
    output              json,
    params              json        not null,
    plugins             text[]      not null,        -- namespace/name@version of every step
    key_id              uuid,
    client_ip           inet,
    request_id          uuid        not null,
    created_at          timestamptz not null,        -- admitted
    started_at          timestamptz,
    finished_at         timestamptz check (finished_at >= started_at),
    primary key (tenant_id, id),
    check ((status = 'running') = (finished_at is null)),
    check ((status = 'failed') = (error_code is not null))
) partition by range (id);
-- Newest first is the primary key read backwards. What most runs are (succeeded, passed) needs no index of its own: every
-- second row of the primary key is a hit. What few are has a small one.
create index run_by_pipeline on docmill.run (tenant_id, pipeline_id, id);
create index run_by_status on docmill.run (tenant_id, status, id) where status <> 'succeeded';
create index run_by_verdict on docmill.run (tenant_id, verdict, id) where verdict <> 'pass';
create index run_by_error on docmill.run (tenant_id, error_code, id) where error_code is not null;
select docmill.protect('docmill.run',
    'select, insert, update (status, verdict, error_code, error, output, started_at, finished_at)');
create policy owner on docmill.run to docmill_owner using (true) with check (true);

-- 0..n inputs with roles.
create table docmill.run_input (
    tenant_id   uuid    not null,
    run_id      uuid    not null,
    ordinal     integer not null,                    -- among all inputs of the run
    role        text    not null,
    position    integer not null check (position >= 0),
    kind        text    not null check (kind in ('file', 'text', 'record')),
    document_id uuid,
    source_id   uuid,
    name        text,
    media_type  text,
    size        bigint  check (size >= 0),
    digest      bytea,
    text        text,
    record      json,
    primary key (tenant_id, run_id, ordinal),
    check ((kind = 'file') = (source_id is not null and document_id is not null and digest is not null)),
    check ((kind = 'text') = (text is not null)),
    check ((kind = 'record') = (record is not null))
) partition by range (run_id);
create index run_input_by_document on docmill.run_input (tenant_id, document_id, run_id) where document_id is not null;
select docmill.protect('docmill.run_input', 'select, insert');

-- A named value by which a run is found. Its tokens are a set: order, case and ё/е do not matter, and a look-up for some of
-- the words finds it too.
create table docmill.lookup (
    tenant_id uuid    not null,
    run_id    uuid    not null,
    ordinal   integer not null,
    name      text    not null,
    value     text    not null,
    tokens    text[]  not null,
    primary key (tenant_id, run_id, ordinal)
) partition by range (run_id);
create index lookup_by_tokens on docmill.lookup using gin (tokens);
select docmill.protect('docmill.lookup', 'select, insert');

-- Which readings a run used, under the names by which its citations know them.
create table docmill.run_reading (
    tenant_id  uuid not null,
    run_id     uuid not null,
    key        text not null,
    reading_id uuid not null,
    primary key (tenant_id, run_id, key)
) partition by range (run_id);
select docmill.protect('docmill.run_reading', 'select, insert');

-- One plugin use; an item of a fan-out is one.
create table docmill.step (
    tenant_id  uuid    not null,
    run_id     uuid    not null,
    ordinal    integer not null,
    id         uuid    not null,
    step       text    not null,                     -- its id in the definition
    item       integer,
    plugin     text    not null,
    status     text    not null check (status in ('succeeded', 'skipped', 'failed', 'fell_back')),
    started_us bigint  not null check (started_us >= 0),  -- after the run's start
    wall_us    bigint  not null check (wall_us >= 0),
    primary key (tenant_id, run_id, ordinal)
) partition by range (run_id);
select docmill.protect('docmill.step', 'select, insert');

-- One try of a step, with what it used.
create table docmill.attempt (
    tenant_id         uuid    not null,
    run_id            uuid    not null,
    step_ordinal      integer not null,
    ordinal           integer not null,
    id                uuid    not null,
    plugin            text    not null,              -- a fallback's is another than the step's
    error             json,
    wall_us           bigint  not null,
    cpu_us            bigint  not null,
    peak_memory_bytes bigint  not null,
    host_calls        bigint  not null,
    host_call_bytes   bigint  not null,
    log_dropped_bytes bigint  not null,
    effects           text[]  not null,              -- empty: pure
    log               text,
    reused            boolean not null,              -- the result of an earlier, pure call
    primary key (tenant_id, run_id, step_ordinal, ordinal),
    -- One check and not six: each is parsed anew by every statement that inserts.
    check (least(wall_us, cpu_us, peak_memory_bytes, host_calls, host_call_bytes, log_dropped_bytes) >= 0)
) partition by range (run_id);
select docmill.protect('docmill.attempt', 'select, insert');

-- A value at a path. `lost`: another field of the same path was preferred.
create table docmill.field (
    tenant_id  uuid    not null,
    run_id     uuid    not null,
    ordinal    integer not null,
    path       text    not null,                     -- seller.tax_id, lines[3].amount
    lost       boolean not null,
    value      jsonb,                                -- {"type": "money", "value": {…}}; null: looked for and not there
    raw        text,                                 -- as it stands in the document
    confidence real    check (confidence between 0 and 1),
    origin     jsonb,                                -- {"kind": "plugin", "step": …, "plugin": …}
    primary key (tenant_id, run_id, ordinal)
) partition by range (run_id);
select docmill.protect('docmill.field', 'select, insert');

-- A rule's outcome.
create table docmill.check (
    tenant_id uuid    not null,
    run_id    uuid    not null,
    ordinal   integer not null,
    code      text    not null,
    outcome   text    not null check (outcome in ('pass', 'fail', 'undecided')),
    severity  text    not null check (severity in ('info', 'warning', 'error')),
    reason    text    not null,
    fields    text[]  not null,                      -- paths
    origin    jsonb,
    primary key (tenant_id, run_id, ordinal)
) partition by range (run_id);
select docmill.protect('docmill.check', 'select, insert');

-- A place that a field or a check was read from.
create table docmill.citation (
    tenant_id     uuid    not null,
    run_id        uuid    not null,
    ordinal       integer not null,
    field_ordinal integer,
    check_ordinal integer,
    reading       text,                              -- a key of run_reading; null: the main one
    page          integer not null check (page >= 0),
    range_start   integer,                           -- UTF-8 bytes of the page's text
    range_end     integer,
    quote         text    not null,
    regions       json    not null,                  -- one rectangle per line, in fractions of the page
    match         text    not null check (match in ('exact', 'normalized', 'unmatched', 'unlocated')),
    primary key (tenant_id, run_id, ordinal),
    check (num_nonnulls(field_ordinal, check_ordinal) = 1),
    check (num_nulls(range_start, range_end) in (0, 2) and range_start >= 0 and range_end >= range_start)
) partition by range (run_id);
select docmill.protect('docmill.citation', 'select, insert');

-- A file that a run produced; in the blob store under its digest.
create table docmill.artifact (
    tenant_id  uuid    not null,
    run_id     uuid    not null,
    id         uuid    not null,
    ordinal    integer not null,
    step       text    not null,
    name       text    not null,
    media_type text    not null,
    size       bigint  not null check (size >= 0),
    digest     bytea   not null check (octet_length(digest) = 32),
    primary key (tenant_id, run_id, id)
) partition by range (run_id);
select docmill.protect('docmill.artifact', 'select, insert');

-- The ledger: append only, failed and reused calls too. `meter`: `cpu_us` is the processor time of one attempt; who counts
-- calls counts rows.
create table docmill.usage_entry (
    tenant_id  uuid        not null,
    run_id     uuid        not null,
    ordinal    integer     not null,
    attempt_id uuid,
    key_id     uuid,
    meter      text        not null,
    quantity   bigint      not null check (quantity >= 0),
    at         timestamptz not null,
    primary key (tenant_id, run_id, ordinal)
) partition by range (run_id);
select docmill.protect('docmill.usage_entry', 'select, insert');

-- Who did what: names, ids and digests, never values. Append only.
create table docmill.audit_entry (
    tenant_id  uuid        not null,
    id         uuid        not null,
    at         timestamptz not null,
    action     text        not null,                 -- run.finish, pipeline.save
    subject    text        not null,
    key_id     uuid,                                 -- null: the platform
    client_ip  inet,
    request_id uuid,
    detail     jsonb,
    primary key (tenant_id, id)
) partition by range (id);
select docmill.protect('docmill.audit_entry', 'select, insert');
create policy owner on docmill.audit_entry to docmill_owner using (true) with check (true);

-- The smallest UUIDv7 of a month's first millisecond.
create function docmill.month_start(month date) returns uuid
    language sql immutable parallel safe
    as $$
    select (lpad(to_hex((extract(epoch from month::timestamp at time zone 'UTC') * 1000)::bigint), 12, '0')
        || '00000000000000000000')::uuid
$$;

-- Makes the partitions of this month and `ahead` more, for every partitioned table; the number of those made. A month whose
-- rows came before its partition (they are in the default one then: no insert ever fails for want of a partition) gets them
-- moved. Called by migrations and daily by every host; the first one does it.
create function docmill.add_partitions(ahead integer) returns integer
    language plpgsql security definer set search_path = pg_catalog, pg_temp
    as $$
declare
    parent record;
    month date;
    part text;
    made integer := 0;
begin
    if not pg_try_advisory_xact_lock(hashtext('docmill partitions')) then
        return 0;
    end if;
    for parent in
        select c.oid, c.relname, a.attname as key
        from pg_class c
        join pg_partitioned_table p on p.partrelid = c.oid
        join pg_attribute a on a.attrelid = c.oid and a.attnum = p.partattrs[0]
        where c.relnamespace = 'docmill'::regnamespace
        order by c.relname
    loop
        part := parent.relname || '_default';
        if to_regclass('docmill.' || part) is null then
            execute format('create table docmill.%I partition of docmill.%I default', part, parent.relname);
            execute format('alter table docmill.%I enable row level security, force row level security', part);
            -- For moving rows below. docmill_app has no rights on partitions at all.
            execute format('create policy owner on docmill.%I to docmill_owner using (true) with check (true)', part);
            made := made + 1;
        end if;
        for month in
            select (date_trunc('month', now() at time zone 'UTC') + n * interval '1 month')::date
            from generate_series(0, least(ahead, 24)) n
        loop
            part := parent.relname || to_char(month, '_YYYY_MM');
            continue when to_regclass('docmill.' || part) is not null;
            execute format('create table docmill.%I (like docmill.%I including all)', part, parent.relname);
            execute format(
                'with moved as (delete from docmill.%I where %I >= %L and %I < %L returning *)
                 insert into docmill.%I select * from moved',
                parent.relname || '_default', parent.key, docmill.month_start(month),
                parent.key, docmill.month_start((month + interval '1 month')::date), part);
            execute format('alter table docmill.%I enable row level security, force row level security', part);
            execute format('alter table docmill.%I attach partition docmill.%I for values from (%L) to (%L)',
                parent.relname, part, docmill.month_start(month), docmill.month_start((month + interval '1 month')::date));
            made := made + 1;
        end loop;
    end loop;
    return made;
end
$$;
grant execute on function docmill.add_partitions(integer) to docmill_app;
select docmill.add_partitions(3);

-- Fails accepted runs of all tenants that were admitted before `before` and are still running: their host is gone.
create function docmill.mark_lost_runs(before timestamptz, failure json) returns bigint
    language sql security definer set search_path = pg_catalog, pg_temp
    as $$
    with lost as (
        update docmill.run
        set status = 'failed', error_code = failure ->> 'code', error = failure,
            started_at = created_at, finished_at = greatest(now(), created_at)
        where status = 'running' and created_at < before
        returning tenant_id, id, key_id, request_id
    ), written as (
        -- The run's own id names the line: a run is given up once at most.
        insert into docmill.audit_entry (tenant_id, id, at, action, subject, key_id, request_id)
        select tenant_id, id, now(), 'run.lost', id::text, key_id, request_id from lost
    )
    select count(*) from lost
$$;
grant execute on function docmill.mark_lost_runs(timestamptz, json) to docmill_app;
