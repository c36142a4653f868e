-- A batch that holds begins at a row that stands.
SELECT first_seq, last_seq, substring(coalesce(digest, '') FOR 33), substring(coalesce(signature, '') FOR 65)
FROM ledger.batch
WHERE first_seq = ANY (%s::bigint[]) AND last_seq >= first_seq
LIMIT %s
