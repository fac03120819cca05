-- Compiled code of components: made once, when a version is admitted, kept as a blob, pulled by every other host.

-- A row may point anywhere and a blob may hold anything: a host runs code only if its authentication code, made with the platform's
-- key over component, engine and code, is right on the file that it maps. So nothing here has to be trusted.
create table docmill.plugin_code (
    tenant_id uuid        not null references docmill.tenant,
    component bytea       not null check (octet_length(component) = 32),   -- SHA-256 of the component
    engine    bytea       not null check (octet_length(engine) = 32),      -- fingerprint of the engine that the code is for
    code      bytea       not null check (octet_length(code) = 32),        -- SHA-256 of the blob: code, header, authentication code
    size      bigint      not null check (size > 0),                       -- bytes of the blob
    made_at   timestamptz not null default now(),
    primary key (tenant_id, component, engine)
);
select docmill.protect('docmill.plugin_code', 'select, insert, update (code, size, made_at)');
