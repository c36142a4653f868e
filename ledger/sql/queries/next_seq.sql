SELECT min(seq) FROM ledger.entry WHERE seq >= %s
