INSERT INTO partner.outgoing (
    settlement_id, payment_id, receiver_msp_id, debtor_account, beneficiary_account, asset, amount, description,
    ordered_at, deadline, next_attempt_at, changed_at, quote_id, return_of, return_reason
) VALUES (
    %(settlement_id)s, %(payment_id)s, %(receiver_msp_id)s, %(debtor_account)s, %(beneficiary_account)s, %(asset)s,
    %(amount)s, %(description)s, %(ordered_at)s, %(deadline)s, %(ordered_at)s, %(ordered_at)s,
    %(quote_id)s, %(return_of)s, %(return_reason)s
)
ON CONFLICT DO NOTHING
RETURNING settlement_id, payment_id, receiver_msp_id, debtor_account, beneficiary_account, asset, amount, description,
    ordered_at, deadline, state, refusal, agreed_reference, seq, partner_seq, return_seq, abort_due, attempts,
    quote_id, return_of, return_reason
