-- Leaves as they stand beside the entries; of archived entries those that were kept.
SELECT seq, substring(coalesce(leaf, '') FOR 33)
FROM (
    SELECT seq, leaf FROM ledger.entry WHERE seq BETWEEN %(first)s AND %(last)s
    UNION ALL
    SELECT seq, leaf FROM ledger.past_key WHERE seq BETWEEN %(first)s AND %(last)s
) AS stored
ORDER BY seq
LIMIT %(count)s
