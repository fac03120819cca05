-- Tiers: what a document or a run demands of those who look at it, from D (everybody of the tenant) up to S. A transaction
-- says how far its caller sees in `app.clearance`, beside `app.tenant_id`; where nothing is said, that is D.
--
-- The policies hold for docmill_app alone: nobody else has any right on these tables but docmill_owner, as which the functions
-- work that search through indexes, or for all tenants. They say for themselves what they show.

create type docmill.tier as enum ('D', 'C', 'B', 'A', 'S');

create function docmill.current_clearance() returns docmill.tier
    language sql stable parallel safe
    as $$ select coalesce(nullif(current_setting('app.clearance', true), ''), 'D')::docmill.tier $$;
grant execute on function docmill.current_clearance() to docmill_app;

alter table docmill.document add column tier docmill.tier not null default 'D';
alter table docmill.run
    add column tier    docmill.tier not null default 'D',
    add column user_id uuid,                         -- who acted, if the key or session is a person's
    add column subject text                          -- on whose behalf: an end user of the tenant's own product
        check (octet_length(subject) between 1 and 200);
-- None by key: nearly every run has one, and an index more cost every tenth of them. A key's runs are found among all.
create index run_by_user on docmill.run (tenant_id, user_id, id) where user_id is not null;
create index run_by_subject on docmill.run (tenant_id, subject, id) where subject is not null;

-- Both can be changed. A document that is raised takes the runs over it along: they quote it.
grant update (tier) on docmill.document, docmill.run to docmill_app;

-- Reading and changing, not adding: what is added comes from the platform itself, and checking each row would cost every run.
-- The clearance stands in a subquery, so that it is asked for once and not for each row.
create policy tier on docmill.document as restrictive for select to docmill_app
    using (tier <= (select docmill.current_clearance()));
create policy tier_change on docmill.document as restrictive for update to docmill_app
    using (tier <= (select docmill.current_clearance())) with check (tier <= (select docmill.current_clearance()));
create policy tier on docmill.run as restrictive for select to docmill_app
    using (tier <= (select docmill.current_clearance()));
create policy tier_change on docmill.run as restrictive for update to docmill_app
    using (tier <= (select docmill.current_clearance())) with check (tier <= (select docmill.current_clearance()));

-- What belongs to a document or a run is seen by whoever sees that: the subqueries are under the policies of the tables that
-- they ask. Who sees everything is not asked again for each row. Sources and readings are asked through functions: runs are
-- written by statements that look both up, each made ready anew, and a function that is not called costs them nothing.
create function docmill.sees_document(of_tenant uuid, wanted uuid) returns boolean
    language plpgsql stable parallel safe
    as $$ begin return exists (select from docmill.document d where d.tenant_id = of_tenant and d.id = wanted); end $$;
grant execute on function docmill.sees_document(uuid, uuid) to docmill_app;

-- Whether somebody sees a document with these bytes: copies are made within a tier only, but each can be given another one
-- later.
create function docmill.sees_bytes(of_tenant uuid, first_source uuid) returns boolean
    language plpgsql stable parallel safe
    as $$
begin
    return exists (select from docmill.source s where s.tenant_id = of_tenant and s.id = first_source)
        or exists (select from docmill.source s where s.tenant_id = of_tenant and s.duplicate_of = first_source);
end
$$;
grant execute on function docmill.sees_bytes(uuid, uuid) to docmill_app;

create policy tier on docmill.source as restrictive for select to docmill_app
    using ((select docmill.current_clearance()) = 'S' or docmill.sees_document(tenant_id, document_id));
create policy tier on docmill.reading as restrictive for select to docmill_app
    using ((select docmill.current_clearance()) = 'S' or docmill.sees_bytes(tenant_id, source_id));

create policy tier on docmill.page as restrictive for select to docmill_app
    using ((select docmill.current_clearance()) = 'S' or exists (
        select from docmill.reading r where r.tenant_id = page.tenant_id and r.id = page.reading_id));

-- For a table whose rows belong to a run. The ledger is none: it tells what was used, and not of what.
create function docmill.follow_run(target regclass) returns void
    language plpgsql
    as $$
begin
    execute format(
        'create policy tier on %1$s as restrictive for select to docmill_app
         using ((select docmill.current_clearance()) = ''S'' or exists (
            select from docmill.run r where r.tenant_id = %1$s.tenant_id and r.id = %1$s.run_id))', target);
end
$$;
select docmill.follow_run('docmill.run_input');
select docmill.follow_run('docmill.lookup');
select docmill.follow_run('docmill.run_reading');
select docmill.follow_run('docmill.step');
select docmill.follow_run('docmill.attempt');
select docmill.follow_run('docmill.field');
select docmill.follow_run('docmill.check');
select docmill.follow_run('docmill.citation');
select docmill.follow_run('docmill.artifact');
select docmill.follow_run('docmill.step_output');

-- The functions that search as the owner (0006) name the clearance themselves, as they do the tenant.
create or replace function docmill.runs_with(lookup_name text, wanted text[]) returns setof uuid
    language plpgsql stable security definer rows 100
    set search_path = pg_catalog, pg_temp set plan_cache_mode = force_custom_plan
    as $$
declare
    clearance constant docmill.tier := docmill.current_clearance();
begin
    return query
    select l.run_id from docmill.lookup l
    where l.tenant_id = docmill.current_tenant() and l.name = lookup_name and l.tokens @> wanted
        and (clearance = 'S' or exists (
            select from docmill.run r
            where r.tenant_id = l.tenant_id and r.id = l.run_id and r.tier <= clearance));
end
$$;

create or replace function docmill.pages_with(wanted tsquery) returns table (reading_id uuid, number integer)
    language plpgsql stable security definer rows 100
    set search_path = pg_catalog, pg_temp set plan_cache_mode = force_custom_plan
    as $$
declare
    clearance constant docmill.tier := docmill.current_clearance();
begin
    return query
    select p.reading_id, p.number from docmill.page p
    where p.tenant_id = docmill.current_tenant() and p.words @@ wanted
        and (clearance = 'S' or exists (
            select from docmill.reading r
            join docmill.source s on s.tenant_id = r.tenant_id and (s.id = r.source_id or s.duplicate_of = r.source_id)
            join docmill.document d on d.tenant_id = s.tenant_id and d.id = s.document_id
            where r.tenant_id = p.tenant_id and r.id = p.reading_id and d.tier <= clearance));
end
$$;

-- The bytes of a source, which are with the first that had the same. The first may have been raised since.
create function docmill.source_bytes(wanted uuid) returns bytea
    language sql stable security definer set search_path = pg_catalog, pg_temp
    as $$
    select o.inline
    from docmill.source s
    join docmill.document d on d.tenant_id = s.tenant_id and d.id = s.document_id
    join docmill.source o on o.tenant_id = s.tenant_id and o.id = coalesce(s.duplicate_of, s.id)
    where s.tenant_id = docmill.current_tenant() and s.id = wanted and d.tier <= docmill.current_clearance()
$$;
grant execute on function docmill.source_bytes(uuid) to docmill_app;
