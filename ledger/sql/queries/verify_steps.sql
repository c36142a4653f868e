-- Changes of accounts and periods of which not just one event tells. A change of a striped account stands for its stripes.
WITH step AS (
    SELECT 'account.changed' AS kind, change.account_id, change.number::text AS number, change.at,
        'change ' || change.number || ' of account ' || account.reference AS subject
    FROM ledger.account_change AS change
    JOIN ledger.account ON account.id = change.account_id AND account.stripe_of IS NULL
    UNION ALL
    SELECT 'period.closed', 0, number::text, closed_at, 'period ' || number FROM ledger.period
    UNION ALL
    SELECT 'period.reopened', 0, number::text, reopened_at, 'reopening of period ' || number FROM ledger.period_reopening
), told AS (
    SELECT kind, coalesce(account_id, 0) AS account_id, coalesce(payload ->> 'change', payload ->> 'period') AS number,
        count(*) AS times
    FROM ledger.event
    WHERE kind IN ('account.changed', 'period.closed', 'period.reopened')
    GROUP BY 1, 2, 3
)
SELECT 0, subject, 'is told by ' || coalesce(times, 0) || ' events'
FROM step
LEFT JOIN told USING (kind, account_id, number)
WHERE at > (SELECT events_since FROM ledger.head WHERE id = 1) AND times IS DISTINCT FROM 1
ORDER BY at, subject
LIMIT %s
