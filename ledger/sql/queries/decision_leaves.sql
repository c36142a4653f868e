SELECT seq, substring(coalesce(decision_leaf, '') FOR 33) FROM ledger.entry WHERE seq BETWEEN %s AND %s ORDER BY seq LIMIT %s
