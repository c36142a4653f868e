SELECT seq, salt, description FROM ledger.description WHERE seq BETWEEN %(first)s AND %(last)s ORDER BY seq
