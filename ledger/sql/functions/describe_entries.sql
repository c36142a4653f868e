-- Stores the descriptions of entries posted in this database transaction, each only if its entry commits to it.
CREATE OR REPLACE FUNCTION ledger.describe_entries(
    p_epoch bigint, p_seq bigint[], p_salt bytea[], p_description text[]
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
    -- 'dwaybank.node/description' and the version byte, as in ledger.canonical.
    c_tag CONSTANT bytea := '\x6477617962616e6b2e6e6f64652f6465736372697074696f6e01';
    v_head ledger.head := ledger.lock_head(p_epoch);
    v_count bigint;
BEGIN
    INSERT INTO ledger.description (seq, salt, description)
    SELECT given.seq, given.salt, given.description
    FROM unnest(p_seq, p_salt, p_description) AS given (seq, salt, description)
    JOIN ledger.entry ON entry.seq = given.seq
    WHERE given.seq >= v_head.next_seq
        AND entry.description_commitment = sha256(c_tag || given.salt || convert_to(given.description, 'UTF8'));
    GET DIAGNOSTICS v_count = ROW_COUNT;
    IF v_count <> cardinality(p_seq) THEN
        RAISE EXCEPTION 'a description does not match its entry''s commitment' USING ERRCODE = 'DW003';
    END IF;
END
$$;

-- Stores the metadata of entries posted in this database transaction. Its commitment covers the JSON text as RFC 8785
-- writes it, which the database does not: ledger.audit checks it.
CREATE OR REPLACE FUNCTION ledger.add_metadata(p_epoch bigint, p_seq bigint[], p_salt bytea[], p_pairs jsonb[])
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
    v_head ledger.head := ledger.lock_head(p_epoch);
    v_count bigint;
BEGIN
    INSERT INTO ledger.metadata (seq, salt, pairs)
    SELECT given.seq, given.salt, given.pairs
    FROM unnest(p_seq, p_salt, p_pairs) AS given (seq, salt, pairs)
    JOIN ledger.entry ON entry.seq = given.seq
    WHERE given.seq >= v_head.next_seq AND entry.metadata_commitment IS NOT NULL;
    GET DIAGNOSTICS v_count = ROW_COUNT;
    IF v_count <> cardinality(p_seq) THEN
        RAISE EXCEPTION 'metadata was given for an entry that has none' USING ERRCODE = 'DW003';
    END IF;
END
$$;

-- Stores the changes of accounts by entries of this database transaction that count for another time than their own.
CREATE OR REPLACE FUNCTION ledger.add_dated_postings(
    p_epoch bigint, p_posted_at timestamptz, p_account bigint[], p_effective_at timestamptz[], p_seq bigint[],
    p_change bigint[]
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
    v_head ledger.head := ledger.lock_head(p_epoch);
BEGIN
    INSERT INTO ledger.dated_posting (account_id, effective_at, seq, posted_at, change)
    SELECT given.account_id, given.effective_at, given.seq, p_posted_at, given.change
    FROM unnest(p_account, p_effective_at, p_seq, p_change) AS given (account_id, effective_at, seq, change)
    WHERE given.seq >= v_head.next_seq;
END
$$;
