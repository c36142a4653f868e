-- Batches that begin within first .. last; and the one under way there, where it is wanted.
SELECT first_seq, last_seq, digest, signature FROM ledger.batch
WHERE first_seq BETWEEN %(first)s AND %(last)s
    OR %(under_way)s AND first_seq = (SELECT max(first_seq) FROM ledger.batch WHERE first_seq <= %(first)s)
ORDER BY first_seq
