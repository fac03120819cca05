-- The ledger tells more: not only processor time, and of which pipeline and plugin. An entry is what a run used by itself
-- (plugin is null), or what all its calls of one plugin used together. Entries add up: whatever they are grouped by, the sums
-- are the same. Runs that are not kept (`retain: none`) are in it, too, several of them in one entry.

-- In the order in which runs are committed: in another one, a commit and this would wait for each other. Commits wait until
-- the ledger is made anew, below: on a large database, migrate when little happens.
lock table docmill.run, docmill.run_input, docmill.reading, docmill.run_reading, docmill.attempt, docmill.usage_entry
    in access exclusive mode;

alter table docmill.usage_entry
    alter column meter drop not null,                -- these three: nobody's any more, and gone with the next release
    alter column quantity drop not null,
    add column pipeline        text,                 -- its name, as it was then
    add column plugin          text,                 -- namespace/name@version; null: what the run used by itself
    add column runs            bigint not null default 0,
    add column runs_failed     bigint not null default 0,  -- of those
    add column calls           bigint not null default 0,  -- every attempt is one, failed and reused ones too
    add column calls_reused    bigint not null default 0,  -- of those: answered by the result of an earlier call
    add column cpu_us          bigint not null default 0,
    add column input_bytes     bigint not null default 0,  -- files, texts, and records as JSON
    add column host_call_bytes bigint not null default 0,  -- what calls were handed, and what they gave
    add column pages           bigint not null default 0,  -- of the readings that the run used
    add check (least(runs, runs_failed, calls, calls_reused, cpu_us, input_bytes, host_call_bytes, pages) >= 0);
comment on column docmill.usage_entry.at is 'when the run was admitted; of several runs: the minute';
comment on column docmill.usage_entry.run_id is 'of several runs that are not kept: an id made when they were written';

-- Writes the entries of finished runs, from the very rows that are written of them: that is why the sums are the runs' own
-- figures. Part of docmill.commit_runs, and for nothing else.
create function docmill.keep_usage(
    tenant uuid, accepted boolean, runs docmill.new_run[], inputs docmill.new_input[], readings docmill.new_reading[],
    attempts docmill.new_attempt[]
) returns void
    language plpgsql
    as $$
#variable_conflict use_column
declare
    given docmill.new_input[] := inputs;
begin
    if accepted then
        -- Its inputs were written before work started.
        select array_agg(row(i.run_id, i.ordinal, null, null, null, null, null, null, null,
            coalesce(i.size, octet_length(i.text), octet_length(i.record::text)), null, null, null)::docmill.new_input)
        into given
        from unnest(runs) r join docmill.run_input i on i.tenant_id = tenant and i.run_id = r.id;
    end if;

    insert into docmill.usage_entry (tenant_id, run_id, ordinal, key_id, at, pipeline, plugin, runs, runs_failed, calls,
        calls_reused, cpu_us, input_bytes, host_call_bytes, pages)
    select tenant, r.id, 0, r.key_id, docmill.time_at(r.created_ms), r.pipeline_name, null, 1, (r.status = 'failed')::integer,
        0, 0, 0, coalesce(sent.bytes, 0), 0, coalesce(made.pages, 0)
    from unnest(runs) r
    left join (
        select i.run_id, sum(coalesce(i.size, octet_length(i.text), octet_length(i.record)))::bigint as bytes
        from unnest(given) i group by i.run_id
    ) sent on sent.run_id = r.id
    left join (
        select n.run_id, sum(n.page_count)::bigint as pages from unnest(readings) n group by n.run_id
    ) made on made.run_id = r.id
    where r.finished_ms is not null
    union all
    select tenant, r.id, row_number() over (partition by r.id order by called.plugin)::integer, r.key_id,
        docmill.time_at(r.created_ms), r.pipeline_name, called.plugin, 0, 0, called.calls, called.reused, called.cpu_us, 0,
        called.host_call_bytes, 0
    from (
        select a.run_id, a.plugin, count(*) as calls, count(*) filter (where a.reused) as reused,
            sum(a.cpu_us)::bigint as cpu_us, sum(a.host_call_bytes)::bigint as host_call_bytes
        from unnest(attempts) a group by a.run_id, a.plugin
    ) called
    join unnest(runs) r on r.id = called.run_id;
