SELECT first_seq, last_seq, substring(coalesce(digest, '') FOR 33), substring(coalesce(signature, '') FOR 65)
FROM ledger.batch
WHERE first_seq >= %s AND last_seq >= first_seq
ORDER BY first_seq
LIMIT %s
