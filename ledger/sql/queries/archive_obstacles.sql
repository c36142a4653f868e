-- Why entries first .. last, a whole partition, may not be archived; nothing where they may.
WITH given AS MATERIALIZED (
    SELECT head.next_seq, head.closed_before, coalesce(dated.latest_at, newest.posted_at) AS latest_at
    FROM ledger.head
    LEFT JOIN LATERAL (
        SELECT posted_at FROM ledger.entry WHERE seq = least(%(last)s, head.next_seq - 1)
    ) AS newest ON true
    CROSS JOIN LATERAL (
        SELECT greatest(max(effective_at), newest.posted_at) AS latest_at
        FROM ledger.dated_posting WHERE seq BETWEEN %(first)s AND %(last)s
    ) AS dated
)
SELECT 'it holds the newest entry, which stays: let it end with the period (`dwaybank ledger partitions --end`)'
FROM given WHERE next_seq <= %(last)s + 1
UNION ALL
SELECT 'it holds an entry of ' || latest_at || ', which is not before ' || %(before)s::timestamptz
FROM given WHERE latest_at >= %(before)s
UNION ALL
SELECT 'it holds an entry of ' || latest_at || ', and '
    || CASE WHEN isfinite(closed_before) THEN 'the books are closed for times before ' || closed_before || ' only'
        ELSE 'no period is closed' END || ': close the period first'
FROM given WHERE latest_at >= closed_before
UNION ALL
SELECT 'entry ' || %(proved)s::bigint + 1 || ' is not anchored yet, or its decision is not: wait for that'
WHERE %(proved)s < %(last)s
UNION ALL
SELECT 'hold ' || hold.id || ', which entry ' || entry.seq || ' captured, is still placed: it ends at ' || hold.expires_at
FROM ledger.entry
JOIN ledger.hold ON hold.id = entry.hold_id AND hold.state = 1
WHERE entry.seq BETWEEN %(first)s AND %(last)s
UNION ALL
SELECT 'webhook ' || webhook.id || ' has not received what happened after entry ' || webhook.seq
FROM ledger.webhook
WHERE webhook.state = 1 AND webhook.seq < %(last)s AND ledger.webhook_waits(webhook, %(last)s)
UNION ALL
SELECT 'period ' || period.number || ' has no report yet: the node writes it in some seconds'
FROM ledger.period
CROSS JOIN given
WHERE period.opened_at <= given.latest_at
    AND NOT EXISTS (SELECT FROM ledger.period_report AS report WHERE report.number = period.number)
UNION ALL
SELECT 'entry ' || min(posting.seq) || ' and perhaps others on account ' || account.reference
    || ' are not matched with its statements yet: decide them'
FROM (
    SELECT account_id, min(first_day) AS day FROM ledger.external_statement GROUP BY account_id
) AS covered
JOIN ledger.account ON account.id = covered.account_id
JOIN ledger.signed_posting AS posting
    ON posting.account_id = covered.account_id AND posting.seq BETWEEN %(first)s AND %(last)s
    AND posting.effective_at >= covered.day::timestamp AT TIME ZONE 'UTC'
WHERE NOT EXISTS (
    SELECT FROM ledger.match_posting AS matched
    WHERE matched.seq = posting.seq AND matched.number = posting.number AND matched.live
)
GROUP BY account.reference
LIMIT 20
