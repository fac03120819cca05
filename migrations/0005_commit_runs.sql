-- Writing runs. docmill.commit_runs takes any number of finished runs of one tenant with everything that belongs to them and
-- writes them in one statement, so in one round trip and one commit; a host that has many runs at once sends them together.
--
-- Rows come as arrays of composite types: binary, typed, not parsed twice. The types are part of the contract between a
-- release and the database, so they never change: a release that has more to say adds docmill.commit_runs_2 with types of
-- its own, and the one after it drops this.

create type docmill.new_run as (
    id uuid, pipeline_id uuid, pipeline_name text, pipeline_version_id uuid, version_number integer,
    durability text, retain text, status text, verdict text, error_code text, error text, output text, params text,
    plugins text[], key_id uuid, client_ip text, request_id uuid,
    created_ms bigint, started_ms bigint, finished_ms bigint);

create type docmill.new_source as (
    id uuid, document_id uuid, name text, media_type text, size bigint, digest bytea, simhash bigint, inline bytea,
    created_ms bigint);

create type docmill.new_input as (
    run_id uuid, ordinal integer, role text, position integer, kind text, document_id uuid, source_id uuid, name text,
    media_type text, size bigint, digest bytea, text text, record text);

create type docmill.new_lookup as (run_id uuid, ordinal integer, name text, value text, tokens text[]);

create type docmill.new_reading as (
    run_id uuid, key text, id uuid, source_id uuid, plugin text, recipe bytea, source_media_type text, language text,
    metadata text, page_count integer, created_ms bigint);

create type docmill.new_page as (
    reading_id uuid, number integer, label text, width real, height real, origin text, warnings text[], text text,
    blocks text);

create type docmill.new_step as (
    run_id uuid, ordinal integer, id uuid, step text, item integer, plugin text, status text, started_us bigint,
    wall_us bigint);

create type docmill.new_attempt as (
    run_id uuid, step_ordinal integer, ordinal integer, id uuid, plugin text, error text, wall_us bigint, cpu_us bigint,
    peak_memory_bytes bigint, host_calls bigint, host_call_bytes bigint, log_dropped_bytes bigint, effects text[], log text,
    reused boolean);

create type docmill.new_field as (
    run_id uuid, ordinal integer, path text, lost boolean, value text, raw text, confidence real, origin text);

create type docmill.new_check as (
    run_id uuid, ordinal integer, code text, outcome text, severity text, reason text, fields text[], origin text);

create type docmill.new_citation as (
    run_id uuid, ordinal integer, field_ordinal integer, check_ordinal integer, reading text, page integer,
    range_start integer, range_end integer, quote text, regions text, match text);

create type docmill.new_artifact as (
    run_id uuid, id uuid, ordinal integer, step text, name text, media_type text, size bigint, digest bytea);

create type docmill.new_usage as (
    run_id uuid, ordinal integer, attempt_id uuid, key_id uuid, meter text, quantity bigint, at_ms bigint);

-- Accepting: `status` running, nothing but sources, inputs and look-ups. Committing at once: everything. Finishing what was
-- accepted: `accepted` is true, the run itself is changed by compare-and-set on its status, the rest is written.
--
-- Returns what stands in the place of what was given: for a document whose bytes came before, the first that had them; for
-- a reading that an earlier run made alike, that one.
--
-- Raises DM001 when an accepted run is not running any more or never was there.
--
-- enable_seqscan and plan_cache_mode: the first plans are made while the tables are empty; a connection must not go on
-- scanning `source` from end to end when they no longer are, nor plan fifteen statements anew for each of its first runs.
-- work_mem: what is unnested stays in memory.
create function docmill.commit_runs(
    tenant uuid, accepted boolean, runs docmill.new_run[], sources docmill.new_source[], inputs docmill.new_input[],
    lookups docmill.new_lookup[], readings docmill.new_reading[], pages docmill.new_page[], steps docmill.new_step[],
    attempts docmill.new_attempt[], fields docmill.new_field[], checks docmill.new_check[],
    citations docmill.new_citation[], artifacts docmill.new_artifact[], usage docmill.new_usage[]
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
    -- For this transaction only, which is this statement.
    perform set_config('app.tenant_id', tenant::text, true);

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
        insert into docmill.run
        select tenant, n.id, n.pipeline_id, n.pipeline_name, n.pipeline_version_id, n.version_number, n.durability,
            n.retain, n.status, n.verdict, n.error_code, n.error::json, n.output::json, n.params::json, n.plugins,
            n.key_id, n.client_ip::inet, n.request_id, docmill.time_at(n.created_ms), docmill.time_at(n.started_ms),
            docmill.time_at(n.finished_ms)
        from unnest(runs) n;
    end if;

    if cardinality(sources) > 0 then
        insert into docmill.document (tenant_id, id, name, created_at)
        select tenant, n.document_id, n.name, docmill.time_at(n.created_ms) from unnest(sources) n;

        -- The same bytes twice: in the table, or twice in this call.
        with looked_up as (
            select s.*, o.id as known, o.document_id as known_document
            from unnest(sources) s
            left join lateral (
                select o.id, o.document_id from docmill.source o
                where o.tenant_id = tenant and o.digest = s.digest and o.duplicate_of is null
                order by o.id limit 1
            ) o on true
        ), placed as (
            select l.*, coalesce(l.known, first_value(l.id) over alike) as first_id,
                coalesce(l.known_document, first_value(l.document_id) over alike) as first_document
            from looked_up l
            window alike as (partition by l.digest order by l.id)
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

    if cardinality(usage) > 0 then
        insert into docmill.usage_entry
        select tenant, n.run_id, n.ordinal, n.attempt_id, n.key_id, n.meter, n.quantity, docmill.time_at(n.at_ms)
        from unnest(usage) n;
    end if;

    -- The run's own id names the line: a run is finished once.
    insert into docmill.audit_entry (tenant_id, id, at, action, subject, key_id, client_ip, request_id)
    select tenant, n.id, docmill.time_at(n.finished_ms), 'run.finish', n.pipeline_name, n.key_id, n.client_ip::inet,
        n.request_id
    from unnest(runs) n
    where n.finished_ms is not null;

    if replaced is not null or made is distinct from kept then
        return query
        select r.given, r.instead
        from unnest(replaced || made, replacing || kept) r(given, instead)
        where r.given <> r.instead;
    end if;
end
$$;
grant execute on function docmill.commit_runs(uuid, boolean, docmill.new_run[], docmill.new_source[], docmill.new_input[],
    docmill.new_lookup[], docmill.new_reading[], docmill.new_page[], docmill.new_step[], docmill.new_attempt[],
    docmill.new_field[], docmill.new_check[], docmill.new_citation[], docmill.new_artifact[], docmill.new_usage[]
) to docmill_app;
