-- What runs leave in the ledger and in the audit log is made by the host, for all runs of a commit together: two entries of the
-- ledger and one of the log for each run had cost a quarter of all that a host can keep.
--
-- docmill.write_runs takes docmill.commit_runs's place. That and docmill.commit_runs_with_outputs stay for hosts of the release
-- before, and go with the next; what those hosts write is the same, an entry for each run.

alter table docmill.run add column ended_in uuid;
comment on column docmill.run.ended_in is 'the audit entry of its end, if it ended together with others; null: the entry has the run''s id';
comment on column docmill.usage_entry.run_id is 'of several runs that are kept: the first of them; of several that are not: an id made when they were written';
comment on column docmill.usage_entry.at is 'when the run was admitted; of several kept runs, all of one second: the first; of several that are not kept: the minute';

create type docmill.new_usage_2 as (
    run_id uuid, ordinal integer, key_id uuid, at_ms bigint, pipeline text, plugin text, runs bigint, runs_failed bigint,
    calls bigint, calls_reused bigint, cpu_us bigint, input_bytes bigint, host_call_bytes bigint, pages bigint);

create type docmill.new_audit as (
    id uuid, at_ms bigint, action text, subject text, key_id uuid, client_ip text, request_id uuid, detail text);

-- The columns `tier`, `user_id` and `subject` come with 0017; nothing is written in between.
create type docmill.new_run_2 as (
    id uuid, pipeline_id uuid, pipeline_name text, pipeline_version_id uuid, version_number integer,
    durability text, retain text, status text, verdict text, error_code text, error text, output text, params text,
    plugins text[], key_id uuid, client_ip text, request_id uuid,
    created_ms bigint, started_ms bigint, finished_ms bigint, tier text, user_id uuid, subject text);

create type docmill.new_source_2 as (
    id uuid, document_id uuid, name text, media_type text, size bigint, digest bytea, simhash bigint, inline bytea,
    created_ms bigint, tier text);

-- As docmill.commit_runs (0005 says more about it), with outputs of steps, `usage` and `audit` as they are to be written.
-- `ends` belongs to `runs`, one by one: where the run's end is in the audit log, if not under its own id. `heirs` and
-- `inherited` belong to each other: a run and a document that was there before it, among its inputs.
create function docmill.write_runs(
    tenant uuid, accepted boolean, runs docmill.new_run_2[], ends uuid[], heirs uuid[], inherited uuid[],
    sources docmill.new_source_2[], inputs docmill.new_input[],
    lookups docmill.new_lookup[], readings docmill.new_reading[], pages docmill.new_page[], steps docmill.new_step[],
    attempts docmill.new_attempt[], fields docmill.new_field[], checks docmill.new_check[],
    citations docmill.new_citation[], artifacts docmill.new_artifact[], outputs docmill.new_output[],
    usage docmill.new_usage_2[], audit docmill.new_audit[]
) returns table (given uuid, instead uuid)
    language plpgsql set enable_seqscan = off set plan_cache_mode = force_generic_plan set work_mem = '32MB'
    as $$
#variable_conflict use_column
declare
    changed bigint;
    -- Documents whose bytes came before, and the first that had them.
    replaced uuid[];
    replacing uuid[];
    -- Readings as given, the sources that they belong to, and the readings that are kept.
    made uuid[];
    origins uuid[];
    kept uuid[];
