SELECT sender_msp_id, settlement_id, beneficiary_account, asset, amount, deadline, agreed_reference, prepared_at, state,
    completing, seq, refusal
FROM partner.incoming
WHERE sender_msp_id = %(sender_msp_id)s AND settlement_id = %(settlement_id)s
