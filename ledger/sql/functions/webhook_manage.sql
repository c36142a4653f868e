-- Adds an endpoint that is sent what stands after a position; refused where some of that is archived. code: 'created',
-- 'exists', 'exists_with_different_body', 'too_many_webhooks'.
CREATE OR REPLACE FUNCTION ledger.add_webhook(
    p_id uuid, p_url text, p_kinds text[], p_prefix text, p_secret_name text, p_seq bigint, p_number integer,
    p_count_max integer, p_now timestamptz
) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM ledger.webhook WHERE id = p_id) THEN
        RETURN CASE
            WHEN EXISTS (
                SELECT FROM ledger.webhook
                WHERE id = p_id AND url = p_url AND kinds = p_kinds AND account_prefix = p_prefix
            ) THEN 'exists'
            ELSE 'exists_with_different_body'
        END;
    ELSIF (SELECT count(*) FROM ledger.webhook) >= p_count_max THEN
        RETURN 'too_many_webhooks';
    END IF;
    PERFORM ledger.refuse_archived_position(p_seq);
    INSERT INTO ledger.webhook (id, url, kinds, account_prefix, secret_name, seq, number, added_at)
    VALUES (p_id, p_url, p_kinds, p_prefix, p_secret_name, p_seq, p_number, p_now);
    RETURN 'created';
END
$$;

-- Forgets an endpoint; true when there was one.
CREATE OR REPLACE FUNCTION ledger.remove_webhook(p_id uuid) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
BEGIN
    DELETE FROM ledger.webhook WHERE id = p_id;
    RETURN FOUND;
END
$$;

-- Lets an endpoint work again at once, from a position where one is given, else from where it stands; refused where some
-- of what stands after it is archived. True when there is such an endpoint.
CREATE OR REPLACE FUNCTION ledger.resume_webhook(p_id uuid, p_seq bigint, p_number integer) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
    v_seq bigint;
BEGIN
    UPDATE ledger.webhook
    SET state = 1, failures = 0, failing_since = NULL, next_attempt_at = NULL,
        seq = coalesce(p_seq, seq), number = CASE WHEN p_seq IS NULL THEN number ELSE p_number END
    WHERE id = p_id
    RETURNING seq INTO v_seq;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM ledger.refuse_archived_position(v_seq);
    RETURN true;
END
$$;
