SELECT outgoing, partner_msp_id, settlement_id, asset, amount, seq, completed_at, obligation_id, salt, value_date, state,
    books, note, attempts
FROM partner.obligation
WHERE state IN ('', 'proposed', 'agreed', 'netting') AND next_attempt_at <= %(now)s
ORDER BY next_attempt_at
LIMIT %(count_max)s
