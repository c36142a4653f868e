SELECT sequence, settlement_id, from_partner, state, refusal, asset, amount, seq, at
FROM partner.settlement_update
WHERE partner_msp_id = %(partner_msp_id)s AND sequence > %(after_sequence)s
ORDER BY sequence
LIMIT %(count_max)s
