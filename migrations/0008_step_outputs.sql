-- What transformers gave on the way: kept with `retain: debug`, for whoever looks for the step that went wrong. What the other
-- kinds give (readings, fields, checks) and artifacts have places of their own and are kept with every run.

create table docmill.step_output (
    tenant_id    uuid    not null,
    run_id       uuid    not null,
    step_ordinal integer not null,                   -- of docmill.step
    output       json    not null,
    primary key (tenant_id, run_id, step_ordinal)
) partition by range (run_id);
select docmill.protect('docmill.step_output', 'select, insert');
select docmill.add_partitions(3);

create type docmill.new_output as (run_id uuid, step_ordinal integer, output text);

-- The same as docmill.commit_runs, with outputs. Beside it and not in its place: few runs have any, and for the others nothing
-- becomes slower.
create function docmill.commit_runs_with_outputs(
    tenant uuid, accepted boolean, runs docmill.new_run[], sources docmill.new_source[], inputs docmill.new_input[],
    lookups docmill.new_lookup[], readings docmill.new_reading[], pages docmill.new_page[], steps docmill.new_step[],
    attempts docmill.new_attempt[], fields docmill.new_field[], checks docmill.new_check[],
    citations docmill.new_citation[], artifacts docmill.new_artifact[], usage docmill.new_usage[],
    outputs docmill.new_output[]
) returns table (given uuid, instead uuid)
    language plpgsql
    as $$
#variable_conflict use_column
begin
    perform set_config('app.tenant_id', tenant::text, true);
    return query
    select c.given, c.instead
    from docmill.commit_runs(tenant, accepted, runs, sources, inputs, lookups, readings, pages, steps, attempts, fields,
        checks, citations, artifacts, usage) c;
    insert into docmill.step_output
    select tenant, n.run_id, n.step_ordinal, n.output::json from unnest(outputs) n;
end
$$;
grant execute on function docmill.commit_runs_with_outputs(uuid, boolean, docmill.new_run[], docmill.new_source[],
    docmill.new_input[], docmill.new_lookup[], docmill.new_reading[], docmill.new_page[], docmill.new_step[],
    docmill.new_attempt[], docmill.new_field[], docmill.new_check[], docmill.new_citation[], docmill.new_artifact[],
    docmill.new_usage[], docmill.new_output[]
) to docmill_app;
