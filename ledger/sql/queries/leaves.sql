SELECT seq, leaf FROM ledger.entry WHERE seq >= %s ORDER BY seq LIMIT %s
