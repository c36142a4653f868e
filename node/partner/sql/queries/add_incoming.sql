WITH added AS (
    INSERT INTO partner.incoming (
        sender_msp_id, settlement_id, beneficiary_account, asset, amount, deadline, agreed_reference, prepared_at,
        changed_at, quote_id, return_of, return_reason
    ) VALUES (
        %(sender_msp_id)s, %(settlement_id)s, %(beneficiary_account)s, %(asset)s, %(amount)s, %(deadline)s,
        %(agreed_reference)s, %(prepared_at)s, %(prepared_at)s, %(quote_id)s, %(return_of)s, %(return_reason)s
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