end
$$;
grant execute on function docmill.keep_usage(uuid, boolean, docmill.new_run[], docmill.new_input[], docmill.new_reading[],
    docmill.new_attempt[]) to docmill_app;

-- docmill.mark_lost_runs writes entries of all tenants.
create policy owner on docmill.usage_entry to docmill_owner using (true) with check (true);
create policy owner on docmill.run_input for select to docmill_owner using (true);

-- In each of these functions one statement changes: they are changed there, so that whatever else they have become stays as
-- it is. commit_runs goes on taking entries as hosts of the release before send them, and does not look at them: what it
-- writes of such a run is the same.
do $do$
declare
    changed record;
    body text;
begin
    for changed in
        select * from (values
            ('docmill.commit_runs', $$
    if cardinality(usage) > 0 then
        insert into docmill.usage_entry
        select tenant, n.run_id, n.ordinal, n.attempt_id, n.key_id, n.meter, n.quantity, docmill.time_at(n.at_ms)
        from unnest(usage) n;
    end if;
$$, $$
    perform docmill.keep_usage(tenant, accepted, runs, inputs, readings, attempts);
$$),
            ('docmill.mark_lost_runs', $$
        returning tenant_id, id, key_id, request_id
    ), written as ($$, $$
        returning tenant_id, id, key_id, request_id, pipeline_name, created_at
    ), used as (
        -- What its calls used went with the host.
        insert into docmill.usage_entry (tenant_id, run_id, ordinal, key_id, at, pipeline, runs, runs_failed, input_bytes)
        select l.tenant_id, l.id, 0, l.key_id, l.created_at, l.pipeline_name, 1, 1, (
            select coalesce(sum(coalesce(i.size, octet_length(i.text), octet_length(i.record::text))), 0)
            from docmill.run_input i where i.tenant_id = l.tenant_id and i.run_id = l.id)
        from lost l
    ), written as ($$)
        ) as v(name, old, new)
    loop
        select pg_get_functiondef(p.oid) into strict body
        from pg_proc p where p.oid = changed.name::regproc;
        if position(changed.old in body) = 0 then
            raise exception '% is not as this migration knows it', changed.name;
        end if;
        execute replace(body, changed.old, changed.new);
    end loop;
end
$do$;

-- Entries of before told the processor time of one attempt each, and of runs without attempts there were none. All runs are
-- still there: the ledger is made anew from them. (A run that is written at this very moment, by commit_runs as it was, has
-- an entry of the old form, and is not counted.)
create policy moving on docmill.run_reading for select to docmill_owner using (true);
create policy moving on docmill.reading for select to docmill_owner using (true);
create policy moving on docmill.attempt for select to docmill_owner using (true);
delete from docmill.usage_entry;
insert into docmill.usage_entry (tenant_id, run_id, ordinal, key_id, at, pipeline, runs, runs_failed, input_bytes, pages)
select r.tenant_id, r.id, 0, r.key_id, r.created_at, r.pipeline_name, 1, (r.status = 'failed')::integer,
    (select coalesce(sum(coalesce(i.size, octet_length(i.text), octet_length(i.record::text))), 0)
     from docmill.run_input i where i.tenant_id = r.tenant_id and i.run_id = r.id),
    (select coalesce(sum(d.page_count), 0)
     from docmill.run_reading n join docmill.reading d on d.tenant_id = n.tenant_id and d.id = n.reading_id
     where n.tenant_id = r.tenant_id and n.run_id = r.id)
from docmill.run r
where r.status <> 'running';
insert into docmill.usage_entry (tenant_id, run_id, ordinal, key_id, at, pipeline, plugin, calls, calls_reused, cpu_us,
    host_call_bytes)
select r.tenant_id, r.id, row_number() over (partition by r.tenant_id, r.id order by a.plugin), r.key_id, r.created_at,
    r.pipeline_name, a.plugin, count(*), count(*) filter (where a.reused), sum(a.cpu_us), sum(a.host_call_bytes)
from docmill.run r join docmill.attempt a on a.tenant_id = r.tenant_id and a.run_id = r.id
where r.status <> 'running'
group by r.tenant_id, r.id, r.key_id, r.created_at, r.pipeline_name, a.plugin;
drop policy moving on docmill.attempt;
drop policy moving on docmill.reading;
drop policy moving on docmill.run_reading;
