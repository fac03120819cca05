-- What is known: documents, their sources, readings and pages. They last; runs pass and point to them.

-- What the tenant keeps. No foreign key to the tenant: every upload would lock the tenant's one row.
create table docmill.document (
    tenant_id  uuid        not null,
    id         uuid        not null,
    name       text,                                 -- as the client gave it
    created_at timestamptz not null default now(),
    primary key (tenant_id, id)
);
select docmill.protect('docmill.document', 'select, insert');

-- Bytes that came in: a version of a document. Small ones are in `inline`, others in the blob store under the digest.
create table docmill.source (
    tenant_id    uuid        not null,
    id           uuid        not null,
    document_id  uuid        not null,
    name         text,
    media_type   text        not null,
    size         bigint      not null check (size >= 0),
    digest       bytea       not null check (octet_length(digest) = 32),
    simhash      bigint,                             -- of the text; 64 bits, near-duplicates differ in few
    -- The first source with the same bytes. Those have the bytes and the readings; this one has neither. No foreign key: the
    -- same bytes sent a thousand times at once would lock one row a thousand times.
    duplicate_of uuid,
    inline       bytea,
    created_at   timestamptz not null default now(),
    primary key (tenant_id, id),
    foreign key (tenant_id, document_id) references docmill.document (tenant_id, id),
    check (duplicate_of is null or inline is null)
);
alter table docmill.source alter column inline set storage external;  -- files are compressed already, most often
create index source_by_document on docmill.source (tenant_id, document_id);
create index source_by_digest on docmill.source (tenant_id, digest, id) where duplicate_of is null;
create index source_by_duplicate on docmill.source (tenant_id, duplicate_of) where duplicate_of is not null;
select docmill.protect('docmill.source', 'select, insert');

-- What one parser made of a source. `recipe` is the digest of the parser's component and configuration: the same recipe on
-- the same source is the same reading and is kept once.
create table docmill.reading (
    tenant_id         uuid        not null,
    id                uuid        not null,
    source_id         uuid        not null,          -- never one with duplicate_of
    plugin            text        not null,          -- namespace/name@version
    recipe            bytea       not null check (octet_length(recipe) = 32),
    source_media_type text        not null,
    language          text,                          -- BCP 47
    metadata          json        not null,          -- [[name, value], …] in the parser's order
    page_count        integer     not null check (page_count >= 0),
    created_at        timestamptz not null default now(),
    primary key (tenant_id, id),
    foreign key (tenant_id, source_id) references docmill.source (tenant_id, id)
);
create index reading_by_source on docmill.reading (tenant_id, source_id, recipe);
select docmill.protect('docmill.reading', 'select, insert');

-- Words as they are searched: Cyrillic ones by their Russian stem, Latin ones by their English stem, numbers and identifiers
-- as they stand. Words of other languages that use these letters (Kazakh) are found in the form in which they stand, because
-- page and question pass through the same rules.
create text search configuration docmill.words (copy = pg_catalog.russian);

-- ё and е are one letter to those who search. No page is too long for a tsvector (1 MiB) this way: of a page of more than
-- 100 000 characters, the first 100 000 can be searched.
create function docmill.words_of(page_text text) returns tsvector
    language sql immutable parallel safe
    as $$ select to_tsvector('docmill.words', translate(left(page_text, 100000), 'Ёё', 'Ее')) $$;
grant execute on function docmill.words_of(text) to docmill_app;

-- One page with its text and where the text came from.
create table docmill.page (
    tenant_id  uuid    not null,
    reading_id uuid    not null,
    number     integer not null check (number >= 0),
    label      text,                                 -- as printed ("iv"), a sheet's name
    width      real,                                 -- in points; null for formats without pages
    height     real,
    origin     text    not null check (origin in ('digital', 'recognized', 'mixed')),
    warnings   text[]  not null default '{}',
    text       text    not null,
    blocks     json    not null,                     -- blocks, tables, fragments with ranges into the text and regions
    words      tsvector not null generated always as (docmill.words_of(text)) stored,
    primary key (tenant_id, reading_id, number),
    foreign key (tenant_id, reading_id) references docmill.reading (tenant_id, id)
);
create index page_words on docmill.page using gin (words);
select docmill.protect('docmill.page', 'select, insert');

-- Text and layout are most of the bytes of a run: where the server has lz4, it costs a tenth of the processor time.
do $$
begin
    alter table docmill.page alter column text set compression lz4;
    alter table docmill.page alter column blocks set compression lz4;
exception when feature_not_supported or invalid_parameter_value then
    null;
end
$$;
