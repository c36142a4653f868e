WITH added AS (
    INSERT INTO partner.incoming (
        sender_msp_id, settlement_id, beneficiary_account, asset, amount, deadline, agreed_reference, prepared_at,
        changed_at, quote_id, return_of, return_reason
    )
    SELECT %(sender_msp_id)s, %(settlement_id)s, %(beneficiary_account)s, %(asset)s, %(amount)s::bigint,
        %(deadline)s::timestamptz, %(agreed_reference)s, %(prepared_at)s::timestamptz, %(prepared_at)s::timestamptz,
        %(quote_id)s, %(return_of)s, %(return_reason)s
    -- Its Abort may have come first, over another connection.
    WHERE NOT EXISTS (
        SELECT FROM partner.evidence
        WHERE sender_msp_id = %(sender_msp_id)s AND settlement_id = %(settlement_id)s AND kind = 'abort'
    )
    ON CONFLICT DO NOTHING
    RETURNING sender_msp_id, settlement_id, beneficiary_account, asset, amount, deadline, agreed_reference, prepared_at,
        state, completing, seq, refusal, quote_id, return_of, return_reason
),
evidence AS (
    INSERT INTO partner.evidence (sender_msp_id, settlement_id, kind, payload, creator, signature, received_at)
    SELECT sender_msp_id, settlement_id, %(kind)s, %(payload)s, %(creator)s, %(signature)s, %(received_at)s
    FROM added
)
SELECT * FROM added
