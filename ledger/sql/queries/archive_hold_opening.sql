SELECT hold_id, captured, entry_seq FROM ledger.hold_opening
WHERE hold_id IN (SELECT hold_id FROM ledger.entry WHERE seq BETWEEN %(first)s AND %(last)s)
ORDER BY hold_id
