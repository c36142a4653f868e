-- Of a striped account what its stripes' postings changed.
SELECT whole.reference, (posting.effective_at AT TIME ZONE 'UTC')::date AS day,
    sum(CASE WHEN posting.side = account.normal_side THEN posting.amount ELSE -posting.amount END) AS change
FROM ledger.posting_view AS posting
JOIN ledger.account ON account.id = posting.account_id
JOIN ledger.account AS whole ON whole.id = coalesce(account.stripe_of, account.id)
WHERE whole.reference = ANY (%s)
GROUP BY whole.reference, day
ORDER BY day, whole.reference
