WITH changed AS (
    UPDATE partner.outgoing SET
        state = %(state)s, refusal = %(refusal)s, agreed_reference = %(agreed_reference)s, seq = %(seq)s,
        partner_seq = %(partner_seq)s, return_seq = %(return_seq)s, abort_due = %(abort_due)s, attempts = %(attempts)s,
        next_attempt_at = %(next_attempt_at)s, changed_at = %(now)s
    WHERE settlement_id = %(settlement_id)s AND state = %(old_state)s AND refusal = %(old_refusal)s
    RETURNING settlement_id
),
-- In the records of evidence an outgoing settlement has no sender: it is our own.
evidence AS (
    INSERT INTO partner.evidence (sender_msp_id, settlement_id, kind, payload, creator, signature, received_at)
    SELECT '', settlement_id, %(kind)s::text, %(payload)s::bytea, %(creator)s::bytea, %(signature)s::bytea,
        %(now)s::timestamptz
    FROM changed
    WHERE %(kind)s::text IS NOT NULL
)
SELECT count(*) FROM changed
