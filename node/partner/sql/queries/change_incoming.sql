WITH changed AS (
    UPDATE partner.incoming SET
        state = %(state)s, completing = %(completing)s, seq = %(seq)s, refusal = %(refusal)s, changed_at = %(now)s
    WHERE sender_msp_id = %(sender_msp_id)s AND settlement_id = %(settlement_id)s AND state = 'prepared'
        AND completing = %(old_completing)s
    RETURNING sender_msp_id, settlement_id
),
evidence AS (
    INSERT INTO partner.evidence (sender_msp_id, settlement_id, kind, payload, creator, signature, received_at)
    SELECT sender_msp_id, settlement_id, %(kind)s::text, %(payload)s::bytea, %(creator)s::bytea, %(signature)s::bytea,
        %(now)s::timestamptz
    FROM changed
    WHERE %(kind)s::text IS NOT NULL
)
SELECT count(*) FROM changed
