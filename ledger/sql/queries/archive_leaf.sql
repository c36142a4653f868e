-- Leaves of entries outside first .. last that a batch holds together with entries inside.
SELECT stored.seq, stored.leaf
FROM (
    SELECT batch.first_seq, batch.last_seq FROM ledger.batch
    WHERE batch.first_seq = (SELECT max(first_seq) FROM ledger.batch WHERE first_seq <= %(first)s)
    UNION
    SELECT batch.first_seq, batch.last_seq FROM ledger.batch
    WHERE batch.first_seq = (SELECT max(first_seq) FROM ledger.batch WHERE first_seq <= %(last)s)
) AS batch
CROSS JOIN LATERAL (
    SELECT seq, leaf FROM ledger.entry WHERE seq BETWEEN batch.first_seq AND batch.last_seq
    UNION ALL
    SELECT seq, leaf FROM ledger.past_key WHERE seq BETWEEN batch.first_seq AND batch.last_seq
) AS stored
WHERE stored.seq NOT BETWEEN %(first)s AND %(last)s
ORDER BY stored.seq
