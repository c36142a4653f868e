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
SELECT 'mark ' || mark.number || ' of account ' || coalesce(account.reference, mark.account_id::text),
    'stands at entry ' || mark.seq || ', which does not touch the account'
FROM ledger.mark
LEFT JOIN ledger.account ON account.id = mark.account_id
WHERE NOT EXISTS (
    SELECT FROM ledger.entry
    WHERE entry.seq = mark.seq
        AND (mark.account_id IN (entry.debit_account, entry.credit_account) OR mark.account_id = ANY (posting_account))
)
LIMIT %s
