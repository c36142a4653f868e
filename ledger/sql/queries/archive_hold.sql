SELECT id, account_id FROM ledger.hold
WHERE id IN (SELECT hold_id FROM ledger.entry WHERE seq BETWEEN %(first)s AND %(last)s)
ORDER BY id
