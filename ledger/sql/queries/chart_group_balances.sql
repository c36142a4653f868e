SELECT coalesce(portfolio.code, ''), coalesce(segment.code, ''), asset.code,
    coalesce(sum(side.debit_balance) FILTER (WHERE side.debit_balance > 0), 0),
    coalesce(sum(-side.debit_balance) FILTER (WHERE side.debit_balance < 0), 0),
    count(*)
FROM ledger.whole_account AS account
JOIN ledger.asset ON asset.id = account.asset_id
LEFT JOIN ledger.account_place AS place ON place.account_id = account.id
JOIN ledger.book ON book.id = account.book_id
LEFT JOIN ledger.portfolio ON portfolio.id = place.portfolio_id
LEFT JOIN ledger.segment ON segment.id = place.segment_id
CROSS JOIN LATERAL (
    SELECT CASE account.normal_side WHEN 1 THEN account.balance ELSE -account.balance END::numeric AS debit_balance
) AS side
WHERE book.code = %s
GROUP BY 1, 2, 3
ORDER BY 1, 2, 3
