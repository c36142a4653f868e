SELECT account.reference, coalesce(sum(posting.amount * CASE posting.side WHEN 2 THEN 1 ELSE -1 END), 0), asset.code
FROM ledger.account
JOIN ledger.asset ON asset.id = account.asset_id
LEFT JOIN ledger.posting_view AS posting ON posting.account_id = account.id AND posting.effective_at <= %s
WHERE account.reference = ANY (%s)
GROUP BY account.reference, asset.code
