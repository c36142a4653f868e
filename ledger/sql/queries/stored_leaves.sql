SELECT seq, substring(coalesce(leaf, '') FOR 33) FROM ledger.entry WHERE seq BETWEEN %s AND %s ORDER BY seq LIMIT %s
