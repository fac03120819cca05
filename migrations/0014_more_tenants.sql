-- More organisations than the first one. Made on the machine itself, like the first, and not over HTTP: whoever may start docmill
-- on its database may.

-- Makes a tenant with its first key and the first entry of its audit log; false if one has that name.
create function docmill.create_tenant(
    tenant uuid, name text, key uuid, key_name text, prefix text, hash bytea, entry uuid
) returns boolean
    language plpgsql security definer set search_path = pg_catalog, pg_temp
    as $$
begin
    perform pg_advisory_xact_lock(hashtext('docmill bootstrap'));
    if exists (select from docmill.tenant t where lower(t.name) = lower(create_tenant.name)) then
        return false;
    end if;
    insert into docmill.tenant (tenant_id, name) values (tenant, name);
    insert into docmill.api_key (tenant_id, id, name, prefix, secret_hash) values (tenant, key, key_name, prefix, hash);
    insert into docmill.audit_entry (tenant_id, id, at, action, subject, detail)
    values (tenant, entry, now(), 'tenant.create', create_tenant.name, jsonb_build_object('key', 'key_' || replace(key::text, '-', '')));
    return true;
end
$$;
grant execute on function docmill.create_tenant(uuid, text, uuid, text, text, bytea, uuid) to docmill_app;

-- Tenants that lack some of these components: those of a new release.
create policy owner on docmill.plugin_version to docmill_owner using (true);
create function docmill.tenants_without(components bytea[]) returns table (tenant_id uuid)
    language sql stable security definer set search_path = pg_catalog, pg_temp
    as $$
    select t.tenant_id from docmill.tenant t
    where exists (
        select from unnest(components) c(digest)
        where not exists (select from docmill.plugin_version v where v.tenant_id = t.tenant_id and v.digest = c.digest))
    order by t.tenant_id
$$;
grant execute on function docmill.tenants_without(bytea[]) to docmill_app;
