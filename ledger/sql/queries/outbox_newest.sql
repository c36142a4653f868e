SELECT seq, number
FROM (
    (SELECT seq, 0 AS number FROM ledger.entry ORDER BY seq DESC LIMIT 1)
    UNION ALL
    (SELECT after_seq, number FROM ledger.event ORDER BY after_seq DESC, number DESC LIMIT 1)
    UNION ALL
    (SELECT last_seq, last_number FROM ledger.event_run ORDER BY last_seq DESC, last_number DESC LIMIT 1)
    UNION ALL
    SELECT 0, 0
) AS newest
ORDER BY seq DESC, number DESC
LIMIT 1
