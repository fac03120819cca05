-- Who acts: people with a role and a clearance, their sessions, and keys that belong to one of them or to a service.

-- A person. Never deleted, because runs and the audit log name them: `removed` says that they are gone.
create table docmill.user (
    tenant_id    uuid        not null references docmill.tenant,
    id           uuid        not null,
    email        text        not null check (char_length(email) between 3 and 254),   -- in lower case
    name         text        not null check (char_length(name) between 1 and 200),
    role         text        not null check (role in ('owner', 'developer', 'invoker', 'viewer')),
    clearance    text        not null check (clearance in ('S', 'A', 'B', 'C', 'D')),
    status       text        not null default 'active' check (status in ('active', 'suspended', 'removed')),
    preferences  json        not null default '{}' check (octet_length(preferences::text) <= 16384),
    version      integer     not null default 1 check (version > 0),                  -- counts changes
    created_at   timestamptz not null default now(),
    primary key (tenant_id, id)
);
-- Who was removed may come back under the same address, as somebody new.
create unique index user_by_email on docmill.user (tenant_id, email) where status <> 'removed';
select docmill.protect('docmill.user', 'select, insert, update (name, role, clearance, status, preferences, version)');
create policy owner on docmill.user to docmill_owner using (true);

-- Keys of before could do everything, and go on so until somebody changes them.
alter table docmill.api_key
    add column user_id      uuid,                       -- whose it is; null: a service's
    add column role         text not null default 'owner' check (role in ('owner', 'developer', 'invoker', 'viewer')),
    add column scopes       text[] check (cardinality(scopes) between 1 and 32),      -- null: all of the role's
    add column clearance    text not null default 'S' check (clearance in ('S', 'A', 'B', 'C', 'D')),
    add column expires_at   timestamptz,                -- null: never
    add column last_used_at timestamptz,                -- to within a minute
    add column rotated_to   uuid,                       -- the key that took its place
    add foreign key (tenant_id, user_id) references docmill.user (tenant_id, id);
create index api_key_by_user on docmill.api_key (tenant_id, user_id) where user_id is not null;
grant update (revoked_at, expires_at, last_used_at, rotated_to) on docmill.api_key to docmill_app;

-- A person who is signed in, for a day at most, by a key of theirs: it may what the key may, and ends with it. Its text is
-- random like a key's.
create table docmill.session (
    tenant_id    uuid        not null,
    id           uuid        not null,
    user_id      uuid        not null,
    key_id       uuid        not null,
    secret_hash  bytea       not null check (octet_length(secret_hash) = 32),
    client_ip    inet,                                  -- where they signed in
    user_agent   text        check (char_length(user_agent) <= 300),
    created_at   timestamptz not null default now(),
    expires_at   timestamptz not null,
    revoked_at   timestamptz,
    primary key (tenant_id, id),
    foreign key (tenant_id, user_id) references docmill.user (tenant_id, id),
    foreign key (tenant_id, key_id) references docmill.api_key (tenant_id, id),
    check (expires_at <= created_at + interval '1 day')
);
create index session_by_hash on docmill.session (secret_hash);
create index session_by_user on docmill.session (tenant_id, user_id, id);
select docmill.protect('docmill.session', 'select, insert, update (revoked_at)');
create policy owner on docmill.session to docmill_owner using (true);

-- Who has the secret with this hash, a key or a session, and whether it still works. Role, scopes and clearance are those of
-- the credential; what its user may stands beside it, and the lesser of the two counts.
create function docmill.principal(hash bytea)
    returns table (
        tenant_id uuid, tenant_name text, timezone text, locale text,
        key_id uuid, session_id uuid, name text, role text, scopes text[], clearance text,
        user_id uuid, user_name text, user_role text, user_clearance text,
        expires_at timestamptz, key_expires_at timestamptz, last_used_at timestamptz, state text
    )
    language sql stable security definer set search_path = pg_catalog, pg_temp
    as $$
    select t.tenant_id, t.name, t.timezone, t.locale,
        k.id, null::uuid, k.name, k.role, k.scopes, k.clearance,
        u.id, u.name, u.role, u.clearance,
        k.expires_at, k.expires_at, k.last_used_at,
        case when k.revoked_at <= now() then 'revoked' when k.expires_at <= now() then 'expired'
            when u.status <> 'active' then u.status else 'active' end
    from docmill.api_key k
        join docmill.tenant t on t.tenant_id = k.tenant_id
        left join docmill.user u on u.tenant_id = k.tenant_id and u.id = k.user_id
    where k.secret_hash = hash
    union all
    select t.tenant_id, t.name, t.timezone, t.locale,
        null, s.id, u.name, k.role, k.scopes, k.clearance,
        u.id, u.name, u.role, u.clearance,
        least(s.expires_at, k.expires_at), k.expires_at, null,
        case when s.revoked_at <= now() or k.revoked_at <= now() then 'revoked'
            when least(s.expires_at, k.expires_at) <= now() then 'expired'
            when u.status <> 'active' then u.status else 'active' end
    from docmill.session s
        join docmill.tenant t on t.tenant_id = s.tenant_id
        join docmill.user u on u.tenant_id = s.tenant_id and u.id = s.user_id
        join docmill.api_key k on k.tenant_id = s.tenant_id and k.id = s.key_id
    where s.secret_hash = hash
    limit 1
$$;
grant execute on function docmill.principal(bytea) to docmill_app;

-- Hosts of the release before ask this one while a release rolls out. They know neither roles nor scopes: only keys that may do
-- everything work with them.
create or replace function docmill.authenticate(hash bytea)
    returns table (tenant_id uuid, tenant_name text, timezone text, locale text, key_id uuid, key_name text)
    language sql stable security definer set search_path = pg_catalog, pg_temp
    as $$
    select p.tenant_id, p.tenant_name, p.timezone, p.locale, p.key_id, p.name
    from docmill.principal(hash) p
    where p.state = 'active' and p.key_id is not null and p.role = 'owner' and p.scopes is null and p.clearance = 'S'
        and coalesce(p.user_role, 'owner') = 'owner' and coalesce(p.user_clearance, 'S') = 'S'
$$;

-- How many ways in remain with which somebody can change everything: keys that last, may do all and see all, of services and of
-- owners.
create function docmill.owners() returns bigint
    language sql stable set search_path = pg_catalog, pg_temp
    as $$
    select count(*)
    from docmill.api_key k
        left join docmill.user u on u.tenant_id = k.tenant_id and u.id = k.user_id
    where k.tenant_id = docmill.current_tenant() and k.role = 'owner' and k.scopes is null and k.clearance = 'S'
        and k.revoked_at is null and k.expires_at is null
        and (k.user_id is null or u.role = 'owner' and u.clearance = 'S' and u.status = 'active')
$$;
grant execute on function docmill.owners() to docmill_app;
