-- Writes new holds as the writer's rules left them. That the accounts' held money moves with them is checked by
-- verify_books; that it was not moved by another, by settle_batch.
CREATE OR REPLACE FUNCTION ledger.place_holds(
    p_epoch bigint, p_id uuid[], p_account bigint[], p_amount bigint[], p_captured bigint[], p_state smallint[],
    p_ended_at timestamptz[], p_entry_seq bigint[], p_placed_at timestamptz[], p_expires_at timestamptz[]
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ledger, pg_temp
SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off
AS $$
DECLARE
    v_head ledger.head := ledger.lock_head(p_epoch);
    v_count bigint;
BEGIN
    INSERT INTO ledger.hold (
        id, account_id, amount, captured, state, ended_at, entry_seq, placed_at, expires_at
    )
    SELECT given.id, given.account_id, given.amount, given.captured, given.state,
        CASE WHEN given.state <> 1 THEN given.ended_at END, nullif(given.entry_seq, 0), given.placed_at,
        given.expires_at
    FROM (
        -- In the select list, unnest streams; in FROM it would store every column first.
        SELECT unnest(p_id) AS id, unnest(p_account) AS account_id, unnest(p_amount) AS amount,
            unnest(p_captured) AS captured, unnest(p_state) AS state, unnest(p_ended_at) AS ended_at,
            unnest(p_entry_seq) AS entry_seq, unnest(p_placed_at) AS placed_at, unnest(p_expires_at) AS expires_at
    ) AS given;
    -- Each account once, in the order of numbers, in which they lie: a join of each hold cost half as much again.
    SELECT count(*) INTO v_count FROM (SELECT DISTINCT unnest(p_account) AS id ORDER BY id) AS given
    WHERE NOT EXISTS (SELECT FROM ledger.account WHERE account.id = given.id);
    IF v_count > 0 THEN
        RAISE EXCEPTION 'holds are of % accounts that do not exist', v_count USING ERRCODE = 'DW004';
    END IF;
END
$$;

-- Writes holds that stood and were captured, released or expired.
CREATE OR REPLACE FUNCTION ledger.change_holds(
    p_epoch bigint, p_id uuid[], p_account bigint[], p_amount bigint[], p_captured bigint[], p_state smallint[],
    p_ended_at timestamptz[], p_entry_seq bigint[]
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ledger, pg_temp
SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off
AS $$
DECLARE
    v_head ledger.head := ledger.lock_head(p_epoch);
    v_count bigint;
BEGIN
    UPDATE ledger.hold
    SET captured = given.captured, state = given.state, entry_seq = nullif(given.entry_seq, 0),
        ended_at = CASE WHEN given.state <> 1 THEN given.ended_at END
    FROM (
        SELECT unnest(p_id) AS id, unnest(p_account) AS account_id, unnest(p_amount) AS amount,
            unnest(p_captured) AS captured, unnest(p_state) AS state, unnest(p_ended_at) AS ended_at,
            unnest(p_entry_seq) AS entry_seq
    ) AS given
    WHERE hold.id = given.id AND hold.state = 1 AND hold.account_id = given.account_id
        AND hold.amount = given.amount AND hold.captured <= given.captured;
    GET DIAGNOSTICS v_count = ROW_COUNT;
    IF v_count <> cardinality(p_id) THEN
        RAISE EXCEPTION '% of % holds do not stand as the writer knew them', cardinality(p_id) - v_count,
            cardinality(p_id) USING ERRCODE = 'DW004';
    END IF;
END
$$;

-- Writes down which tenant placed holds of this database transaction.
CREATE OR REPLACE FUNCTION ledger.note_tenant_holds(p_epoch bigint, p_id uuid[], p_tenant_id smallint[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
    v_head ledger.head := ledger.lock_head(p_epoch);
BEGIN
    INSERT INTO ledger.tenant_hold (hold_id, tenant_id)
    SELECT given.id, given.tenant_id FROM unnest(p_id, p_tenant_id) AS given (id, tenant_id);
END
$$;

-- Holds whose deadline has passed, the oldest first.
CREATE OR REPLACE FUNCTION ledger.due_holds(p_now timestamptz, p_count_max integer) RETURNS SETOF uuid
LANGUAGE sql STABLE SET search_path = ledger, pg_temp AS $$
    SELECT id FROM ledger.hold WHERE state = 1 AND expires_at <= p_now ORDER BY expires_at, id LIMIT p_count_max
$$;
