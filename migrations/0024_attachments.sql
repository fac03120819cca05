-- What came with a version beside the component: golden samples and their documents, so that a version can be taken elsewhere
-- as it was uploaded. Bytes are in the blob store, by digest. Nothing of it changes, as nothing of a version does.
create table docmill.plugin_attachment (
    tenant_id  uuid   not null,
    plugin_id  uuid   not null,
    version_id uuid   not null,
    kind       text   not null check (kind in ('sample', 'document', 'sbom', 'provenance', 'bundle')),
    name       text   not null check (char_length(name) between 1 and 300),          -- as a file is called
    media_type text   not null check (char_length(media_type) between 1 and 200),
    format     text   check (char_length(format) between 1 and 300),                 -- what it says it is: `CycloneDX 1.6`
    digest     bytea  not null check (octet_length(digest) = 32),
    size       bigint not null check (size >= 0),
    primary key (tenant_id, version_id, kind, name),
    foreign key (tenant_id, plugin_id, version_id) references docmill.plugin_version (tenant_id, plugin_id, id)
);
select docmill.protect('docmill.plugin_attachment', 'select, insert');

-- A Sigstore bundle by which somebody vouches for the version; text, and not JSON, because it is verified as it came. Among the
-- attachments, too, for who wants to have it.
alter table docmill.plugin_version
    add column bundle text check (octet_length(bundle) between 1 and 131072);

-- Whose bundles the tenant trusts: somebody whom an OpenID Connect issuer vouches for, or a public key. An identity is revoked,
-- never removed or changed, as keys are.
create table docmill.signing_identity (
    tenant_id      uuid        not null references docmill.tenant,
    name           text        not null check (char_length(name) between 1 and 60),
    subject        text        check (char_length(subject) between 1 and 1000),
    subject_prefix boolean     not null default false,     -- the subject is how it begins
    issuer         text        check (char_length(issuer) between 1 and 1000),
    public_key     text        check (octet_length(public_key) between 1 and 8192),      -- PEM
    trusted_root   text        check (octet_length(trusted_root) between 1 and 131072),  -- null: that of the public Sigstore
    expires_at     timestamptz,
    revoked_at     timestamptz,
    created_at     timestamptz not null default now(),
    primary key (tenant_id, name),
    check ((subject is null) = (issuer is null) and (subject is null) <> (public_key is null))
);
select docmill.protect('docmill.signing_identity', 'select, insert, update (revoked_at)');
