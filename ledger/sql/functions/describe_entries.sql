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
    WHERE given.seq > v_head.signed_seq
        AND entry.description_commitment = sha256(c_tag || given.salt || convert_to(given.description, 'UTF8'));
    GET DIAGNOSTICS v_count = ROW_COUNT;
    IF v_count <> cardinality(p_seq) THEN
        RAISE EXCEPTION 'a description does not match its entry''s commitment' USING ERRCODE = 'DW003';
    END IF;
END
$$;
