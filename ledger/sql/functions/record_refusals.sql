-- Appends the refusals of one commit to their chain, with the writer's signature over its new head.
-- The chain must end where the writer left it.
CREATE OR REPLACE FUNCTION ledger.record_refusals(
    p_epoch bigint, p_at timestamptz, p_first_number bigint, p_previous_head bytea, p_after_seq bigint[],
    p_kind smallint[], p_key uuid[], p_code text[], p_chained smallint[], p_request_hash bytea[], p_actor text[],
    p_salt bytea[], p_head bytea[], p_signature bytea
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
    v_head ledger.head := ledger.lock_head(p_epoch);
    v_number bigint;
    v_chain_head bytea;
    v_count bigint := cardinality(p_after_seq);
BEGIN
    SELECT number, head INTO v_number, v_chain_head FROM ledger.refusal ORDER BY number DESC LIMIT 1;
    IF coalesce(v_number, 0) + 1 <> p_first_number OR v_chain_head IS DISTINCT FROM p_previous_head THEN
        RAISE EXCEPTION 'the writer stands at refusal %, the books at %', p_first_number, coalesce(v_number, 0) + 1
            USING ERRCODE = 'DW004';
    END IF;
    INSERT INTO ledger.refusal (
        number, after_seq, at, kind, key, code, chained, request_hash, actor_id, salt, head
    )
    SELECT p_first_number + given.place - 1, given.after_seq, p_at, given.kind, given.key, given.code,
        given.chained = 1, given.request_hash, actor.id, given.salt, given.head
    FROM unnest(p_after_seq, p_kind, p_key, p_code, p_chained, p_request_hash, p_actor, p_salt, p_head)
        WITH ORDINALITY AS given (
            after_seq, kind, key, code, chained, request_hash, actor, salt, head, place
        )
    LEFT JOIN ledger.actor ON actor.name = given.actor;
    INSERT INTO ledger.refusal_batch (first_number, last_number, epoch, signature)
    VALUES (p_first_number, p_first_number + v_count - 1, p_epoch, p_signature);
END
$$;
