SELECT seq, salt, pairs FROM ledger.metadata WHERE seq BETWEEN %(first)s AND %(last)s ORDER BY seq
