-- What came with a version beside the component: golden samples and their documents, so that a version can be taken elsewhere
-- as it was uploaded. Bytes are in the blob store, by digest. Nothing of it changes, as nothing of a version does.
create table docmill.plugin_attachment (
    tenant_id  uuid   not null,
    plugin_id  uuid   not null,
    version_id uuid   not null,
    kind       text   not null check (kind in ('sample', 'document', 'sbom', 'provenance')),
    name       text   not null check (char_length(name) between 1 and 300),          -- as a file is called
    media_type text   not null check (char_length(media_type) between 1 and 200),
    format     text   check (char_length(format) between 1 and 300),                 -- what it says it is: `CycloneDX 1.6`
    digest     bytea  not null check (octet_length(digest) = 32),
    size       bigint not null check (size >= 0),
    primary key (tenant_id, version_id, kind, name),
    foreign key (tenant_id, plugin_id, version_id) references docmill.plugin_version (tenant_id, plugin_id, id)
);
select docmill.protect('docmill.plugin_attachment', 'select, insert');
