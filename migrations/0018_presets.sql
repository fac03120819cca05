-- Presets: named, versioned configurations of a plugin. A version never changes; whether the preset may be used at all does.
create table docmill.preset (
    tenant_id  uuid        not null references docmill.tenant,
    name       text        not null check (char_length(name) between 1 and 60),
    active     boolean     not null default true,
    changes    integer     not null default 0 check (changes >= 0),  -- of `active`
    created_at timestamptz not null default now(),
    primary key (tenant_id, name)
);
-- The right to update is also for locking the row while a version is added.
select docmill.protect('docmill.preset', 'select, insert, update (active, changes)');

-- `number` counts from 1 within the preset.
create table docmill.preset_version (
    tenant_id   uuid        not null,
    name        text        not null,
    number      integer     not null check (number > 0),
    plugin      text        not null,                -- a reference: namespace/name@range
    preset      json        not null,                -- as read, in the writer's order
    source_text text        not null,                -- as written, comments and all
    created_at  timestamptz not null default now(),
    primary key (tenant_id, name, number),
    foreign key (tenant_id, name) references docmill.preset (tenant_id, name)
);
select docmill.protect('docmill.preset_version', 'select, insert');
