-- The audit log as a chain: every entry of a tenant gets a place (`seq`, from 1 without gaps) and a hash over all its columns
-- and the hash before it. Whoever changes, removes or moves an entry afterwards breaks the chain at that place, and
-- `docmill audit verify` names it. README.md beside this file specifies the bytes that are hashed.
--
-- Entries are inserted without a place, by runs that are committed on several hosts at once: a chain written there would make
-- them all wait for one row. A sealer links them about a second later (docmill.seal_audit). What it has sealed, nobody changes.

alter table docmill.audit_entry
    add column seq  bigint,                          -- null: not sealed yet
    add column hash bytea,                           -- SHA-256
    -- What could not be sealed or indexed must not get in: one such entry would hold up the chains of all.
    add constraint audit_entry_can_be_sealed check (
        case when seq is null then hash is null
             else seq > 0 and hash is not null and octet_length(hash) = 32 end
        and isfinite(at) and octet_length(action) between 1 and 200 and octet_length(subject) <= 2000
        and (detail is null or octet_length(detail::text) <= 65536)
    );

-- The one index that whoever inserts pays for. All others wait for the seal.
create index audit_entry_unsealed on docmill.audit_entry (tenant_id, id) where seq is null;
-- Not unique: a unique index would have to hold the partition key. docmill.audit_head and the sealer's lock see to it.
create index audit_entry_by_seq on docmill.audit_entry (tenant_id, seq) where seq is not null;
create index audit_entry_by_subject on docmill.audit_entry (tenant_id, subject, seq) where seq is not null;
create index audit_entry_by_key on docmill.audit_entry (tenant_id, key_id, seq) where seq is not null and key_id is not null;
create index audit_entry_by_time on docmill.audit_entry (tenant_id, at) where seq is not null;
-- What happens all the time is found without an index.
create index audit_entry_by_action on docmill.audit_entry (tenant_id, action, seq)
    where seq is not null and action not in ('run.finish', 'run.read', 'run.list', 'document.read', 'document.list');

-- docmill_app inserts what happened, never where it stands: a right for every column but those two. A migration that adds a
-- column grants it, too.
do $$
declare
    columns text;
begin
    select string_agg(quote_ident(attname), ', ' order by attnum) into columns
    from pg_attribute
    where attrelid = 'docmill.audit_entry'::regclass and attnum > 0 and not attisdropped
        and attname not in ('seq', 'hash');
    execute 'revoke insert on docmill.audit_entry from docmill_app';
    execute format('grant insert (%s) on docmill.audit_entry to docmill_app', columns);
end
$$;

-- Where a tenant's chain ends. Without it, a chain whose tail was cut off would simply go on from there.
create table docmill.audit_head (
    tenant_id uuid        not null primary key,
    seq       bigint      not null check (seq > 0),
    hash      bytea       not null check (octet_length(hash) = 32),
    sealed_at timestamptz not null
);
select docmill.protect('docmill.audit_head', 'select');
create policy owner on docmill.audit_head to docmill_owner using (true) with check (true);

-- The bytes of an entry, version 1 of the encoding: README.md specifies it, host/store/src/audit/encoding.rs is the same in
-- Rust. Nothing is written for a null, so that a column which is added later (with the next number) changes no old entry.
create function docmill.audit_bytes(
    seq bigint, tenant_id uuid, id uuid, at timestamptz, action text, subject text, key_id uuid, client_ip inet,
    request_id uuid, detail jsonb
) returns bytea
    language sql stable parallel safe
    as $$
    select '\x01'::bytea
        || '\x0100000008' || int8send(seq)
        || '\x0200000010' || uuid_send(tenant_id)
        || '\x0300000010' || uuid_send(id)
        || '\x0400000008' || int8send((extract(epoch from at) * 1000000)::bigint)
        || '\x05' || int4send(octet_length(action)) || convert_to(action, 'UTF8')
        || '\x06' || int4send(octet_length(subject)) || convert_to(subject, 'UTF8')
        || coalesce('\x0700000010' || uuid_send(key_id), '')
        || coalesce('\x08' || int4send(octet_length(text(client_ip))) || convert_to(text(client_ip), 'UTF8'), '')
        || coalesce('\x0900000010' || uuid_send(request_id), '')
        || coalesce('\x0a' || int4send(octet_length(detail::text)) || convert_to(detail::text, 'UTF8'), '')
