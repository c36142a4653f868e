SELECT first_seq, last_seq, digest, signature
FROM ledger.batch
WHERE last_seq >= %s AND first_seq <= %s
ORDER BY first_seq
