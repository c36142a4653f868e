SELECT seq, leaf FROM ledger.past_key WHERE seq BETWEEN %s AND %s ORDER BY seq
