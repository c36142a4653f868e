SELECT first_seq, last_seq, substring(coalesce(digest, '') FOR 33), substring(coalesce(signature, '') FOR 65)
FROM ledger.batch
WHERE first_seq BETWEEN %(first)s AND %(seq)s - 1 AND last_seq >= %(seq)s
LIMIT %(count)s
