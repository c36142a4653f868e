SELECT sender_msp_id, settlement_id, beneficiary_account, asset, amount, deadline, agreed_reference, prepared_at, state,
    completing, seq, refusal, quote_id, return_of, return_reason
FROM partner.incoming
WHERE sender_msp_id = %(sender_msp_id)s AND settlement_id = %(settlement_id)s
