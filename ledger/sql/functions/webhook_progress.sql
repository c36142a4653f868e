-- Moves an endpoint's position forward, if it stands where the caller knew it: two senders may repeat, never skip.
CREATE OR REPLACE FUNCTION ledger.advance_webhook(
    p_id uuid, p_seq_old bigint, p_number_old integer, p_seq bigint, p_number integer
) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
BEGIN
    UPDATE ledger.webhook
    SET seq = p_seq, number = p_number, failures = 0, failing_since = NULL, next_attempt_at = NULL
    WHERE id = p_id AND state = 1 AND (seq, number) = (p_seq_old, p_number_old) AND (p_seq, p_number) >= (seq, number);
    RETURN FOUND;
END
$$;

-- Notes a failed attempt to send what follows a position, and when to try again.
CREATE OR REPLACE FUNCTION ledger.fail_webhook(
    p_id uuid, p_seq bigint, p_number integer, p_now timestamptz, p_next_attempt_at timestamptz, p_reason text
) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
BEGIN
    UPDATE ledger.webhook
    SET failures = failures + 1, failing_since = coalesce(failing_since, p_now), next_attempt_at = p_next_attempt_at,
        last_failure = p_reason
    WHERE id = p_id AND state = 1 AND (seq, number) = (p_seq, p_number);
    RETURN FOUND;
END
$$;

-- Gives an endpoint up and tells the operators so. Needs no epoch: it posts nothing, and the head's line orders it.
CREATE OR REPLACE FUNCTION ledger.give_webhook_up(
    p_id uuid, p_seq bigint, p_number integer, p_now timestamptz, p_reason text
) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
    v_webhook ledger.webhook;
BEGIN
    UPDATE ledger.webhook
    SET state = 2, failures = failures + 1, failing_since = coalesce(failing_since, p_now), next_attempt_at = NULL,
        last_failure = p_reason
    WHERE id = p_id AND state = 1 AND (seq, number) = (p_seq, p_number)
    RETURNING * INTO v_webhook;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM ledger.add_event('webhook.dead', NULL, p_now, jsonb_build_object(
        'webhook', p_id,
        'at', p_seq || '.' || p_number,
        'failures', v_webhook.failures,
        'reason', p_reason
    ));
    RETURN true;
END
$$;

-- Whether something stands before the events after an entry that an endpoint has not come to. Of one that wants no entries
-- only events move the position.
CREATE OR REPLACE FUNCTION ledger.webhook_waits(p_webhook ledger.webhook, p_seq bigint) RETURNS boolean
LANGUAGE sql STABLE SET search_path = ledger, pg_temp AS $$
    SELECT cardinality(p_webhook.kinds) = 0 OR 'entry.posted' = ANY (p_webhook.kinds) OR EXISTS (
        SELECT FROM ledger.event
        WHERE (after_seq, number) > (p_webhook.seq, p_webhook.number) AND after_seq < p_seq
    ) OR EXISTS (
        SELECT FROM ledger.run_events_behind(p_webhook.seq, p_webhook.number, 1) WHERE after_seq < p_seq
    )
$$;
