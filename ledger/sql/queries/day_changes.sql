SELECT posting.account, (posting.effective_at AT TIME ZONE 'UTC')::date AS day,
    sum(CASE WHEN posting.side = account.normal_side THEN posting.amount ELSE -posting.amount END) AS change
FROM ledger.posting_view AS posting
JOIN ledger.account ON account.id = posting.account_id
WHERE posting.account = ANY (%s)
GROUP BY posting.account, day
ORDER BY day, posting.account
