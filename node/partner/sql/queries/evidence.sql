SELECT kind, payload, creator, signature, received_at
FROM partner.evidence
WHERE sender_msp_id = %(sender_msp_id)s AND settlement_id = %(settlement_id)s
ORDER BY number
LIMIT 1000
