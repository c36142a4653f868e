-- The head, and rows that no range of numbers holds.
SELECT 'entry of key ' || coalesce(key::text, 'null'), 'has no number'
FROM ledger.entry
WHERE seq IS NULL
UNION ALL
SELECT 'head', 'does not stand exactly once'
FROM (SELECT count(*) AS heads FROM ledger.head) AS counted
WHERE heads <> 1
UNION ALL
SELECT 'head', 'says the next entry is ' || head.next_seq || ', the newest entry is ' || newest.seq
FROM ledger.head
CROSS JOIN (SELECT coalesce(max(seq), 0) AS seq FROM ledger.entry) AS newest
WHERE head.next_seq <> newest.seq::numeric + 1
UNION ALL
SELECT 'head', 'says entry ' || signed_seq || ' is the newest one signed, the next entry is ' || next_seq
FROM ledger.head
WHERE signed_seq::numeric + 1 <> next_seq
UNION ALL
SELECT 'head', 'says periods are closed before ' || head.closed_before || ', the last one that is closed says '
    || coalesce(period.closed_before::text, 'nothing')
FROM ledger.head
LEFT JOIN LATERAL (
    SELECT closed_before FROM ledger.period
    WHERE NOT EXISTS (SELECT FROM ledger.period_reopening AS opened WHERE opened.number = period.number)
    ORDER BY number DESC
    LIMIT 1
) AS period ON true
WHERE head.closed_before IS DISTINCT FROM coalesce(period.closed_before, '-infinity')
UNION ALL
SELECT 'partition ' || part.table_name, 'says its greatest key is ' || part.greatest_key || ', it is ' || found.key
FROM ledger.partition AS part
CROSS JOIN LATERAL (
    SELECT key FROM ledger.entry WHERE seq BETWEEN part.first_seq AND part.last_seq ORDER BY key DESC LIMIT 1
) AS found
WHERE part.greatest_key IS NOT NULL AND part.greatest_key <> found.key
UNION ALL
SELECT 'partition ' || part.table_name, 'does not say its greatest key, though entries follow it'
FROM ledger.partition AS part
WHERE part.greatest_key IS NULL AND part.last_seq < (SELECT max(seq) FROM ledger.entry)
UNION ALL
SELECT 'mark ' || mark.number || ' of account ' || coalesce(account.reference, mark.account_id::text),
    'stands at entry ' || mark.seq || ', which does not touch the account'
FROM ledger.mark
LEFT JOIN ledger.account ON account.id = mark.account_id
WHERE mark.seq > (SELECT ledger.archived_seq()) AND NOT EXISTS (
    SELECT FROM ledger.entry
    WHERE entry.seq = mark.seq
        AND (mark.account_id IN (entry.debit_account, entry.credit_account) OR mark.account_id = ANY (posting_account))
)
LIMIT %s
