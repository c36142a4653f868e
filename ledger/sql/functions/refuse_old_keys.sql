-- Each partition keeps only its own keys apart. That a key stands in no older one is proved when its entry is settled; the
-- greatest key of what is older tells for most that there is nothing to look for: keys in the order of time (UUIDv7) are
-- greater than all before them.

-- The greatest key of all partitions that end before entry p_last_seq, archived ones too; null where there are none.
CREATE OR REPLACE FUNCTION ledger.greatest_old_key(p_last_seq bigint) RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
    v_part record;
    v_key uuid;
BEGIN
    FOR v_part IN
        SELECT first_seq, table_name FROM ledger.partition WHERE last_seq < p_last_seq AND greatest_key IS NULL
    LOOP
        -- The entries have just gone past it: nothing is added to it any more.
        EXECUTE format('SELECT key FROM ledger.%I ORDER BY key DESC LIMIT 1', v_part.table_name) INTO v_key;
        UPDATE ledger.partition SET greatest_key = v_key WHERE first_seq = v_part.first_seq;
    END LOOP;
    RETURN greatest(
        (SELECT greatest_key FROM ledger.partition WHERE last_seq < p_last_seq ORDER BY greatest_key DESC NULLS LAST LIMIT 1),
        (SELECT greatest_key FROM ledger.archive WHERE restored_at IS NULL ORDER BY greatest_key DESC LIMIT 1)
    );
END
$$;

-- Refuses entries p_first_seq .. p_last_seq of this database transaction if a key of theirs stands before their partition.
CREATE OR REPLACE FUNCTION ledger.refuse_old_keys(p_first_seq bigint, p_last_seq bigint, p_greatest uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp
SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off SET enable_bitmapscan = off
AS $$
DECLARE
    v_part record;
    v_key uuid;
BEGIN
    FOR v_part IN
        SELECT first_seq, last_seq FROM ledger.partition WHERE first_seq <= p_last_seq AND last_seq >= p_first_seq
    LOOP
        SELECT new.key INTO v_key
        FROM ledger.entry AS new
        WHERE new.seq BETWEEN greatest(p_first_seq, v_part.first_seq) AND least(p_last_seq, v_part.last_seq)
            AND new.key <= p_greatest
            AND (
                EXISTS (SELECT FROM ledger.entry AS old WHERE old.key = new.key AND old.seq < v_part.first_seq)
                OR EXISTS (SELECT FROM ledger.past_key AS old WHERE old.key = new.key)
            )
        LIMIT 1;
        IF FOUND THEN
            RAISE EXCEPTION 'key % stands in the books already', v_key USING ERRCODE = 'unique_violation';
        END IF;
    END LOOP;
END
$$;
