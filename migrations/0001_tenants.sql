-- Who: tenants, their keys, the audit log. And the rules that every later table keeps:
--   · `tenant_id uuid` is the first column of every primary key, unique index and foreign key (rows of one tenant can live
--     on one node of a distributed database);
--   · row-level security is enabled and forced; see docmill.protect below;
--   · ids are UUIDv7 made by hosts: their order is the order of time.

-- New functions are nobody's to call until they are granted.
alter default privileges for role docmill_owner revoke execute on functions from public;
grant usage on schema docmill to docmill_app;

-- The tenant of this transaction; null where none is set, and a comparison with null is no row.
create function docmill.current_tenant() returns uuid
    language sql stable parallel safe
    as $$ select nullif(current_setting('app.tenant_id', true), '')::uuid $$;
grant execute on function docmill.current_tenant() to docmill_app;

-- A point in time from the milliseconds that hosts count in. (A function is inlined, and costs nothing, only if it claims no
-- more than its body is: adding an interval to a timestamptz, for example, is not immutable.)
create function docmill.time_at(milliseconds bigint) returns timestamptz
    language sql immutable parallel safe
    as $$ select to_timestamp(milliseconds / 1000.0::double precision) $$;
grant execute on function docmill.time_at(bigint) to docmill_app;

-- And back.
create function docmill.millis(at timestamptz) returns bigint
    language sql stable parallel safe
    as $$ select (extract(epoch from at) * 1000)::bigint $$;
grant execute on function docmill.millis(timestamptz) to docmill_app;

-- Gives a table its policy and docmill_app its rights. A migration that adds a table calls it; a test walks the catalogue
-- and finds any that did not.
create function docmill.protect(target regclass, rights text) returns void
    language plpgsql
    as $$
begin
    execute format('alter table %s enable row level security, force row level security', target);
    execute format(
        'create policy tenant on %s using (tenant_id = docmill.current_tenant()) with check (tenant_id = docmill.current_tenant())',
        target);
    execute format('grant %s on %s to docmill_app', rights, target);
end
$$;

-- An organisation; owns every row.
create table docmill.tenant (
    tenant_id  uuid        not null primary key,
    name       text        not null check (char_length(name) between 1 and 200),
    timezone   text        not null default 'UTC',   -- IANA
    locale     text        not null default 'en',    -- BCP 47
    created_at timestamptz not null default now()
);
select docmill.protect('docmill.tenant', 'select');
create policy owner on docmill.tenant to docmill_owner using (true) with check (true);

-- An API key. Its text is random (256 bits), so a plain SHA-256 of it is enough and can be looked up.
create table docmill.api_key (
    tenant_id   uuid        not null references docmill.tenant,
    id          uuid        not null,
    name        text        not null check (char_length(name) between 1 and 200),
    prefix      text        not null,                -- the first characters of its text, for people
    secret_hash bytea       not null check (octet_length(secret_hash) = 32),
    created_at  timestamptz not null default now(),
    revoked_at  timestamptz,
    primary key (tenant_id, id)
);
-- Not unique: whose key it is, is what the look-up is to find out.
create index api_key_by_hash on docmill.api_key (secret_hash);
select docmill.protect('docmill.api_key', 'select, insert, update (revoked_at)');
create policy owner on docmill.api_key to docmill_owner using (true) with check (true);

-- Whose key has this hash. The one question that is asked before a tenant is known.
create function docmill.authenticate(hash bytea)
    returns table (tenant_id uuid, tenant_name text, timezone text, locale text, key_id uuid, key_name text)
    language sql stable security definer set search_path = pg_catalog, pg_temp
    as $$
    select t.tenant_id, t.name, t.timezone, t.locale, k.id, k.name
    from docmill.api_key k join docmill.tenant t on t.tenant_id = k.tenant_id
    where k.secret_hash = hash and k.revoked_at is null
    limit 1
$$;
grant execute on function docmill.authenticate(bytea) to docmill_app;

-- Makes the first tenant with its first key; false if there is a tenant.
create function docmill.bootstrap(tenant uuid, name text, key uuid, key_name text, prefix text, hash bytea) returns boolean
    language plpgsql security definer set search_path = pg_catalog, pg_temp
    as $$
begin
    perform pg_advisory_xact_lock(hashtext('docmill bootstrap'));
    if exists (select from docmill.tenant) then
        return false;
    end if;
    insert into docmill.tenant (tenant_id, name) values (tenant, name);
    insert into docmill.api_key (tenant_id, id, name, prefix, secret_hash) values (tenant, key, key_name, prefix, hash);
    return true;
end
$$;
grant execute on function docmill.bootstrap(uuid, text, uuid, text, text, bytea) to docmill_app;

-- All tenants: for the command line on the machine itself.
create function docmill.tenants() returns table (tenant_id uuid, name text)
    language sql stable security definer set search_path = pg_catalog, pg_temp
    as $$ select t.tenant_id, t.name from docmill.tenant t order by t.tenant_id $$;
grant execute on function docmill.tenants() to docmill_app;
