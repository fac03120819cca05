-- Chunkers and embedders are kinds of plugins, and what they give belongs to the run that they ran in. (What a collection keeps of
-- it, to be searched, comes with collections, in tables of its own.)

alter table docmill.plugin drop constraint plugin_kind_check;
alter table docmill.plugin add constraint plugin_kind_check
    check (kind in ('parser', 'extractor', 'validator', 'transformer', 'chunker', 'embedder', 'llm-adapter'));

-- One row for a run that has any. Whole, because it is read whole: in the order of the run's result.
create table docmill.run_chunks (
    tenant_id  uuid not null,
    run_id     uuid not null,
    chunks     json not null,                        -- a list; each with its citations
    embeddings json not null,                        -- a list, one of each step; vectors name their chunks
    primary key (tenant_id, run_id)
) partition by range (run_id);
select docmill.protect('docmill.run_chunks', 'select, insert');
select docmill.follow_run('docmill.run_chunks');
select docmill.add_partitions(3);

create type docmill.new_chunks as (run_id uuid, chunks text, embeddings text);

-- The same as docmill.write_runs, with chunks. Beside it and not in its place: few runs have any, and for the others nothing
-- becomes slower.
create function docmill.write_runs_with_chunks(
    tenant uuid, accepted boolean, runs docmill.new_run_2[], ends uuid[], heirs uuid[], inherited uuid[],
    sources docmill.new_source_2[], inputs docmill.new_input[],
    lookups docmill.new_lookup[], readings docmill.new_reading[], pages docmill.new_page[], steps docmill.new_step[],
    attempts docmill.new_attempt[], fields docmill.new_field[], checks docmill.new_check[],
    citations docmill.new_citation[], artifacts docmill.new_artifact[], outputs docmill.new_output[],
    usage docmill.new_usage_2[], audit docmill.new_audit[], chunks docmill.new_chunks[]
) returns table (given uuid, instead uuid)
    language plpgsql
    as $$
#variable_conflict use_column
begin
    -- It sets tenant and clearance for this transaction.
    return query
    select w.given, w.instead
    from docmill.write_runs(tenant, accepted, runs, ends, heirs, inherited, sources, inputs, lookups, readings, pages, steps,
        attempts, fields, checks, citations, artifacts, outputs, usage, audit) w;
    insert into docmill.run_chunks
    select tenant, n.run_id, n.chunks::json, n.embeddings::json from unnest(chunks) n;
end
$$;
grant execute on function docmill.write_runs_with_chunks(uuid, boolean, docmill.new_run_2[], uuid[], uuid[], uuid[],
    docmill.new_source_2[], docmill.new_input[], docmill.new_lookup[], docmill.new_reading[], docmill.new_page[],
    docmill.new_step[], docmill.new_attempt[], docmill.new_field[], docmill.new_check[], docmill.new_citation[],
    docmill.new_artifact[], docmill.new_output[], docmill.new_usage_2[], docmill.new_audit[], docmill.new_chunks[]
) to docmill_app;