begin
    -- For this transaction only, which is this statement. The platform itself writes: it sees every tier.
    perform set_config('app.tenant_id', tenant::text, true), set_config('app.clearance', 'S', true);

    if accepted then
        update docmill.run r
        set status = n.status, verdict = n.verdict, error_code = n.error_code, error = n.error::json,
            output = n.output::json, started_at = docmill.time_at(n.started_ms),
            finished_at = docmill.time_at(n.finished_ms)
        from unnest(runs) n
        where r.tenant_id = tenant and r.id = n.id and r.status = 'running';
        get diagnostics changed = row_count;
        if changed <> cardinality(runs) then
            raise exception using errcode = 'DM001',
                message = 'the run is finished already, or was never accepted';
        end if;
    else
        insert into docmill.run (tenant_id, id, pipeline_id, pipeline_name, pipeline_version_id, version_number, durability,
            retain, status, verdict, error_code, error, output, params, plugins, key_id, client_ip, request_id, created_at,
            started_at, finished_at, tier, user_id, subject, ended_in)
        select tenant, n.id, n.pipeline_id, n.pipeline_name, n.pipeline_version_id, n.version_number, n.durability,
            n.retain, n.status, n.verdict, n.error_code, n.error::json, n.output::json, n.params::json, n.plugins,
            n.key_id, n.client_ip::inet, n.request_id, docmill.time_at(n.created_ms), docmill.time_at(n.started_ms),
            docmill.time_at(n.finished_ms), n.tier::docmill.tier, n.user_id, n.subject, n.ended_in
        from unnest(runs, ends) n(id, pipeline_id, pipeline_name, pipeline_version_id, version_number, durability, retain,
            status, verdict, error_code, error, output, params, plugins, key_id, client_ip, request_id, created_ms,
            started_ms, finished_ms, tier, user_id, subject, ended_in);
    end if;

    -- A document may have been raised since the run began. Whoever raises it after this waits, and raises the run, too.
    if cardinality(inherited) > 0 then
        perform from docmill.document d
        where d.tenant_id = tenant and d.id = any (inherited) order by d.id for share;

        update docmill.run r set tier = h.tier
        from (
            select u.run, max(d.tier) as tier
            from unnest(heirs, inherited) u(run, document)
            join docmill.document d on d.tenant_id = tenant and d.id = u.document
            group by u.run
        ) h
        where r.tenant_id = tenant and r.id = h.run and r.tier < h.tier;
    end if;

    if cardinality(sources) > 0 then
        insert into docmill.document (tenant_id, id, name, created_at, tier)
        select tenant, n.document_id, n.name, docmill.time_at(n.created_ms), n.tier::docmill.tier from unnest(sources) n;

        -- The same bytes twice: in the table, or twice in this call; of one tier, so that nobody is told of what they may
        -- not see.
        with looked_up as (
            select s.*, o.id as known, o.document_id as known_document
            from unnest(sources) s
            left join lateral (
                select o.id, o.document_id from docmill.source o
                where o.tenant_id = tenant and o.digest = s.digest and o.duplicate_of is null
                    and s.tier = (
                        select d.tier::text from docmill.document d
                        where d.tenant_id = o.tenant_id and d.id = o.document_id)
                order by o.id limit 1
            ) o on true
        ), placed as (
            select l.*, coalesce(l.known, first_value(l.id) over alike) as first_id,
                coalesce(l.known_document, first_value(l.document_id) over alike) as first_document
            from looked_up l
            window alike as (partition by l.digest, l.tier order by l.id)
        ), added as (
            insert into docmill.source (tenant_id, id, document_id, name, media_type, size, digest, simhash, created_at,
                duplicate_of, inline)
            select tenant, p.id, p.document_id, p.name, p.media_type, p.size, p.digest, p.simhash,
                docmill.time_at(p.created_ms), nullif(p.first_id, p.id), case when p.first_id = p.id then p.inline end
            from placed p
        )
        select array_agg(p.document_id), array_agg(p.first_document) into replaced, replacing
        from placed p
        where p.first_id <> p.id;
    end if;

    if cardinality(inputs) > 0 then
        insert into docmill.run_input
        select tenant, n.run_id, n.ordinal, n.role, n.position, n.kind, n.document_id, n.source_id, n.name, n.media_type,
            n.size, n.digest, n.text, n.record::json
        from unnest(inputs) n;
    end if;

    if cardinality(lookups) > 0 then
        insert into docmill.lookup
        select tenant, n.run_id, n.ordinal, n.name, n.value, n.tokens from unnest(lookups) n;
    end if;

    if cardinality(readings) > 0 then
        -- Of each reading: the source that it belongs to, and the reading that is kept, its own or an earlier one of the same
        -- recipe.
        select array_agg(m.id order by m.at), array_agg(m.origin order by m.at), array_agg(m.kept order by m.at)
        into made, origins, kept
        from (
            select n.at, n.id, n.origin, coalesce(
                (select r.id from docmill.reading r
                 where r.tenant_id = tenant and r.source_id = n.origin and r.recipe = n.recipe
                 order by r.id limit 1),
                first_value(n.id) over (partition by n.origin, n.recipe order by n.id)) as kept
            from (
                select u.at, u.id, u.recipe, (
                    select coalesce(s.duplicate_of, s.id) from docmill.source s
                    where s.tenant_id = tenant and s.id = u.source_id) as origin
                from unnest(readings) with ordinality u(run_id, key, id, source_id, plugin, recipe, source_media_type,
                    language, metadata, page_count, created_ms, at)
            ) n
        ) m;

        if made && kept then
            insert into docmill.reading
            select tenant, n.id, n.origin, n.plugin, n.recipe, n.source_media_type, n.language, n.metadata::json,
                n.page_count, docmill.time_at(n.created_ms)
            from unnest(readings, origins, kept) n(run_id, key, id, source_id, plugin, recipe, source_media_type, language,
                metadata, page_count, created_ms, origin, kept)
            where n.id = n.kept;

            insert into docmill.page (tenant_id, reading_id, number, label, width, height, origin, warnings, text, blocks)
            select tenant, n.reading_id, n.number, n.label, n.width, n.height, n.origin, n.warnings, n.text, n.blocks::json
            from unnest(pages) n
            where n.reading_id = any (kept);
        end if;

        insert into docmill.run_reading
        select tenant, n.run_id, n.key, n.kept
        from unnest(readings, kept) n(run_id, key, id, source_id, plugin, recipe, source_media_type, language, metadata,
            page_count, created_ms, kept);
    end if;

    if cardinality(steps) > 0 then
        insert into docmill.step
        select tenant, n.run_id, n.ordinal, n.id, n.step, n.item, n.plugin, n.status, n.started_us, n.wall_us
        from unnest(steps) n;
    end if;

    if cardinality(attempts) > 0 then
        insert into docmill.attempt
        select tenant, n.run_id, n.step_ordinal, n.ordinal, n.id, n.plugin, n.error::json, n.wall_us, n.cpu_us,
            n.peak_memory_bytes, n.host_calls, n.host_call_bytes, n.log_dropped_bytes, n.effects, n.log, n.reused
        from unnest(attempts) n;
    end if;

    if cardinality(fields) > 0 then
        insert into docmill.field
        select tenant, n.run_id, n.ordinal, n.path, n.lost, n.value::jsonb, n.raw, n.confidence, n.origin::jsonb
        from unnest(fields) n;
    end if;

    if cardinality(checks) > 0 then
        insert into docmill.check
        select tenant, n.run_id, n.ordinal, n.code, n.outcome, n.severity, n.reason, n.fields, n.origin::jsonb
        from unnest(checks) n;
    end if;

    if cardinality(citations) > 0 then
        insert into docmill.citation
        select tenant, n.run_id, n.ordinal, n.field_ordinal, n.check_ordinal, n.reading, n.page, n.range_start,
            n.range_end, n.quote, n.regions::json, n.match
        from unnest(citations) n;
    end if;

    if cardinality(artifacts) > 0 then
        insert into docmill.artifact
        select tenant, n.run_id, n.id, n.ordinal, n.step, n.name, n.media_type, n.size, n.digest
        from unnest(artifacts) n;
    end if;

    if cardinality(outputs) > 0 then
        insert into docmill.step_output
        select tenant, n.run_id, n.step_ordinal, n.output::json from unnest(outputs) n;
    end if;

    if cardinality(usage) > 0 then
        insert into docmill.usage_entry (tenant_id, run_id, ordinal, key_id, at, pipeline, plugin, runs, runs_failed, calls,
            calls_reused, cpu_us, input_bytes, host_call_bytes, pages)
        select tenant, n.run_id, n.ordinal, n.key_id, docmill.time_at(n.at_ms), n.pipeline, n.plugin, n.runs, n.runs_failed,
            n.calls, n.calls_reused, n.cpu_us, n.input_bytes, n.host_call_bytes, n.pages
        from unnest(usage) n;
    end if;

    if cardinality(audit) > 0 then
        insert into docmill.audit_entry (tenant_id, id, at, action, subject, key_id, client_ip, request_id, detail)
        select tenant, n.id, docmill.time_at(n.at_ms), n.action, n.subject, n.key_id, n.client_ip::inet, n.request_id,
            n.detail::jsonb
        from unnest(audit) n;
    end if;

    if replaced is not null or made is distinct from kept then
        return query
        select r.given, r.instead
        from unnest(replaced || made, replacing || kept) r(given, instead)
        where r.given <> r.instead;
    end if;
