-- Language models as organisations call them, and what asking them came to.

-- An alias of a model: who is asked, as what, for how much. One that was removed stays, without a setting: `changes` only grows,
-- and plans are made anew when it does.
create table docmill.model (
    tenant_id  uuid        not null references docmill.tenant,
    alias      text        not null check (char_length(alias) between 1 and 60),
    setting    json,                                  -- as docmill_model::llm writes it; null: removed
    changed_by text        not null,                  -- the name of who set or removed it last
    changed_at timestamptz not null default now(),
    changes    integer     not null default 1 check (changes > 0),
    primary key (tenant_id, alias)
);
select docmill.protect('docmill.model', 'select, insert, update (setting, changed_by, changed_at, changes)');

-- One question to a model. What was asked and answered is not here, but for a digest of what was asked: the same words to two
-- models have one.
create table docmill.llm_call (
    tenant_id        uuid    not null,
    run_id           uuid    not null,
    step_ordinal     integer not null,
    attempt_ordinal  integer not null,
    ordinal          integer not null,                -- in its attempt
    alias            text    not null,
    adapter          text    not null,                -- namespace/name@version
    component        bytea   not null check (octet_length(component) = 32),   -- of the adapter
    model            text    not null,                -- the provider's name, as it was asked for
    answered_by      text,                            -- the same, as the provider told who answered
    prompt           bytea   not null check (octet_length(prompt) = 32),
    input            bigint,                          -- tokens; null: nobody knows
    cached_input     bigint,                          -- of those: that the provider had cached
    output           bigint,
    reasoning        bigint,                          -- of those: thinking
    cost_micros      bigint,                          -- millionths of the currency's unit; null: no price, or nobody knows
    currency         text    check (currency ~ '^[A-Z]{3}$'),
    wall_us          bigint  not null,
    outcome          text    not null,                -- succeeded, or the failure's code
    primary key (tenant_id, run_id, step_ordinal, attempt_ordinal, ordinal),
    check (least(step_ordinal, attempt_ordinal, ordinal, input, cached_input, output, reasoning, cost_micros, wall_us) >= 0)
) partition by range (run_id);
select docmill.protect('docmill.llm_call', 'select, insert');
select docmill.follow_run('docmill.llm_call');
select docmill.add_partitions(3);

create type docmill.new_llm_call as (
    run_id uuid, step_ordinal integer, attempt_ordinal integer, ordinal integer, alias text, adapter text, component bytea,
    model text, answered_by text, prompt bytea, input bigint, cached_input bigint, output bigint, reasoning bigint,
    cost_micros bigint, currency text, wall_us bigint, outcome text);

-- The same as docmill.write_runs_with_chunks, with questions to models. Beside it and not in its place: few runs have any, and for
-- the others nothing becomes slower.
create function docmill.write_runs_with_llm(
    tenant uuid, accepted boolean, runs docmill.new_run_2[], ends uuid[], heirs uuid[], inherited uuid[],
    sources docmill.new_source_2[], inputs docmill.new_input[],
    lookups docmill.new_lookup[], readings docmill.new_reading[], pages docmill.new_page[], steps docmill.new_step[],
    attempts docmill.new_attempt[], fields docmill.new_field[], checks docmill.new_check[],
    citations docmill.new_citation[], artifacts docmill.new_artifact[], outputs docmill.new_output[],
    usage docmill.new_usage_2[], audit docmill.new_audit[], chunks docmill.new_chunks[], calls docmill.new_llm_call[]
) returns table (given uuid, instead uuid)
    language plpgsql
    as $$
#variable_conflict use_column
begin
    -- It sets tenant and clearance for this transaction.
    return query
    select w.given, w.instead
    from docmill.write_runs_with_chunks(tenant, accepted, runs, ends, heirs, inherited, sources, inputs, lookups, readings, pages,
        steps, attempts, fields, checks, citations, artifacts, outputs, usage, audit, chunks) w;
    insert into docmill.llm_call (tenant_id, run_id, step_ordinal, attempt_ordinal, ordinal, alias, adapter, component, model,
        answered_by, prompt, input, cached_input, output, reasoning, cost_micros, currency, wall_us, outcome)
    select tenant, n.run_id, n.step_ordinal, n.attempt_ordinal, n.ordinal, n.alias, n.adapter, n.component, n.model,
        n.answered_by, n.prompt, n.input, n.cached_input, n.output, n.reasoning, n.cost_micros, n.currency, n.wall_us, n.outcome
    from unnest(calls) n;
end
$$;
grant execute on function docmill.write_runs_with_llm(uuid, boolean, docmill.new_run_2[], uuid[], uuid[], uuid[],
    docmill.new_source_2[], docmill.new_input[], docmill.new_lookup[], docmill.new_reading[], docmill.new_page[],
    docmill.new_step[], docmill.new_attempt[], docmill.new_field[], docmill.new_check[], docmill.new_citation[],
    docmill.new_artifact[], docmill.new_output[], docmill.new_usage_2[], docmill.new_audit[], docmill.new_chunks[],
    docmill.new_llm_call[]
) to docmill_app;
