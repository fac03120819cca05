-- Run before the migrations, every time, by the user of DATABASE_DIRECT_URL. Makes what migrations stand on:
--
--   docmill_owner  owns the schema and everything in it. Nobody logs in as it. Row-level security is forced on it too; the
--                  functions that work across tenants run as it and pass by policies of its own on the tables they need.
--   docmill_app    what hosts act as. Owns nothing, bypasses nothing, sees the rows of app.tenant_id only.
--
-- The user needs CREATEROLE, or an administrator who ran the statements of the hint below.
do $$
declare
    wanted text;
    missing text := '';
    -- From 16 on, who made a role is a member that may grant it, and not one that may act as it.
    membership text := case when current_setting('server_version_num')::integer >= 160000 then 'set' else 'member' end;
begin
    -- Roles belong to the whole server: two databases that are migrated at once must not both make them.
    perform pg_advisory_xact_lock(hashtext('docmill roles'));

    foreach wanted in array array['docmill_owner', 'docmill_app'] loop
        if not exists (select from pg_roles where rolname = wanted) then
            begin
                execute format('create role %I nologin nosuperuser nobypassrls nocreatedb nocreaterole', wanted);
            exception when insufficient_privilege then
                missing := missing || format('create role %I nologin; ', wanted);
            end;
        end if;
        if missing = '' and not pg_has_role(current_user, wanted, membership) then
            begin
                execute format('grant %I to current_user', wanted);
            exception when insufficient_privilege then
                missing := missing || format('grant %I to %I; ', wanted, current_user);
            end;
        end if;
    end loop;

    if missing <> '' then
        raise insufficient_privilege using
            message = format('the user %I may not create the roles that docmill needs', current_user),
            hint = format('let an administrator run: %s', missing || format(
                'grant docmill_owner, docmill_app to %I', current_user));
    end if;

    -- A role that was made by hand with too much power would make every policy void.
    if exists (select from pg_roles where rolname in ('docmill_owner', 'docmill_app') and (rolsuper or rolbypassrls)) then
        raise insufficient_privilege using
            message = 'the role docmill_owner or docmill_app is a superuser or bypasses row-level security',
            hint = 'alter role docmill_owner nosuperuser nobypassrls; alter role docmill_app nosuperuser nobypassrls';
    end if;

    if not exists (select from pg_namespace where nspname = 'docmill') then
        begin
            execute 'create schema docmill authorization docmill_owner';
        exception when insufficient_privilege then
            raise insufficient_privilege using
                message = format('the user %I may not create a schema in the database %I', current_user, current_database()),
                hint = format('let its owner run: grant create on database %I to %I', current_database(), current_user);
        end;
    end if;
end
$$;
