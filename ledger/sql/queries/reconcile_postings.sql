-- Postings that no match holds, from some days before the first day that a statement of the account covers.
WITH begin AS (
    SELECT account_id, min(first_day) - %(days)s::int AS day
    FROM ledger.external_statement WHERE account_id = ANY (%(accounts)s) GROUP BY account_id
)
SELECT posting.account_id, posting.seq, posting.number,
    posting.amount * CASE account.normal_side WHEN 1 THEN 1 ELSE -1 END AS change,
    (posting.effective_at AT TIME ZONE 'UTC')::date AS day,
    coalesce(entry.settlement_id, ''), entry.key::text, coalesce(description.description, '')
FROM ledger.signed_posting AS posting
JOIN begin ON begin.account_id = posting.account_id
JOIN ledger.account ON account.id = posting.account_id
JOIN ledger.entry ON entry.seq = posting.seq
LEFT JOIN ledger.description ON description.seq = posting.seq
WHERE posting.effective_at >= begin.day::timestamp AT TIME ZONE 'UTC'
    AND NOT EXISTS (
        SELECT FROM ledger.match_posting AS matched
        WHERE matched.seq = posting.seq AND matched.number = posting.number AND matched.live
    )
    AND NOT EXISTS (
        SELECT FROM ledger.reconciliation_exception AS apart
        WHERE apart.account_id = posting.account_id AND apart.kind = 6 AND apart.state IN (1, 2)
            AND apart.posting_seq = ARRAY[posting.seq] AND apart.posting_number = ARRAY[posting.number::smallint]
    )
ORDER BY posting.seq, posting.number