$$;

-- Seals up to `most` entries, of all tenants, in the order of their ids within each; every host calls it about once a second.
-- One seals at a time, for the others there is nothing to do (`sealed` is null then). An entry that is committed late gets a
-- later place: what is sealed stays as it is.
--
-- `waiting` (of at most 10 000 that are looked at) and `oldest_ms`, the age of the oldest of them, tell what is still not
-- sealed.
create function docmill.seal_audit(most integer)
    returns table (sealed bigint, waiting bigint, oldest_ms bigint)
    language plpgsql security definer set search_path = pg_catalog, pg_temp
    -- Rows are updated one by one through their keys, however empty the tables were when the plan was made.
    set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
    as $$
#variable_conflict use_column
declare
    entry record;
    owner_of_chain uuid;
    last_seq bigint;
    last_hash bytea;
    tenants uuid[] := '{}';
    ids uuid[] := '{}';
    seqs bigint[] := '{}';
    hashes bytea[] := '{}';
    changed bigint;
begin
    if pg_try_advisory_xact_lock(hashtext('docmill audit')) then
        for entry in
            select e.tenant_id, e.id, e.at, e.action, e.subject, e.key_id, e.client_ip, e.request_id, e.detail
            from docmill.audit_entry e
            where e.seq is null
            order by e.tenant_id, e.id
            limit least(most, 10000)
        loop
            if entry.tenant_id is distinct from owner_of_chain then
                owner_of_chain := entry.tenant_id;
                select h.seq, h.hash into last_seq, last_hash
                from docmill.audit_head h where h.tenant_id = owner_of_chain;
                if not found then
                    last_seq := 0;
                    last_hash := decode(repeat('00', 32), 'hex');
                end if;
            end if;
            last_seq := last_seq + 1;
            last_hash := sha256(docmill.audit_bytes(last_seq, entry.tenant_id, entry.id, entry.at, entry.action,
                entry.subject, entry.key_id, entry.client_ip, entry.request_id, entry.detail) || last_hash);
            tenants := array_append(tenants, owner_of_chain);
            ids := array_append(ids, entry.id);
            seqs := array_append(seqs, last_seq);
            hashes := array_append(hashes, last_hash);
        end loop;

        sealed := cardinality(ids);
    end if;

    if sealed > 0 then
        update docmill.audit_entry e
        set seq = n.seq, hash = n.hash
        from unnest(tenants, ids, seqs, hashes) n(tenant_id, id, seq, hash)
        where e.tenant_id = n.tenant_id and e.id = n.id and e.seq is null;
        get diagnostics changed = row_count;
        if changed <> sealed then
            raise exception 'entries of the audit log changed while they were sealed';
        end if;

        insert into docmill.audit_head as h
        select distinct on (n.tenant_id) n.tenant_id, n.seq, n.hash, now()
        from unnest(tenants, seqs, hashes) n(tenant_id, seq, hash)
        order by n.tenant_id, n.seq desc
        on conflict (tenant_id) do update set seq = excluded.seq, hash = excluded.hash, sealed_at = excluded.sealed_at;
    end if;

    select count(*), (extract(epoch from now() - min(w.at)) * 1000)::bigint into waiting, oldest_ms
    from (select e.at from docmill.audit_entry e where e.seq is null limit 10000) w;
    return next;
end
$$;
grant execute on function docmill.seal_audit(integer) to docmill_app;
