-- Who wrote a version: docmill itself, which ships example pipelines, or somebody here. While the newest one is docmill's, a
-- release puts its own after it; what somebody wrote stays the newest.
alter table docmill.pipeline_version add column shipped boolean not null default false;

-- Before this column, docmill saved its examples at the very first start, before anybody else could save anything, and in the
-- first organisation alone.
create policy owner on docmill.pipeline to docmill_owner using (true);
create policy owner on docmill.pipeline_version to docmill_owner using (true) with check (true);
update docmill.pipeline_version v set shipped = true
from docmill.pipeline p
where p.tenant_id = v.tenant_id and p.id = v.pipeline_id and v.number = 1
    and p.name in ('certificate', 'form', 'invoice', 'letter', 'read')
    and p.tenant_id = (select t.tenant_id from docmill.tenant t order by t.tenant_id limit 1);
drop policy owner on docmill.pipeline_version;
drop policy owner on docmill.pipeline;
