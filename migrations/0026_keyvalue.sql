-- Values that plugins keep between their calls: `wasi:keyvalue`.

-- What each plugin keeps, counted. The row is locked by whoever writes, so that its quota holds among all hosts.
create table docmill.plugin_store (
    tenant_id uuid   not null references docmill.tenant,
    plugin    text   not null check (char_length(plugin) between 3 and 200),   -- namespace/name
    keys      bigint not null default 0 check (keys >= 0),
    bytes     bigint not null default 0 check (bytes >= 0),                    -- of all keys and values
    primary key (tenant_id, plugin)
);
select docmill.protect('docmill.plugin_store', 'select, insert, update (keys, bytes)');

-- Keys are bytes: U+0000 can be in no text here.
create table docmill.plugin_value (
    tenant_id  uuid        not null,
    plugin     text        not null,
    key        bytea       not null check (octet_length(key) between 1 and 512),   -- UTF-8
    value      bytea       not null check (octet_length(value) <= 1048576),
    changed_at timestamptz not null default now(),
    primary key (tenant_id, plugin, key),
    foreign key (tenant_id, plugin) references docmill.plugin_store (tenant_id, plugin)
);
select docmill.protect('docmill.plugin_value', 'select, insert, update (value, changed_at)');

-- Forgets values of a plugin: these keys, or all if none are named; how many there were, and their bytes. They are the plugin's
-- own, and nothing refers to them. A function, because who may delete from a table may lock it against everybody; it acts under the
-- policy of the tenant as its caller does, and names the tenant besides.
create function docmill.forget_values(owner text, gone bytea[], out keys bigint, out bytes bigint)
    language sql volatile security definer set search_path = pg_catalog, pg_temp
    as $$
    with forgotten as (
        delete from docmill.plugin_value v
        where v.tenant_id = docmill.current_tenant() and v.plugin = owner and (gone is null or v.key = any (gone))
        returning octet_length(v.key) + octet_length(v.value) as size
    )
    select count(*), coalesce(sum(size), 0)::bigint from forgotten
$$;
grant execute on function docmill.forget_values(text, bytea[]) to docmill_app;
