-- What stands beside entries first .. last: their texts; then signed batches that begin there, and the one under way there
-- where it is wanted. Table and row (ledger/archive_writer.py has the columns).
SELECT name, cells
FROM (
    SELECT 1 AS place, 'description' AS name, seq AS number, ARRAY[seq::text, salt::text, description] AS cells
    FROM ledger.description WHERE seq BETWEEN %(first)s AND %(last)s
    UNION ALL
    SELECT 2, 'metadata', seq, ARRAY[seq::text, salt::text, pairs::text]
    FROM ledger.metadata WHERE seq BETWEEN %(first)s AND %(last)s
    UNION ALL
    SELECT 3, 'batch', first_seq, ARRAY[first_seq::text, last_seq::text, digest::text, signature::text, salt_secret::text]
    FROM ledger.batch
    WHERE first_seq BETWEEN %(first)s AND %(last)s
        OR %(under_way)s AND first_seq = (SELECT max(first_seq) FROM ledger.batch WHERE first_seq <= %(first)s)
) AS beside
ORDER BY place, number
