SELECT decision_leaf FROM ledger.entry WHERE seq BETWEEN %s AND %s ORDER BY seq
