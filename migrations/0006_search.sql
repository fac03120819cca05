-- Searching under row-level security. PostgreSQL may evaluate a condition before the policy, as an index does, only if its
-- operator is leakproof, and neither `@>` of arrays nor `@@` of texts is: as docmill_app, every look-up would read a whole
-- table. These two functions ask as the owner, for whom the policy is `true`, and put the tenant into the question
-- themselves: without a tenant they find nothing.

create policy owner on docmill.lookup to docmill_owner using (true) with check (true);
create policy owner on docmill.page to docmill_owner using (true) with check (true);

-- The tenant's runs with a look-up of that name that has all the tokens.
create function docmill.runs_with(lookup_name text, wanted text[]) returns setof uuid
    language plpgsql stable security definer rows 100
    set search_path = pg_catalog, pg_temp set plan_cache_mode = force_custom_plan
    as $$
begin
    return query
    select l.run_id from docmill.lookup l
    where l.tenant_id = docmill.current_tenant() and l.name = lookup_name and l.tokens @> wanted;
end
$$;
grant execute on function docmill.runs_with(text, text[]) to docmill_app;

-- The tenant's pages that have the words.
create function docmill.pages_with(wanted tsquery) returns table (reading_id uuid, number integer)
    language plpgsql stable security definer rows 100
    set search_path = pg_catalog, pg_temp set plan_cache_mode = force_custom_plan
    as $$
begin
    return query
    select p.reading_id, p.number from docmill.page p
    where p.tenant_id = docmill.current_tenant() and p.words @@ wanted;
end
$$;
grant execute on function docmill.pages_with(tsquery) to docmill_app;
