-- Sets pairs of an account's metadata, a null value removes its name; each change is a row of history. code: 'changed',
-- 'unchanged', 'account_not_found', 'too_many_pairs'. Touches no balance, so it needs no place in the writer's line.
CREATE OR REPLACE FUNCTION ledger.account_set_metadata(
    p_reference text, p_pairs jsonb, p_actor text, p_now timestamptz
) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
    c_pair_count_max CONSTANT integer := 64;
    v_account_id bigint;
    v_known ledger.account_metadata;
    v_pairs jsonb;
BEGIN
    SELECT id INTO v_account_id FROM ledger.account WHERE reference = p_reference;
    IF NOT FOUND THEN
        RETURN 'account_not_found';
    END IF;
    INSERT INTO ledger.account_metadata (account_id, pairs, version) VALUES (v_account_id, '{}', 0)
    ON CONFLICT (account_id) DO NOTHING;
    SELECT * INTO STRICT v_known FROM ledger.account_metadata WHERE account_id = v_account_id FOR NO KEY UPDATE;
    v_pairs := jsonb_strip_nulls(v_known.pairs || p_pairs);
    IF v_pairs = v_known.pairs THEN
        RETURN 'unchanged';
    ELSIF (SELECT count(*) FROM jsonb_object_keys(v_pairs)) > c_pair_count_max THEN
        RETURN 'too_many_pairs';
    END IF;
    WITH changed AS (
        INSERT INTO ledger.metadata_change (account_id, number, at, actor, name, before, after)
        SELECT v_account_id, v_known.version + row_number() OVER (ORDER BY pair.key COLLATE "C"), p_now, p_actor, pair.key,
            v_known.pairs ->> pair.key, pair.value
        FROM jsonb_each_text(p_pairs) AS pair
        WHERE v_known.pairs ->> pair.key IS DISTINCT FROM pair.value
        RETURNING number
    )
    UPDATE ledger.account_metadata SET pairs = v_pairs, version = (SELECT max(number) FROM changed)
    WHERE account_id = v_account_id;
    RETURN 'changed';
END
$$;
