-- A tenant's time zone and locale can be changed. Every change counts the version up: what was planned with the settings of
-- before (defaults of plugins in the tenant's language) is looked at again, and two who change at once notice each other.
alter table docmill.tenant add column settings_version integer not null default 1 check (settings_version > 0);
grant update (timezone, locale, settings_version) on docmill.tenant to docmill_app;
