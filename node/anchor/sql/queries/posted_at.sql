SELECT posted_at FROM ledger.entry WHERE seq BETWEEN %s AND %s ORDER BY seq
