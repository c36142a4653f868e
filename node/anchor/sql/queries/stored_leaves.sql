SELECT seq, leaf FROM ledger.entry WHERE seq BETWEEN %s AND %s
