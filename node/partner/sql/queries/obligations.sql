SELECT outgoing, partner_msp_id, settlement_id, asset, amount, seq, completed_at, obligation_id, salt, value_date, state,
    books, note, attempts
FROM partner.obligation
WHERE (%(partner)s = '' OR partner_msp_id = %(partner)s)
    AND (%(state)s = '' OR state = %(state)s)
    AND (%(obligation_id)s = '' OR obligation_id = %(obligation_id)s)
    AND (NOT %(breaks)s OR books <> 'agreed')
    AND changed_at >= %(changed_since)s
    AND (completed_at, outgoing, settlement_id) > (%(after_at)s, %(after_outgoing)s, %(after_id)s)
ORDER BY completed_at, outgoing, settlement_id
LIMIT %(count_max)s
