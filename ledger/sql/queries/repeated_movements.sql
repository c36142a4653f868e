-- Of movements under whose keys nothing stands, the entries that changed the same account by the same amount at the same
-- effective time; of each the first twenty. Of a striped account what its stripes' postings changed.
WITH asked AS MATERIALIZED (
    SELECT asked.number, part.id AS account_id, asked.effective_at, asked.change
    FROM unnest(%(numbers)s::integer[], %(accounts)s::text[], %(times)s::timestamptz[], %(changes)s::bigint[])
        AS asked (number, reference, effective_at, change)
    JOIN ledger.account AS whole ON whole.reference = asked.reference
    CROSS JOIN LATERAL (
        SELECT whole.id
        UNION ALL
        SELECT stripe.id FROM ledger.account AS stripe WHERE stripe.stripe_of = whole.id
    ) AS part
), day AS MATERIALIZED (
    SELECT DISTINCT account_id, effective_at FROM asked
), standing AS MATERIALIZED (
    SELECT dated.account_id, dated.effective_at, dated.change, (array_agg(dated.seq ORDER BY dated.seq))[:20] AS seqs
    FROM day
    JOIN ledger.dated_posting AS dated USING (account_id, effective_at)
    GROUP BY dated.account_id, dated.effective_at, dated.change
)
SELECT asked.number, entry.seq, entry.key
FROM asked
JOIN standing USING (account_id, effective_at, change)
CROSS JOIN LATERAL unnest(standing.seqs) AS listed (seq)
JOIN ledger.entry ON entry.seq = listed.seq
ORDER BY asked.number, entry.seq
