-- Releases a placed hold, or expires it when its deadline has passed. code: 'released', 'exists' (released before),
-- 'hold_not_found', 'hold_expired', 'hold_not_placed'.
CREATE OR REPLACE FUNCTION ledger.release_hold(p_epoch bigint, p_id uuid, p_now timestamptz) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
    v_head ledger.head := ledger.lock_head(p_epoch);
    v_hold ledger.hold;
    v_expired boolean;
BEGIN
    SELECT * INTO v_hold FROM ledger.hold WHERE id = p_id;
    IF NOT FOUND THEN
        RETURN 'hold_not_found';
    ELSIF v_hold.state <> 1 THEN
        RETURN CASE v_hold.state WHEN 3 THEN 'exists' WHEN 4 THEN 'hold_expired' ELSE 'hold_not_placed' END;
    END IF;
    v_expired := v_hold.expires_at <= p_now;
    UPDATE ledger.hold SET state = CASE WHEN v_expired THEN 4 ELSE 3 END, ended_at = p_now WHERE id = p_id;
    UPDATE ledger.account SET held = held - v_hold.amount WHERE id = v_hold.account_id;
    RETURN CASE WHEN v_expired THEN 'hold_expired' ELSE 'released' END;
END
$$;

-- Gives back the money of holds whose deadline has passed, the oldest first; returns how many.
CREATE OR REPLACE FUNCTION ledger.expire_holds(p_epoch bigint, p_now timestamptz, p_count_max integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
    v_head ledger.head;
    v_count bigint;
BEGIN
    IF NOT EXISTS (SELECT FROM ledger.hold WHERE state = 1 AND expires_at <= p_now) THEN
        RETURN 0;
    END IF;
    v_head := ledger.lock_head(p_epoch);
    WITH due AS (
        SELECT id FROM ledger.hold WHERE state = 1 AND expires_at <= p_now ORDER BY expires_at, id LIMIT p_count_max
    ), ended AS (
        UPDATE ledger.hold SET state = 4, ended_at = p_now FROM due WHERE hold.id = due.id
        RETURNING hold.account_id, hold.amount
    ), freed AS (
        UPDATE ledger.account SET held = held - total.amount
        FROM (SELECT account_id, sum(amount) AS amount FROM ended GROUP BY account_id) AS total
        WHERE account.id = total.account_id
    )
    SELECT count(*) INTO v_count FROM ended;
    RETURN v_count;
END
$$;
