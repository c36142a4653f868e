SELECT first_seq, last_seq, digest, signature FROM ledger.batch WHERE first_seq <= %s AND last_seq >= %s