end
$$;
grant execute on function docmill.write_runs(uuid, boolean, docmill.new_run_2[], uuid[], uuid[], uuid[],
    docmill.new_source_2[], docmill.new_input[], docmill.new_lookup[], docmill.new_reading[], docmill.new_page[], docmill.new_step[],
    docmill.new_attempt[], docmill.new_field[], docmill.new_check[], docmill.new_citation[], docmill.new_artifact[],
    docmill.new_output[], docmill.new_usage_2[], docmill.new_audit[]
) to docmill_app;

create or replace function docmill.commit_runs(
    tenant uuid, accepted boolean, runs docmill.new_run[], sources docmill.new_source[], inputs docmill.new_input[],
    lookups docmill.new_lookup[], readings docmill.new_reading[], pages docmill.new_page[], steps docmill.new_step[],
    attempts docmill.new_attempt[], fields docmill.new_field[], checks docmill.new_check[],
    citations docmill.new_citation[], artifacts docmill.new_artifact[], usage docmill.new_usage[]
) returns table (given uuid, instead uuid)
    language plpgsql set enable_seqscan = off set plan_cache_mode = force_generic_plan set work_mem = '32MB'
    as $$
#variable_conflict use_column
begin
    return query
    select w.given, w.instead
    from docmill.write_runs(tenant, accepted,
        array(select row(n.*, 'D', null, null)::docmill.new_run_2 from unnest(runs) n), '{}', '{}', '{}',
        array(select row(n.*, 'D')::docmill.new_source_2 from unnest(sources) n), inputs, lookups, readings, pages, steps, attempts, fields,
        checks, citations, artifacts, '{}', '{}', '{}') w;
    perform docmill.keep_usage(tenant, accepted, runs, inputs, readings, attempts);
    insert into docmill.audit_entry (tenant_id, id, at, action, subject, key_id, client_ip, request_id)
    select tenant, n.id, docmill.time_at(n.finished_ms), 'run.finish', n.pipeline_name, n.key_id, n.client_ip::inet,
        n.request_id
    from unnest(runs) n
    where n.finished_ms is not null;
end
$$;
