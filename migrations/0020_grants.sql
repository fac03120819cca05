-- What plugins may do beyond their inputs, and the secrets that the host puts into what they send.

-- A grant of one capability to one plugin, all its versions, also before the first is there. A withdrawn grant stays, without
-- bounds: `changes` only grows, and plans are made anew when it does.
create table docmill.plugin_grant (
    tenant_id  uuid        not null references docmill.tenant,
    plugin     text        not null check (char_length(plugin) between 3 and 200),   -- namespace/name
    capability text        not null check (char_length(capability) between 1 and 40),
    bounds     json,                                  -- as docmill_model::grant writes them; null: withdrawn
    granted_by text        not null,                  -- the name of who granted or withdrew it last
    changed_at timestamptz not null default now(),
    changes    integer     not null default 1 check (changes > 0),
    primary key (tenant_id, plugin, capability)
);
select docmill.protect('docmill.plugin_grant', 'select, insert, update (bounds, granted_by, changed_at, changes)');

-- A secret, sealed with a key that the database does not hold. Tenant, name, hosts and the key's number are sealed with it, so
-- that no row can be put in the place of another, nor sent elsewhere.
create table docmill.secret (
    tenant_id  uuid        not null references docmill.tenant,
    name       text        not null check (char_length(name) between 1 and 60),
    hosts      text[]      not null check (cardinality(hosts) between 1 and 64),     -- where it may go, as grants write them
    key_number integer     not null check (key_number > 0),                          -- which envelope key
    sealed     bytea       check (octet_length(sealed) between 28 and 16384),          -- null: forgotten
    changed_by text        not null,
    created_at timestamptz not null default now(),
    changed_at timestamptz not null default now(),
    primary key (tenant_id, name)
);
select docmill.protect('docmill.secret', 'select, insert, update (hosts, key_number, sealed, changed_by, changed_at)');
