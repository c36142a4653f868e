SELECT settlement_id, payment_id, receiver_msp_id, debtor_account, beneficiary_account, asset, amount, description,
    ordered_at, deadline, state, refusal, agreed_reference, seq, partner_seq, return_seq, abort_due, attempts,
    quote_id, return_of, return_reason
FROM partner.outgoing
WHERE settlement_id = %(settlement_id)s
