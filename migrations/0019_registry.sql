-- The registry: versions of plugins have a state, the report of their admission and a signature; channels name versions; and a
-- tenant says whose signatures it trusts.

-- `changes` counts those of its versions' states and of its channels, so that plans notice them. The right to update it is also
-- for locking the row: whatever is published, yanked or moved at the same moment takes turns there.
alter table docmill.plugin
    add column changes integer not null default 0 check (changes >= 0);
grant update (changes) on docmill.plugin to docmill_app;

-- What a version is never changes; whether plans may use it does. Null `report`: published before there were reports.
alter table docmill.plugin_version
    add column state      text not null default 'published'
        check (state in ('admitted', 'published', 'deprecated', 'yanked')),
    add column state_note text check (char_length(state_note) between 1 and 500),
    add column state_at   timestamptz,                 -- null: since it was uploaded
    add column report     json,
    add column signature  json,
    add unique (tenant_id, plugin_id, id);
grant update (state, state_note, state_at) on docmill.plugin_version to docmill_app;

-- A name that stands for one version of a plugin at a time: `acme/fields@beta`.
create table docmill.plugin_channel (
    tenant_id  uuid        not null,
    plugin_id  uuid        not null,
    name       text        not null check (char_length(name) between 1 and 60),
    version_id uuid,                                   -- null: the channel is closed
    changed_at timestamptz not null default now(),
    primary key (tenant_id, plugin_id, name),
    foreign key (tenant_id, plugin_id) references docmill.plugin (tenant_id, id),
    foreign key (tenant_id, plugin_id, version_id) references docmill.plugin_version (tenant_id, plugin_id, id)
);
select docmill.protect('docmill.plugin_channel', 'select, insert, update (version_id, changed_at)');

-- Ed25519 keys whose signatures the tenant trusts. A key is revoked, never removed or changed: signatures name it.
create table docmill.signing_key (
    tenant_id  uuid        not null references docmill.tenant,
    name       text        not null check (char_length(name) between 1 and 60),
    public_key bytea       not null check (octet_length(public_key) = 32),
    expires_at timestamptz,
    revoked_at timestamptz,
    created_at timestamptz not null default now(),
    primary key (tenant_id, name),
    unique (tenant_id, public_key)
);
select docmill.protect('docmill.signing_key', 'select, insert, update (revoked_at)');

-- Whether only versions run that one of these keys signed; those that come with docmill itself are the operator's.
alter table docmill.tenant add column require_signatures boolean not null default false;
grant update (require_signatures) on docmill.tenant to docmill_app;
