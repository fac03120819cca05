-- What may run: plugins and their versions, pipelines and their versions. Versions never change once they are written:
-- docmill_app has no right to.

-- A plugin of a namespace; its kind is that of all its versions.
create table docmill.plugin (
    tenant_id  uuid        not null references docmill.tenant,
    id         uuid        not null,
    name       text        not null,                 -- namespace/name
    kind       text        not null check (kind in ('parser', 'extractor', 'validator', 'transformer')),
    created_at timestamptz not null default now(),
    primary key (tenant_id, id),
    unique (tenant_id, name)
);
select docmill.protect('docmill.plugin', 'select, insert');

-- An immutable version. The component is in the blob store under its digest.
create table docmill.plugin_version (
    tenant_id  uuid        not null,
    id         uuid        not null,
    plugin_id  uuid        not null,
    version    text        not null,                 -- semantic version
    digest     bytea       not null check (octet_length(digest) = 32),
    size       bigint      not null check (size > 0),
    manifest   json        not null,                 -- json and not jsonb: kept as the plugin wrote it
    inspection json        not null,
    created_at timestamptz not null default now(),
    primary key (tenant_id, id),
    unique (tenant_id, plugin_id, version),
    foreign key (tenant_id, plugin_id) references docmill.plugin (tenant_id, id)
);
select docmill.protect('docmill.plugin_version', 'select, insert');

-- A pipeline.
create table docmill.pipeline (
    tenant_id  uuid        not null references docmill.tenant,
    id         uuid        not null,
    name       text        not null,
    created_at timestamptz not null default now(),
    primary key (tenant_id, id),
    unique (tenant_id, name)
);
-- The right to update is for locking the row while a version is added.
select docmill.protect('docmill.pipeline', 'select, insert, update (name)');

-- A saved definition. `number` counts from 1 within the pipeline.
create table docmill.pipeline_version (
    tenant_id   uuid        not null,
    id          uuid        not null,
    pipeline_id uuid        not null,
    number      integer     not null check (number > 0),
    definition  json        not null,                -- as read, in the writer's order
    source_text text        not null,                -- as written, comments and all
    created_at  timestamptz not null default now(),
    primary key (tenant_id, id),
    unique (tenant_id, pipeline_id, number),
    foreign key (tenant_id, pipeline_id) references docmill.pipeline (tenant_id, id)
);
select docmill.protect('docmill.pipeline_version', 'select, insert');
