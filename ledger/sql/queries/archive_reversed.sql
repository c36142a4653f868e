SELECT DISTINCT reverses FROM ledger.entry WHERE reverses BETWEEN %(first)s AND %(last)s ORDER BY reverses
