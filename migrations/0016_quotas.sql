-- What a tenant may use, and what it says of itself. What it may use is one object that hosts alone judge: a quota that a release
-- adds needs no column, and hosts of the release before pass over what they do not know. Null or left out: as the host's settings say.
alter table docmill.tenant
    add column limits           jsonb not null default '{}'
        check (jsonb_typeof(limits) = 'object' and octet_length(limits::text) <= 65536),
    add column edition          text  check (char_length(edition) between 1 and 60),
    add column contacts         jsonb not null default '{}'
        check (jsonb_typeof(contacts) = 'object' and octet_length(contacts::text) <= 65536),
    add column billing          jsonb not null default '{}'
        check (jsonb_typeof(billing) = 'object' and octet_length(billing::text) <= 65536),
    add column default_pipeline text  check (char_length(default_pipeline) between 1 and 200);
grant update (limits, edition, contacts, billing, default_pipeline) on docmill.tenant to docmill_app;

-- How many requests a tenant sent on a day of its time zone, if they are limited. Each host adds what it counted, once a second.
create table docmill.request_count (
    tenant_id uuid   not null references docmill.tenant,
    day       date   not null,
    requests  bigint not null check (requests >= 0),
    primary key (tenant_id, day)
);
select docmill.protect('docmill.request_count', 'select');
create policy owner on docmill.request_count to docmill_owner using (true) with check (true);

-- Adds what a host counted of many tenants, and gives what all hosts counted of those days, with the tenants' limits: one
-- statement a second, however many tenants a host serves. Rows are told by their place in what was given, and written in the
-- same order by every host, so that none waits for another in a circle.
create function docmill.count_requests(tenants uuid[], days date[], counted bigint[])
    returns table (place bigint, limits jsonb, timezone text, requests bigint)
    language sql volatile security definer set search_path = pg_catalog, pg_temp
    as $$
    with given as (
        select g.tenant_id, g.day, g.requests, g.place, t.limits, t.timezone
        from unnest(tenants, days, counted) with ordinality g(tenant_id, day, requests, place)
            join docmill.tenant t on t.tenant_id = g.tenant_id
    ), written as (
        insert into docmill.request_count as c (tenant_id, day, requests)
        select g.tenant_id, g.day, sum(g.requests)::bigint from given g where g.requests > 0 and g.day is not null
        group by g.tenant_id, g.day order by g.tenant_id, g.day
        on conflict (tenant_id, day) do update set requests = c.requests + excluded.requests
        returning c.tenant_id, c.day, c.requests
    )
    select g.place, g.limits, g.timezone, coalesce(w.requests, c.requests, 0)
    from given g
        left join written w on w.tenant_id = g.tenant_id and w.day = g.day
        left join docmill.request_count c on c.tenant_id = g.tenant_id and c.day = g.day
    order by g.place
$$;
grant execute on function docmill.count_requests(uuid[], date[], bigint[]) to docmill_app;
